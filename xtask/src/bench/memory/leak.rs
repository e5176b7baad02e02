//! Four workers that leak, in less memory than they would take: are they renewed in time, and does it cost a request?

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::list::Found;
use crate::bench::open::{self, Load, Stream};
use crate::bench::procfs;
use crate::bench::report::{Table, Target};
use crate::bench::running::Running;
use crate::bench::wait;
use crate::bench::workshop::{Workshop, app};

const LIMIT_MB: f64 = 512.0;
const PER_SECOND: f64 = 400.0;
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) fn run(workshop: &Workshop, program: &Path, seconds: u32) -> anyhow::Result<Found> {
    let serving = Running::start(workshop, program, None, "leak", |command, admin| {
        command.args(["run", "--workers", "4", "--name", "bench-leak", "--admin", admin, "--"]);
        command.arg(&workshop.node).arg(app("leak.js")).env("PLIMSOLL_MEMORY_LIMIT", "512MB");
    })?
    .when_it_answers()?;
    let load = Load {
        port: serving.port,
        seconds: f64::from(seconds),
        streams: vec![Stream {
            name: "leak",
            per_second: PER_SECOND,
            method: "GET",
            target: "/".to_owned(),
            fresh_percent: 5,
        }],
        ..Load::default()
    };
    let pid = serving.pid();
    let (records, most_kb) = load.run(|begun| {
        let mut most_kb = 0;
        while begun.elapsed() < Duration::from_secs(u64::from(seconds)) {
            most_kb = most_kb.max(anonymous_kb(pid));
            wait::pause(LOOK_EVERY);
        }
        Ok(most_kb)
    })?;
    let status = serving.status().context("it says no status")?;
    let recycled = status.pointer("/memory/recycled/heap").and_then(Value::as_u64).unwrap_or(0)
        + status.pointer("/memory/recycled/resident").and_then(Value::as_u64).unwrap_or(0);
    let workers = status.get("workers").and_then(Value::as_array).cloned().unwrap_or_default();
    let has_died = |worker: &&Value| worker.get("last_death").is_some_and(|death| !death.is_null());
    let deaths = workers.iter().filter(has_died).count();
    let failed: usize = open::failures(&records).values().sum();
    let latency = open::latency(&records);
    let most_mb = most_kb as f64 / 1024.0;
    let mut table = Table::new(&["", "found"]);
    let mut row = |what: &str, found: String| table.row(vec![what.to_owned(), found]);
    row("requests", records.len().to_string());
    row("failed", failed.to_string());
    row("workers renewed", recycled.to_string());
    row("workers that died", deaths.to_string());
    row("most memory, all processes, without files", format!("{most_mb:.0} MB"));
    row(
        "p50, p99",
        latency.map_or_else(|| "–".to_owned(), |one| format!("{:.1}, {:.1} ms", one.p50, one.p99)),
    );
    let at_most = |what: &str, limit, found| Target::new(what, limit, found, "");
    let targets = vec![
        at_most("failed requests through a leak", 0.0, failed as f64),
        at_most("workers that died of it", 0.0, deaths as f64),
        at_most("most memory of 512 MB", LIMIT_MB, most_mb),
        at_most("renewals missing (at least 1)", 0.0, if recycled == 0 { 1.0 } else { 0.0 }),
    ];
    let raw = json!({ "requests": records.len(), "failed": failed, "recycled": recycled, "deaths": deaths, "most_mb": most_mb });
    Ok(Found { table, targets, raw })
}

/// Of Plimsoll and all below it.
fn anonymous_kb(pid: procfs::Pid) -> u64 {
    let of = |pid: procfs::Pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()
    };
    std::iter::once(pid).chain(procfs::descendants(pid)).filter_map(of).sum()
}
