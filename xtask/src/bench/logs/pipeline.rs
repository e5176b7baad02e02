//! The pipeline by itself: from a pipe to a file, in lines per second of one core.

use serde_json::Value;

use super::{Bench, Findings};
use crate::bench::report::{Table, Target, figure};
use crate::process::{cargo, output};

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let mut cargo = cargo(&["bench", "--quiet", "-p", "plimsoll", "--bench", "logs", "--", "--json"]);
    cargo.env("ROUNDS", bench.rounds.to_string());
    let text = output(cargo)?;
    let rows: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect();
    let mut table =
        Table::new(&["rules", "sink", "µs of CPU per line", "lines/s of a core", "lines/s", "lost"]);
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_f64);
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for row in &rows {
        let used = number(row, "cpu_us");
        table.row(vec![
            text(row, "rules"),
            text(row, "sink"),
            figure(used, "", 3),
            figure(used.map(|us| 1e6 / us), "", 0),
            figure(number(row, "wall_us").map(|us| 1e6 / us), "", 0),
            figure(number(row, "lost"), "", 0),
        ]);
    }
    let found = |rules: &str, sink: &str| {
        let row = rows.iter().find(|row| text(row, "rules") == rules && text(row, "sink") == sink)?;
        number(row, "cpu_us")
    };
    let target = |rules: &'static str, sink| {
        Target::new(
            format!("{rules}, file: CPU per line (1,000,000 lines/s of a core)"),
            1.0,
            found(rules, sink),
            " µs",
        )
    };
    Ok(Findings {
        name: "pipeline",
        title: "The pipeline by itself",
        targets: vec![target("budget 1000/s", "file"), target("all kept", "file")],
        table,
        method: format!(
            "Pipeline: a thread writes 3,000,000 lines of 200 bytes, as pino writes them, into a pipe as fast as they are read \
             ({} rounds, the least counts). CPU of the pipeline's threads alone (drain, processor, sink) by `schedstat`; \
             packing of files that were set aside is not in it, as it waits for an idle CPU and may be turned off.",
            bench.rounds
        ),
        notes: Vec::new(),
        raw: Value::from(rows),
    })
}
