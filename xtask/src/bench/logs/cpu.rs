//! What a line costs the app, beside the same app with a plain pipe and a fast reader.

use serde_json::json;

use super::stage::{Asked, How, Stage};
use super::{Bench, Findings};
use crate::bench::report::{Table, Target, figure};
use crate::bench::stats;

const LINES: u64 = 100_000;
const WARM_UP: u64 = 200_000;
const KINDS: [&str; 3] = ["console", "pino", "pino-async"];
/// Fresh processes of each: two of the same differ by some percent for as long as they live, by where their memory lies.
const PAIRS: usize = 16;
/// Turns of each within a pair: what slowly changes meets both alike.
const SLICES: usize = 4;

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let mut table = Table::new(&[
        "logger",
        "plain pipe, µs per line (min)",
        "Plimsoll (min)",
        "ratio of the least",
        "median of ratios",
        "sure to",
    ]);
    let mut targets = Vec::new();
    let mut raw = Vec::new();
    let pairs = if bench.is_quick { 2 } else { PAIRS };
    for kind in KINDS {
        let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..pairs {
            let mut of_pair = Vec::new();
            let alone = Stage::start(bench, How::Plain, Asked::default())?;
            let under = Stage::start(bench, How::Plimsoll, Asked::default())?;
            for stage in [&alone, &under] {
                measure(stage, kind, WARM_UP)?;
            }
            for slice in 0..SLICES {
                let order = if slice % 2 == 0 { [&alone, &under] } else { [&under, &alone] };
                let mut found = [measure(order[0], kind, LINES)?, measure(order[1], kind, LINES)?];
                if slice % 2 == 1 {
                    found.reverse();
                }
                let [one, other] = found;
                plain.push(one);
                ours.push(other);
                of_pair.push(other / one);
            }
            ratios.extend(stats::median(&of_pair));
        }
        let of_least = stats::min(&ours).zip(stats::min(&plain)).map(|(ours, plain)| ours / plain);
        let (ratio, sure_to) = (stats::median(&ratios), stats::uncertainty(&ratios));
        table.row(vec![
            kind.to_owned(),
            figure(stats::min(&plain), "", 3),
            figure(stats::min(&ours), "", 3),
            figure(of_least, "x", 3),
            figure(ratio, "x", 3),
            figure(sure_to.map(|either_way| either_way * 100.0), " %", 1),
        ]);
        let what = format!("{kind}: the app's CPU per line, to that with a plain pipe");
        targets.push(Target::new(what, 1.0, ratio, "x").sure_to(sure_to));
        raw.push(json!({ "kind": kind, "plain_us": plain, "plimsoll_us": ours, "ratios": ratios }));
    }
    Ok(Findings {
        name: "cpu",
        title: "What a line costs the app",
        table,
        targets,
        method: format!(
            "App: {LINES} lines of about 200 bytes in slices of 500 between turns of the loop, CPU (user and system) of the app's process \
             by `process.cpuUsage()` until all is written; plain: stdout is a pipe that a thread reads 256 KB at a time and throws \
             away. {pairs} times both are started afresh, and take {SLICES} turns one after the other; of each pair the median of the ratios within turns, and of those the \
             median counts, which is sure to what the table says: processes of the same program differ by some percent for as long as they live.",
        ),
        notes: Vec::new(),
        raw: json!(raw),
    })
}

fn measure(stage: &Stage, kind: &str, lines: u64) -> anyhow::Result<f64> {
    let used: f64 = stage.get(&format!("/cpu?kind={kind}&lines={lines}"))?.parse()?;
    Ok(used / lines as f64)
}
