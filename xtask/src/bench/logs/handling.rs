//! The same app, the same lines, a file at the end: CPU of whoever stands between.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::{Asked, How, Stage, lines_of};
use super::{Bench, Findings, pino};
use crate::bench::client::{self, Address};
use crate::bench::peer::packages;
use crate::bench::report::{Table, Target, figure};
use crate::bench::workshop::{app, free_port};
use crate::bench::{machine, procfs, stats, wait};
use crate::process::{command, output};

/// How the app writes: its path for it, what that is, how many lines, and how many for PM2, which takes longer.
const WAYS: [(&str, &str, u64, u64); 2] =
    [("each", "a write for each line", 500_000, 200_000), ("block", "blocks of 64 KB", 1_000_000, 200_000)];
const WITHIN: Duration = Duration::from_secs(120);

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let rounds = if bench.is_quick { 1 } else { bench.rounds.min(2) };
    let mut table = Table::new(&[
        "the app writes",
        "Plimsoll, µs of CPU per line",
        "PM2",
        "ratio",
        "Plimsoll, lines/s from end to end",
        "PM2",
    ]);
    let (mut targets, mut raw) = (Vec::new(), Vec::new());
    for way @ (path, what, ..) in WAYS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(plimsoll(bench, way)?);
            theirs.push(pm2(bench, way)?);
        }
        let least = |all: &[Handled]| stats::min(&all.iter().map(|one| one.cpu_us).collect::<Vec<_>>());
        let most = |all: &[Handled]| stats::max(&all.iter().map(|one| one.per_second).collect::<Vec<_>>());
        let share = least(&ours).zip(least(&theirs)).map(|(ours, theirs)| ours / theirs);
        table.row(vec![
            what.to_owned(),
            figure(least(&ours), "", 2),
            figure(least(&theirs), "", 2),
            figure(share, "x", 2),
            figure(most(&ours), "", 0),
            figure(most(&theirs), "", 0),
        ]);
        if path == "each" {
            targets.push(Target::new(
                format!("CPU per line, {what}, to that of PM2 (a fifth)"),
                0.2,
                share,
                "x",
            ));
        }
        raw.push(json!({
            "writes": what,
            "plimsoll": ours.iter().map(Handled::raw).collect::<Vec<_>>(),
            "pm2": theirs.iter().map(Handled::raw).collect::<Vec<_>>(),
        }));
    }
    let others: Vec<&str> =
        ["vector", "fluent-bit"].into_iter().filter(|one| machine::find(one).is_none()).collect();
    let notes = match others.as_slice() {
        [] => Vec::new(),
        absent => vec![format!(
            "Not compared with {}: not installed, and no registry that this machine may use has it as a package.",
            absent.join(" and ")
        )],
    };
    Ok(Findings {
        name: "handling",
        title: "From the app to a file, the whole program",
        targets,
        table,
        method: format!(
            "Handling: the app writes lines of 200 bytes, one write for each (as console and pino do it; 500,000 lines, 200,000 for PM2), and in \
             blocks of 64 KB (1,000,000 and 200,000: few apps do that, and PM2, which does not look at lines, is fastest then); CPU of the whole process \
             between app and file (Plimsoll with `[[logs.sink]] type = \"file\"`, PM2's daemon with `--output FILE`) until all lines \
             are in the file; {rounds} rounds. Plimsoll understands each line, PM2 none."
        ),
        notes,
        raw: json!(raw),
    })
}

type Way = (&'static str, &'static str, u64, u64);

struct Handled {
    cpu_us: f64,
    per_second: f64,
}

impl Handled {
    fn raw(&self) -> serde_json::Value {
        json!({ "cpu_us_per_line": self.cpu_us, "lines_per_second": self.per_second })
    }
}

/// Has the app write, waits until all of it is in the file, and takes what `pid` used.
fn handle(port: u16, pid: procfs::Pid, (path, lines): (&str, u64), file: &Path) -> anyhow::Result<Handled> {
    let before = procfs::cpu_ns(&[pid])?;
    let start = Instant::now();
    // Answered when the last line has been written to the pipe.
    client::get(&Address::port(port), &format!("/{path}?lines={lines}"))?;
    let bytes = |lines: u64| lines * 200;
    wait::until(WITHIN, "all lines in the file", || {
        let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
        (length >= bytes(lines)).then_some(())
    })?;
    let took = start.elapsed().as_secs_f64();
    let used = procfs::cpu_ns(&[pid])? - before;
    anyhow::ensure!(lines_of(file) >= lines, "lines are missing in {}", file.display());
    Ok(Handled { cpu_us: used as f64 / 1000.0 / lines as f64, per_second: lines as f64 / took })
}

fn plimsoll(bench: &Bench<'_>, (path, _, lines, _): Way) -> anyhow::Result<Handled> {
    let settings = "[logs]\nrate = \"off\"\nbuffer = \"256MB\"\n[[logs.sink]]\ntype = \"stdout\"\nlevel = \"off\"\n\
                    [[logs.sink]]\ntype = \"file\"\npath = \"app.log\"\nrotate_size = \"10GB\"\nqueue = \"256MB\"\n";
    let stage = Stage::start(bench, How::Plimsoll, Asked { settings, ..Asked::default() })?;
    handle(stage.port, stage.pid(), (path, lines), &stage.directory.join("app.log"))
}

/// PM2's daemon is nobody's child: it is ended by its own order.
struct Pm2 {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Pm2 {
    fn call(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut pm2 = command(&self.program, arguments);
        pm2.current_dir(&self.directory)
            .env("PM2_HOME", self.directory.join("pm2"))
            .env("PORT", self.port.to_string())
            .env("PINO", pino())
            .env_remove("NODE_OPTIONS");
        output(pm2)
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        let _ = self.call(&["kill"]);
    }
}

fn pm2(bench: &Bench<'_>, (path, _, _, lines): Way) -> anyhow::Result<Handled> {
    let program = packages()?.join("pm2");
    let port = free_port()?;
    let directory = bench.workshop.directory.join(format!("pm2-{port}"));
    fs::create_dir_all(&directory)?;
    let file = directory.join("app.log");
    let pm2 = Pm2 { program, directory, port };
    let (script, log) = (app("logs.js"), file.to_string_lossy().into_owned());
    pm2.call(&["start", &script.to_string_lossy(), "--name", "logs", "--output", &log, "--error", &log])?;
    wait::until(Duration::from_secs(20), "the first answer of PM2", || {
        client::get(&Address::port(port), "/").ok()
    })?;
    let pid = fs::read_to_string(pm2.directory.join("pm2/pm2.pid"))?.trim().parse()?;
    handle(port, pid, (path, lines), &file)
}
