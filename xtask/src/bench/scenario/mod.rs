//! `bench scenario`: the article's failures, each in an app that knows of nobody, for all who can run it.
//!
//! ```text
//!   plan      contenders take turns: started afresh, loaded at a fixed rate, looked at
//!   found     what that gave, all rounds together
//!   event_loop, ten_k, ceiling, cost, downstream, pools, context     a scenario each: app, load, figures
//! ```
//!
//! The other promises are measured by the benches of their name; the report takes their results.

mod ceiling;
mod context;
mod cost;
mod downstream;
mod event_loop;
mod found;
mod full;
mod plan;
mod pools;
mod ten_k;
mod watched;

use std::cell::RefCell;
use std::path::PathBuf;

use serde_json::{Value, json};

use self::found::Found;
use self::plan::Stage;
use super::open::Load;
use super::peer::Programs;
use super::report::{Headline, Keep, Report, Table, headlines};
use super::turnstile::Turnstile;
use super::workshop::Workshop;
use super::{Common, machine, pages};
use crate::install::npm_packages_of;
use crate::nodes;
use crate::process::root;

/// Watt needs it, and all are to run on the same.
const NODE: u32 = 24;
/// Those that `cost` runs on.
const NODES: [u32; 3] = [20, 22, 24];
const ROUNDS: usize = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Which; without a name all of them.
    names: Vec<Name>,
    /// Only these contenders, by the beginning of their names (node, node:cluster, pm2, watt, nginx, plimsoll).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of each turn that count.
    #[arg(long)]
    seconds: Option<f64>,
    /// Release lines of Node.js that `cost` runs on.
    #[arg(long, value_delimiter = ',', default_values_t = NODES)]
    nodes: Vec<u32>,
    /// On a machine that others measure on as well: hold the lock of this file meanwhile, some turns at a time.
    #[arg(long)]
    lock: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// Fast requests beside 2 MB of JSON, a password, a regular expression and an export.
    EventLoop,
    /// 10,000 requests a second with everything on.
    TenK,
    /// The highest rate with p99 below 20 ms.
    Ceiling,
    /// CPU per request of everything that serves it, memory, start.
    Cost,
    /// A fan-out of 50 onto a service that stands 20.
    Downstream,
    /// Eight workers with pools of 20 against 100 connections.
    Pools,
    /// The context of a request by async_hooks, AsyncLocalStorage or the gateway.
    Context,
}

impl Name {
    const ALL: [Self; 7] = [
        Self::TenK,
        Self::Ceiling,
        Self::Cost,
        Self::EventLoop,
        Self::Downstream,
        Self::Pools,
        Self::Context,
    ];

    /// In the names of results.
    fn verb(self) -> &'static str {
        match self {
            Self::EventLoop => "scenario-event-loop",
            Self::TenK => "scenario-ten-k",
            Self::Ceiling => "scenario-ceiling",
            Self::Cost => "scenario-cost",
            Self::Downstream => "scenario-downstream",
            Self::Pools => "scenario-pools",
            Self::Context => "scenario-context",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::EventLoop => {
                "Fast requests beside 2 MB of JSON, a password, a regular expression and an export"
            }
            Self::TenK => "10,000 requests a second, with everything on",
            Self::Ceiling => "As many requests as go",
            Self::Cost => "What a request costs",
            Self::Downstream => "A fan-out of 50 onto a service that stands 20",
            Self::Pools => "Eight pools of 20 against 100 connections",
            Self::Context => "Who passes the context of a request on",
        }
    }

    fn run(self, stage: &Stage<'_>) -> anyhow::Result<Outcome> {
        match self {
            Self::EventLoop => event_loop::run(stage),
            Self::TenK => ten_k::run(stage),
            Self::Ceiling => ceiling::run(stage),
            Self::Cost => cost::run(stage),
            Self::Downstream => downstream::run(stage),
            Self::Pools => pools::run(stage),
            Self::Context => context::run(stage),
        }
    }
}

/// What a scenario gives to the report.
struct Outcome {
    headlines: Vec<Headline>,
    tables: Vec<(String, Table)>,
    method: Vec<String>,
    raw: Value,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    npm_packages_of(&root().join("bench/scenarios"))?;
    let node = match options.common.node.as_str() {
        "node" => nodes::install(NODE)?.binary.to_string_lossy().into_owned(),
        named => named.to_owned(),
    };
    let workshop = Workshop::open(&node)?;
    let programs = Programs::gather(&options.common)?;
    let turnstile = RefCell::new(Turnstile::new(options.lock.clone()));
    let stage = Stage {
        workshop: &workshop,
        programs: &programs,
        rounds: options.common.rounds(ROUNDS),
        is_quick: options.common.quick,
        only: &options.only,
        seconds: options.seconds,
        nodes: &options.nodes,
        turnstile: &turnstile,
    };
    let chosen = Name::ALL.into_iter().filter(|one| options.names.is_empty() || options.names.contains(one));
    for name in chosen {
        let outcome = name.run(&stage)?;
        publish(name, outcome, &stage)?;
    }
    if options.common.quick { Ok(()) } else { pages::write() }
}

fn publish(name: Name, outcome: Outcome, stage: &Stage<'_>) -> anyhow::Result<()> {
    let Outcome { headlines: figures, mut tables, mut method, raw } = outcome;
    tables.insert(0, ("Figures".to_owned(), headlines(&figures)));
    method.insert(0, general(stage));
    let scenario = name.verb().trim_start_matches("scenario-");
    let seconds = stage.seconds.map_or(String::new(), |seconds| format!(" --seconds {seconds}"));
    let nodes: Vec<String> = stage.nodes.iter().map(u32::to_string).collect();
    let nodes = if stage.nodes == NODES { String::new() } else { format!(" --nodes {}", nodes.join(",")) };
    Report {
        verb: name.verb(),
        title: name.title(),
        // Which lock and which directory were used is of no interest to who repeats it.
        command: format!("cargo xtask bench scenario {scenario} --rounds {}{seconds}{nodes}", stage.rounds),
        machine: machine::facts(&stage.programs.versions(stage.workshop)),
        method,
        tables,
        notes: Vec::new(),
        raw: json!({ "headlines": figures, "found": raw }),
        keep: Keep::unless(stage.is_quick || !stage.only.is_empty()),
    }
    .publish()
}

fn general(stage: &Stage<'_>) -> String {
    format!(
        "Open loop: each request has a time at which it is due, and its latency counts from then. Contenders take turns in an order that changes \
         from round to round, each started afresh; all run on the same Node.js and the same CPUs, which the load generator uses as well (`load's CPUs`). \
         Limit of open files: {}.",
        stage.workshop.files_max
    )
}

/// An app of `bench/scenarios`.
fn app(name: &str) -> PathBuf {
    root().join("bench/scenarios").join(name)
}

/// The raw figures of all contenders, with what `more` tells of each.
fn figures_of(found: &[Found], load: &Load, more: impl Fn(&Found) -> Value) -> Value {
    let one = |one: &Found| {
        let latency = one.latency(|_| true);
        json!({ "rounds": one.raw(), "latency": latency, "seconds": one.seconds(load), "more": more(one) })
    };
    found.iter().map(one).collect()
}
