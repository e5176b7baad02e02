//! What seeing all this costs a loop: the agent's own steps, timed one by one, and how often they are taken.
//!
//! It cannot be switched off, so there is nothing to compare with; and it is far below what a difference of two loads
//! could show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::list::Found;
use crate::bench::procfs;
use crate::bench::report::{Table, Target};
use crate::bench::running::Running;
use crate::bench::workshop::{Workshop, app};
use crate::nodes;
use crate::process::output;

/// The watchdog asks so often while there are requests: `EVERY_NS` and `WEIGH_NS` in the agent.
const MEASURES_PER_SECOND: f64 = 2.0;
const WEIGHS_PER_SECOND: f64 = 20.0;
/// Collections of an app that makes much garbage; the heap is read before and after each.
const COLLECTIONS_PER_SECOND: f64 = 100.0;
/// Of what is told by the channel: a write of some hundred bytes.
const WRITE_US: f64 = 8.0;
const COST_PERCENT: f64 = 1.0;

pub(super) fn run(workshop: &Workshop, program: &Path) -> anyhow::Result<Found> {
    let serving = Running::start(workshop, program, None, "observe", |command, _| {
        command.args(["run", "--admin", "off", "--name", "bench-observe", "--"]);
        command.arg(&workshop.node).arg(app("list.js"));
    })?
    .when_it_answers()?;
    let is_worker = |pid: &procfs::Pid| procfs::runs(*pid, &workshop.node);
    let worker = procfs::descendants(serving.pid()).into_iter().find(is_worker);
    let agent = agent_of(worker.context("no worker was found")?)?;
    let mut table = Table::new(&["", "measure us", "weigh us", "read us", "of the loop %"]);
    let (mut raw, mut worst) = (Vec::new(), 0.0_f64);
    for node in nodes::present()? {
        let mut command = Command::new(&node.binary);
        command.arg(app("observe.js")).arg(&agent).env_remove("NODE_OPTIONS");
        let text = output(command)?;
        let found: Value = serde_json::from_str(text.trim()).with_context(|| text.clone())?;
        let number = |name: &str| found.get(name).and_then(Value::as_f64);
        let (Some(measure), Some(weigh), Some(read)) =
            (number("measure_us"), number("weigh_us"), number("read_us"))
        else {
            bail!("observe.js said {text}");
        };
        let us = MEASURES_PER_SECOND * (measure + WRITE_US)
            + WEIGHS_PER_SECOND * (weigh + WRITE_US)
            + COLLECTIONS_PER_SECOND * 2.0 * read;
        let percent = us / 1e6 * 100.0;
        worst = worst.max(percent);
        let cells = [measure, weigh, read].map(|us| format!("{us:.2}"));
        let row = [node.version.clone()].into_iter().chain(cells).chain([format!("{percent:.3}")]);
        table.row(row.collect());
        raw.push(json!({ "node": node.version, "found": found, "percent": percent }));
    }
    let what = "what observing memory and context costs a busy loop".to_owned();
    let targets = vec![Target::new(what, COST_PERCENT, worst, " %")];
    Ok(Found { table, targets, raw: json!(raw) })
}

/// Where the agent's files lie that a process has loaded.
fn agent_of(pid: u32) -> anyhow::Result<PathBuf> {
    let environment = fs::read(format!("/proc/{pid}/environ"))?;
    let options = environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(b"NODE_OPTIONS="));
    let options = String::from_utf8_lossy(options.context("the worker has no NODE_OPTIONS")?).into_owned();
    let (_, path) = options.split_once("--require \"").context("the worker has no preload")?;
    let (path, _) = path.split_once('"').context("the path of the preload has no end")?;
    Ok(Path::new(path).parent().context("the preload lies nowhere")?.to_owned())
}
