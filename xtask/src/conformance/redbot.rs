//! redbot, a critic of HTTP, on the answers that the gateway makes by itself.
//!
//! It is installed from PyPI into an environment of its own under `target`. What it calls bad is a failure; what it
//! calls a warning is told.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use super::ground::{Ground, file};
use super::item::{Found, Item};
use crate::bench::peer::Setup;
use crate::process::{command, output, run as run_to_the_end, target};

const NAME: &str = "gateway-made answers";
const SCRIPT: &str = "judge.py";

/// A note on the request, not on the answer: it was made that long on purpose.
const OF_THE_REQUEST: &str = "accept a URI this long";

/// What is asked for, and the answer of the gateway to it.
const ASKED: [(&str, &str); 4] = [
    ("/destroyed", "502 worker_closed"),
    ("/rubbish", "502 bad_response"),
    ("/silent", "504 request_timeout"),
    ("/long", "414 target_too_long"),
];

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let python = match environment() {
        Ok(python) => python,
        Err(error) => return Ok(Found::not_run(NAME, format!("redbot cannot be installed here: {error:#}"))),
    };
    let settings = vec![("PLIMSOLL_GATEWAY_REQUEST_TIMEOUT", "1s")];
    let setup = Setup { workers: 1, script: file("apps/failing.js"), settings, ..Setup::default() };
    let serving = ground.serve(&setup)?;
    let items = ASKED.iter().map(|(path, answer)| {
        // Longer than any target may be.
        let path = if *path == "/long" { format!("/{}", "l".repeat(40_000)) } else { (*path).to_owned() };
        let url = format!("http://127.0.0.1:{}{path}", serving.port);
        Item::new(*answer, "redbot: no note is `bad`").measured(judge(&python, &url, answer))
    });
    let items = items.collect();
    let version =
        output(command(&python, &["-c", "import redbot; print(redbot.__version__)"])).unwrap_or_default();
    Ok(Found { items, versions: vec![("redbot".to_owned(), version.trim().to_owned())], ..Found::default() })
}

fn judge(python: &PathBuf, url: &str, answer: &str) -> anyhow::Result<(String, bool)> {
    let said = Command::new(python).arg(file(SCRIPT)).arg(url).output().context("cannot start redbot")?;
    anyhow::ensure!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr).lines().last().unwrap_or_default()
    );
    let said: Vec<String> = String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect();
    let (status, notes) = said.split_first().context("redbot said nothing")?;
    anyhow::ensure!(answer.starts_with(status.as_str()), "answered {status}, not {answer}");
    let bad = notes.iter().filter(|note| note.starts_with("BAD") && !note.contains(OF_THE_REQUEST)).count();
    let figure = if notes.is_empty() { "no note".to_owned() } else { notes.join("; ") };
    Ok((figure, bad == 0))
}

fn environment() -> anyhow::Result<PathBuf> {
    let folder = target().join("conformance/redbot");
    let python = folder.join("bin/python");
    if !folder.join("bin/redbot").exists() {
        let mut make = command("python3", &["-m", "venv"]);
        make.arg(&folder);
        run_to_the_end(make)?;
        run_to_the_end(command(&python, &["-m", "pip", "install", "--quiet", "redbot"]))?;
    }
    Ok(python)
}
