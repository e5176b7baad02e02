//! Scripts of raw HTTP/1.1 for varnishtest, in `conformance/varnishtest`.
//!
//! `client_*.vtc` speak as clients to a Node app that tells which requests ran. `worker_*.vtc` are both sides: their
//! `server` is the worker, for a command without an agent may be anything that listens, also a relay to the script.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::ground::{Ground, file};
use super::item::{Found, Item};
use super::slowhttptest::package_version;
use crate::bench::client::{self, Address};
use crate::bench::machine;
use crate::bench::peer::Setup;
use crate::bench::workshop::free_port;
use crate::process::root;

const LINES_SHOWN: usize = 3;

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let tool = machine::find_or_install("varnishtest", "varnish")?;
    let mut items = Vec::new();
    let app = root().join("crates/plimsoll/tests/it/apps/echo.js");
    let serving = ground.serve(&Setup { workers: 1, script: app, ..Setup::default() })?;
    for script in scripts("client_")? {
        // What ran before, this script does not ask for.
        client::get(&Address::port(serving.port), "/ran")?;
        items.push(item(&tool, &script, &[("port", serving.port)]));
    }
    drop(serving);
    for script in scripts("worker_")? {
        items.push(beside_relay(ground, &tool, &script)?);
    }
    Ok(Found {
        items,
        versions: vec![("varnishtest".to_owned(), package_version("varnish"))],
        ..Found::default()
    })
}

/// The script's server is the worker. Each has a Plimsoll of its own: what one leaves in a link does not meet the next.
fn beside_relay(ground: &Ground, tool: &Path, script: &Path) -> anyhow::Result<Item> {
    let worker = free_port()?;
    let setup = Setup {
        workers: 1,
        script: file("apps/relay.js"),
        own_port: Some(free_port()?),
        env: vec![("WORKER", worker.to_string())],
        ..Setup::default()
    };
    let serving = ground.serve(&setup)?;
    Ok(item(tool, script, &[("port", serving.port), ("worker", worker)]))
}

fn scripts(prefix: &str) -> anyhow::Result<Vec<PathBuf>> {
    let folder = file("varnishtest");
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
        })
        .collect();
    found.sort();
    anyhow::ensure!(!found.is_empty(), "there is no script {prefix}*.vtc in {}", folder.display());
    Ok(found)
}

fn item(tool: &Path, script: &Path, macros: &[(&str, u16)]) -> Item {
    let name = script.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    Item::new(name, title(script).unwrap_or_default()).measured(try_script(tool, script, macros))
}

fn try_script(tool: &Path, script: &Path, macros: &[(&str, u16)]) -> anyhow::Result<(String, bool)> {
    let mut command = Command::new(tool);
    for (name, port) in macros {
        command.args(["-D", &format!("{name}={port}")]);
    }
    let output = command.args(["-t", "30"]).arg(script).output().context("cannot start varnishtest")?;
    if output.status.success() {
        return Ok(("as expected".to_owned(), true));
    }
    Ok((complaint(&String::from_utf8_lossy(&output.stdout)), false))
}

/// The lines of its log that say what was wrong begin with dashes.
fn complaint(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("----")).take(LINES_SHOWN).collect();
    match lines.as_slice() {
        [] => format!("broke off: {}", log.lines().last().unwrap_or("without a word")),
        _ => lines.join("; "),
    }
}

/// What a script says of itself: `vtest "…"`.
fn title(script: &Path) -> Option<String> {
    let text = fs::read_to_string(script).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("vtest ").or_else(|| line.strip_prefix("varnishtest ")))?;
    Some(line.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_says_what_it_is_about() {
        for script in ["client_", "worker_"].iter().flat_map(|prefix| scripts(prefix).unwrap()) {
            assert!(title(&script).is_some_and(|title| title.len() > 10), "{}", script.display());
        }
    }
}
