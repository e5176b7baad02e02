//! `bench logs`: what the log pipeline costs, what it costs the app, and what of the log it keeps.
//!
//! The pipeline by itself is measured inside one process (`crates/plimsoll/benches/logs.rs`), so that neither the
//! gateway nor a writer counts. Everything else is the real executable and a real app (`bench/apps/logs.js`), beside
//! the same app with a plain pipe and beside PM2.

mod access;
mod budget;
mod cpu;
mod exit;
mod handling;
mod pipeline;
mod stage;
pub(crate) mod stalled;

use std::path::PathBuf;

use serde_json::json;

use super::field::plimsoll;
use super::only::Only;
use super::report::{Keep, Report, placement_sentence, targets};
use super::workshop::Workshop;
use super::{Common, machine};
use crate::install::npm_packages_of;
use crate::process::root;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Part>,
}

/// What all parts need.
struct Bench<'a> {
    workshop: &'a Workshop,
    plimsoll: PathBuf,
    rounds: usize,
    is_quick: bool,
}

/// What one part has found.
struct Findings {
    name: &'static str,
    title: &'static str,
    table: super::report::Table,
    targets: Vec<super::report::Target>,
    method: String,
    notes: Vec<String>,
    raw: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Pipeline,
    Handling,
    Cpu,
    Stalled,
    Budget,
    Exit,
    Access,
}

type Measure = fn(&Bench<'_>) -> anyhow::Result<Findings>;

const PARTS: [(Part, Measure); 7] = [
    (Part::Pipeline, pipeline::run),
    (Part::Handling, handling::run),
    (Part::Cpu, cpu::run),
    (Part::Stalled, stalled::run),
    (Part::Budget, budget::run),
    (Part::Exit, exit::run),
    (Part::Access, access::run),
];

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    install_loggers()?;
    let bench = Bench {
        workshop: &workshop,
        plimsoll: plimsoll(&options.common)?,
        rounds: options.common.rounds(3),
        is_quick: options.common.quick,
    };
    let mut all = Vec::new();
    for (part, measure) in PARTS {
        if options.only.wants(part) {
            eprintln!("{part:?} …");
            let findings = measure(&bench)?;
            eprint!("{}", findings.table.render());
            all.push(findings);
        }
    }
    report(options, command, &bench, all).publish()
}

fn report(options: &Options, command: String, bench: &Bench<'_>, all: Vec<Findings>) -> Report {
    let programs = [
        ("node", bench.workshop.version_of_node()),
        ("plimsoll", machine::version(&bench.plimsoll, "version")),
    ];
    let raw = all.iter().map(|one| (one.name.to_owned(), one.raw.clone())).collect::<serde_json::Map<_, _>>();
    let mut method = vec![placement_sentence(bench.workshop)];
    let mut notes = Vec::new();
    let mut reached = Vec::new();
    let mut tables = Vec::new();
    for one in all {
        method.push(one.method);
        notes.extend(one.notes);
        reached.extend(one.targets);
        tables.push((one.title.to_owned(), one.table));
    }
    tables.insert(0, ("Figures to reach".to_owned(), targets(&reached)));
    Report {
        verb: "logs",
        title: "The log: what it costs, and what of it is kept",
        command,
        machine: machine::facts(&programs),
        method,
        tables,
        notes,
        raw: json!(raw),
        keep: Keep::unless(options.common.quick || !options.only.is_all()),
    }
}

/// pino, of the example.
fn install_loggers() -> anyhow::Result<()> {
    npm_packages_of(&root().join("examples/logging"))
}

fn pino() -> PathBuf {
    root().join("examples/logging/node_modules/pino")
}
