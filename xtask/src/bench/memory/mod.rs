//! `bench memory`: what heaps that fit are worth, and whether a leak under load costs a request.

mod leak;
mod list;

use serde_json::json;

use super::field::plimsoll;
use super::report::{Keep, Report, targets};
use super::workshop::Workshop;
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Only this part.
    #[arg(long)]
    part: Option<Part>,
    /// How long the leak goes on.
    #[arg(long)]
    leak_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    List,
    Leak,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    let quick = options.common.quick;
    let wants = |part| options.part.is_none_or(|only| only == part);
    let (mut tables, mut raw, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    if wants(Part::List) {
        let wrk = machine::find_or_install("wrk", "wrk")?;
        let seconds = if quick { 2 } else { 4 };
        let found = list::run(&workshop, &program, &wrk, options.common.rounds(3), seconds)?;
        tables.push(("A JSON list of 300 rows, 64 connections, one worker".to_owned(), found.table));
        reached.extend(found.targets);
        raw.push(json!({ "list": found.raw }));
    }
    if wants(Part::Leak) {
        let seconds = options.leak_seconds.unwrap_or(if quick { 100 } else { 180 });
        let found = leak::run(&workshop, &program, seconds)?;
        tables.push(("A leak in 4 workers and 512 MB".to_owned(), found.table));
        reached.extend(found.targets);
        raw.push(json!({ "leak": found.raw }));
    }
    tables.insert(0, ("Figures to reach".to_owned(), targets(&reached)));
    let programs =
        [("node", workshop.version_of_node()), ("plimsoll", machine::version(&program, "version"))];
    Report {
        verb: "memory",
        title: "Heaps that fit, and a leak that nobody notices",
        command,
        machine: machine::facts(&programs),
        method: vec![
            format!("Nothing is bound to a CPU. Limit of open files: {}.", workshop.files_max),
            "List: `bench/apps/list.js` under `wrk`, a closed loop, the contenders in turns and afresh in each round; \
             the best round counts. `plain` is Node alone, `with flags` is Node alone with the options that Plimsoll \
             would set, so that the effect of the heap is seen without that of the gateway, which has CPUs of its own where \
             there are enough."
                .to_owned(),
            "Leak: `bench/apps/leak.js` keeps some 300 kB a second in each of 4 workers, under 400 requests a second that come at \
             fixed times. The limit is given by memory.limit; who is over his share is not killed but counted."
                .to_owned(),
        ],
        tables,
        notes: Vec::new(),
        raw: json!(raw),
        keep: Keep::unless(quick || options.part.is_some()),
    }
    .publish()
}
