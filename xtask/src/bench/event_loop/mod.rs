//! `bench event-loop`: what a route that blocks the loop does to the others, and what becomes of an overload.
//!
//! All serve the same app under the same load at a fixed rate, in turns. What counts is the tail of the fast requests:
//! one blocking request a second is in the way of few of them, and those are the ones that people notice.

mod blocking;
mod overload;

use serde_json::json;

use super::peer::Programs;
use super::report::{Keep, Report, targets};
use super::workshop::Workshop;
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Only these contenders, by the beginning of their names (node:cluster, pm2, watt, plimsoll).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only this part.
    #[arg(long)]
    part: Option<Part>,
    /// Have Plimsoll tell of loops that stand still for 20 ms, to see what made the slowest requests wait (in the raw
    /// figures).
    #[arg(long)]
    trace: bool,
    /// Seconds of each turn that count.
    #[arg(long)]
    seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Blocking,
    Overload,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let programs = Programs::gather(&options.common)?;
    let quick = options.common.quick;
    let seconds = options.seconds.unwrap_or(if quick { 5 } else { 20 });
    let rounds = options.common.rounds(5);
    let wants = |part| options.part.is_none_or(|only| only == part);
    let (mut tables, mut raw, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    if wants(Part::Blocking) {
        let (table, figures, targets) =
            blocking::run(&workshop, &programs, rounds, seconds, (&options.only, options.trace))?;
        tables.push(("2,000 fast requests/s beside one of 200 ms a second".to_owned(), table));
        raw.push(json!({ "blocking": figures }));
        reached.extend(targets);
    }
    if wants(Part::Overload) {
        let (table, figures, targets) = overload::run(&workshop, &programs, rounds.min(3), seconds)?;
        tables.push(("Twice the capacity of one worker".to_owned(), table));
        raw.push(json!({ "overload": figures }));
        reached.extend(targets);
    }
    tables.insert(0, ("Figures to reach".to_owned(), targets(&reached)));
    Report {
        verb: "event-loop",
        title: "Fast requests beside a route that blocks the loop",
        command,
        machine: machine::facts(&programs.versions(&workshop)),
        method: vec![
            format!("Nothing is bound to a CPU. Limit of open files: {}.", workshop.files_max),
            "Open loop: each request has a time at which it is due, and its latency counts from then. 2 workers; each \
             contender is started afresh in each round, and what comes in the first seconds does not count."
                .to_owned(),
            "The client takes, of its idle connections, the one that has been idle for the longest time.".to_owned(),
            "The app answers at once, and keeps the loop for 200 ms where it is asked to. Every heavy request and a tenth \
             of the fast ones are POSTs, whose ids the app writes down (to a file in memory) before it answers: from that comes what ran twice."
                .to_owned(),
            "node:cluster: `bench/peers/cluster.js`. PM2: cluster mode. Watt: on the Node.js that it needs.".to_owned(),
            "Overload: one worker, 2 ms of work a request. Its capacity is what it answers per second to 4 clients that \
             wait for each answer; then twice as much comes at a fixed rate."
                .to_owned(),
        ],
        tables,
        notes: Vec::new(),
        raw: json!(raw),
        keep: Keep::unless(quick || options.trace || !options.only.is_empty() || options.part.is_some()),
    }
    .publish()
}
