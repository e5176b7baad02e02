//! 400 KB by `console.log`, and then `process.exit()`: how much arrives?

use std::time::Duration;

use serde_json::json;

use super::stage::{Asked, How, Stage};
use super::{Bench, Findings};
use crate::bench::report::{Table, Target};
use crate::bench::wait;
use crate::nodes;

const BYTES: u64 = 400_000;

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let mut table = Table::new(&["", "plain pipe, bytes missing", "Plimsoll, bytes missing"]);
    let mut raw = Vec::new();
    let mut most = 0_u64;
    for node in nodes::all()? {
        let mut missing = [0_u64; 2];
        for (place, how) in missing.iter_mut().zip([How::Plain, How::Plimsoll]) {
            for _ in 0..bench.rounds {
                *place = (*place).max(BYTES.saturating_sub(arrived(bench, how, &node)?));
            }
        }
        let [plain, ours] = missing;
        most = most.max(ours);
        table.row(vec![format!("Node {}", node.version), plain.to_string(), ours.to_string()]);
        raw.push(json!({ "node": node.version, "plain_missing": plain, "plimsoll_missing": ours }));
    }
    Ok(Findings {
        name: "exit",
        title: "400 KB, then process.exit()",
        targets: vec![Target::new("bytes missing, on every supported Node", 0.0, most as f64, "")],
        table,
        method: format!(
            "Exit: {BYTES} bytes in 4,000 calls of `console.log`, then `process.exit()` in the same turn; stdout is a pipe that is read as fast as it \
             can be. The worst of {} runs.",
            bench.rounds
        ),
        notes: Vec::new(),
        raw: json!(raw),
    })
}

fn arrived(bench: &Bench<'_>, how: How, node: &nodes::Node) -> anyhow::Result<u64> {
    let asked = Asked { settings: "[logs]\naccess = \"off\"\n", node: Some(&node.binary) };
    let stage = Stage::start(bench, how, asked)?;
    let before = stage.reader.bytes();
    // It ends before it answers.
    let _cut = stage.get(&format!("/exit?bytes={BYTES}"));
    wait::until(Duration::from_secs(20), "the end of the app", || {
        // Plimsoll replaces it, and what it wrote comes before that.
        let is_replaced = how == How::Plimsoll && stage.get("/").is_ok();
        (stage.reader.is_over() || is_replaced).then_some(())
    })?;
    let settled = wait::until(Duration::from_secs(10), "the last bytes", || {
        let bytes = stage.reader.bytes();
        wait::pause(Duration::from_millis(100));
        (bytes == stage.reader.bytes()).then_some(bytes)
    })?;
    Ok(settled - before)
}
