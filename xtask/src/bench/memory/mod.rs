//! `bench memory`: what heaps that fit are worth, what it costs to see them, and whether a leak under load costs a request.

mod leak;
mod list;
mod observe;

use serde_json::json;

use super::field::plimsoll;
use super::load::{Head, Load};
use super::only::Only;
use super::report::{Keep, Report, placement_sentence, targets};
use super::variant::Turns;
use super::workshop::Workshop;
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Part>,
    /// How long the leak goes on.
    #[arg(long)]
    minutes: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    List,
    Leak,
    Observe,
}

/// Fresh processes of each variant of the list.
const ROUNDS: usize = 8;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let mut workshop = Workshop::open(&options.common.node)?;
    workshop.placement = workshop.placement.with_the_worker_alone();
    let program = plimsoll(&options.common)?;
    let quick = options.common.quick;
    let (mut tables, mut raw, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    if options.only.wants(Part::List) {
        let wrk = machine::find_or_install("wrk", "wrk")?;
        let load = Load { connections: 64, seconds: 1, head: Head::Small };
        let (rounds, turns) = (options.common.rounds(ROUNDS), if quick { 1 } else { 3 });
        let with = Turns { workshop: &workshop, wrk: &wrk, load, rounds, turns };
        let found = list::run(&with, &program)?;
        tables.push(("A JSON list of 300 rows, 64 connections, one worker".to_owned(), found.table));
        reached.extend(found.targets);
        raw.push(json!({ "list": found.raw }));
    }
    if options.only.wants(Part::Observe) {
        let found = observe::run(&workshop, &program)?;
        tables.push(("What observing costs".to_owned(), found.table));
        reached.extend(found.targets);
        raw.push(json!({ "observe": found.raw }));
    }
    if options.only.wants(Part::Leak) {
        let seconds = options.minutes.map_or(if quick { 100 } else { 150 }, |minutes| minutes * 60);
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
            format!("List: {}", placement_sentence(&workshop)),
            format!(
                "List: `GET /items` of `examples/list` (by `bench/apps/list.js`) under `wrk`, a closed loop. In each of {} rounds all contenders are started afresh, warmed \
                 up, and loaded in 3 turns of one second, in an order that changes. Ratios are those of pairs in the same turn: of each round the median, \
                 and of those the median, which is sure to what the table says; else medians. CPU is that of all threads of the worker's process. `plain` is Node alone, `with flags` is Node alone with the \
                 options that Plimsoll would set, so that the effect of the heap is seen without that of the gateway.",
                options.common.rounds(ROUNDS)
            ),
            "Leak, where nothing is bound to a CPU: `bench/apps/leak.js` keeps some 300 kB a second in each of 4 workers, under 400 \
             requests a second that come at fixed times. The limit is given by memory.limit; who is over his share is not killed but counted."
                .to_owned(),
            "Observing: the steps of the agent, timed one by one in each Node (the least of 40 rounds of 500 calls), times how often \
             they are taken: measured twice a second, one request weighed 20 times a second, each with 8 us for the message, and \
             the heap read around each of 100 collections a second."
                .to_owned(),
        ],
        tables,
        notes: Vec::new(),
        raw: json!(raw),
        keep: Keep::unless(quick || !options.only.is_all()),
    }
    .publish()
}
