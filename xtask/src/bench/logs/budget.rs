//! Far more lines than the budget: how many stay, which ones, and what can be told of the others.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Asked, How, Stage};
use super::{Bench, Findings};
use crate::bench::report::{Table, Target, figure, megabytes};
use crate::bench::{procfs, wait};

const BUDGET: f64 = 1000.0;
const LINES_PER_SECOND: u32 = 50_000;
/// The share has settled by then, as the figure to reach says.
const SETTLED_MS: u64 = 5000;
const LINES_OF_REQUEST: u32 = 5;

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let seconds = if bench.is_quick { 10 } else { 20 };
    let settings = format!(
        "[logs]\nrate = {BUDGET}\n[[logs.sink]]\ntype = \"stdout\"\nlevel = \"off\"\n\
         [[logs.sink]]\ntype = \"file\"\npath = \"app.log\"\n"
    );
    let stage = Stage::start(bench, How::Plimsoll, Asked { settings: &settings, ..Asked::default() })?;
    let before = procfs::memory(&[stage.pid()])?.rss;
    let answer = stage.get(&format!("/burst?lines={LINES_PER_SECOND}&seconds={seconds}"))?;
    let told: Value = serde_json::from_str(&answer)?;
    let grown = procfs::memory(&[stage.pid()])?.rss.saturating_sub(before);
    let file = stage.directory.join("app.log");
    // Lines are held for up to 10 s, then dropped: nothing more comes to the file. What is written waits for nothing else.
    let kept = wait::until(Duration::from_secs(10), "the last lines", || {
        let one = read(&file);
        wait::pause(Duration::from_millis(300));
        let other = read(&file);
        (one.lines == other.lines).then_some(other)
    })?;
    let written = told.get("written").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let errors = told.get("errors").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let per_second = kept.settled as f64 / (seconds as f64 - SETTLED_MS as f64 / 1000.0);
    let off_budget = (per_second / BUDGET - 1.0).abs() * 100.0;
    let off_count = (kept.weight as f64 / written - 1.0).abs() * 100.0;
    let lost_errors = errors - kept.errors as f64;
    let mut table = Table::new(&["", "found"]);
    for (what, value) in [
        ("lines written", figure(Some(written), "", 0)),
        ("lines kept, the burst before the budget was spent among them", kept.lines.to_string()),
        ("lines kept per second once settled", figure(Some(per_second), "", 0)),
        ("lines that the weights stand for", kept.weight.to_string()),
        ("errors written", figure(Some(errors), "", 0)),
        ("errors kept", kept.errors.to_string()),
        ("requests of which a part was kept", kept.torn.to_string()),
        ("memory more, MB", figure(Some(megabytes(grown as f64)), "", 1)),
    ] {
        table.row(vec![what.to_owned(), value]);
    }
    Ok(Findings {
        name: "budget",
        title: "50,000 lines a second into a budget of 1,000",
        targets: vec![
            Target::new("lines/s once settled, off the budget", 10.0, off_budget, " %"),
            Target::new("errors that are missing", 0.0, lost_errors, ""),
            Target::new("count by weights, off the truth", 2.0, off_count, " %"),
            Target::new("requests of which a part was kept", 0.0, kept.torn as f64, ""),
            Target::new("memory of Plimsoll, more", 20.0, megabytes(grown as f64), " MB"),
        ],
        table,
        method: format!(
            "Budget: {LINES_PER_SECOND} lines a second for {seconds} s, five of each request, one in 5,000 an error, into a file. Lines per \
             second are counted from {} s on. Every kept line counts with its `plimsoll_weight`. The last {LINES_OF_REQUEST} lines of the app \
             may be of a request that it had not finished.",
            SETTLED_MS / 1000
        ),
        notes: Vec::new(),
        raw: json!({
            "written": written, "kept": kept.lines, "per_second": per_second, "weight": kept.weight, "errors": errors,
            "errors_kept": kept.errors, "torn": kept.torn, "rss_more_bytes": grown,
        }),
    })
}

#[derive(Debug, Default, Clone, Copy)]
struct Kept {
    lines: u64,
    settled: u64,
    weight: u64,
    errors: u64,
    torn: u64,
}

fn read(file: &std::path::Path) -> Kept {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut kept = Kept::default();
    let mut requests: HashMap<String, u32> = HashMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let number = |name: &str| line.get(name).and_then(Value::as_u64);
        let Some(request) = line.get("reqId").and_then(Value::as_str) else { continue };
        kept.lines += 1;
        kept.settled += u64::from(number("at") >= Some(SETTLED_MS));
        kept.weight += number("plimsoll_weight").unwrap_or(1);
        kept.errors += u64::from(number("level") == Some(50));
        *requests.entry(request.to_owned()).or_default() += 1;
    }
    kept.torn = requests.values().filter(|lines| **lines != LINES_OF_REQUEST).count() as u64;
    kept
}
