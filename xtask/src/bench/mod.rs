//! `cargo xtask bench VERB`: the figures Plimsoll is held against, measured on this machine.
//!
//! Whoever is compared runs in the same minutes, on the same CPUs, in front of the same app; contenders take turns
//! round by round, each started afresh; the least of the rounds counts, and the same program measured twice under
//! two names tells how much of a difference is noise. Results go to the terminal and to `bench/results/`.
//!
//! What this does not do: measure over a network, or tell how an app of one's own behaves.

mod accuracy;
mod agent;
pub(crate) mod child;
mod claim;
pub(crate) mod client;
mod contender;
mod context;
mod dashboard;
mod downstream;
mod event_loop;
mod field;
mod gateway;
mod idle;
mod large;
pub(crate) mod ledger;
mod load;
pub(crate) mod logs;
pub(crate) mod machine;
mod memory;
mod only;
pub(crate) mod open;
mod pages;
mod pairs;
pub(crate) mod peer;
mod pools;
pub(crate) mod procfs;
pub(crate) mod report;
mod running;
mod sample;
mod scenario;
pub(crate) mod shutdown;
mod start;
pub(crate) mod stats;
mod syscalls;
mod turnstile;
mod variant;
pub(crate) mod wait;
mod width;
pub(crate) mod workshop;

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", about = "Measure Plimsoll beside its peers on this machine")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// CPU per request, throughput, latency, memory and system calls beside nginx and HAProxy.
    Gateway(gateway::Options),
    /// Time from the start of the process to the app's first answer, with and without Plimsoll.
    Start(start::Options),
    /// Whether the route and the function that block the loop are named.
    Accuracy(accuracy::Options),
    /// CPU that the agent adds to a worker's request.
    Agent(agent::Options),
    /// What tracing costs the gateway and the worker, beside OpenTelemetry's SDK for Node.
    Context(context::Options),
    /// CPU of the log pipeline and of an app that logs into it, and what of the log is kept, beside PM2.
    Logs(logs::Options),
    /// Time of the atomic steps of a claim, in the gateway and in the worker.
    Claim(claim::Options),
    /// The page at the admin address: its CPU beside a load, its first paint, how soon a stall is on it.
    Dashboard(dashboard::Options),
    /// CPU of a call that the app makes, how much of a limit is used, and what a killed worker had.
    Downstream(downstream::Options),
    /// Pools of connections: what is said of one that is too small, what is shared out, and what an acquire costs.
    Pools(pools::Options),
    /// Memory while a large body goes through slowly, and throughput of large downloads.
    Large(large::Options),
    /// Throughput with heaps that fit, on each Node, and a leak in four workers.
    Memory(memory::Options),
    /// Latency beside a route that blocks the loop, and overload, beside node:cluster, PM2 and Watt.
    EventLoop(event_loop::Options),
    /// The article's failures beside plain node, node:cluster, PM2, Watt and nginx; without a name all of them.
    Scenario(scenario::Options),
    /// docs/benchmarks.md again, from the results that there are.
    Report,
    /// What is lost on reload, stop, crash and freeze, beside node:cluster, PM2, Watt and nginx.
    Shutdown(shutdown::Options),
}

/// What all verbs take.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Node program: a name on the path, or a path.
    #[arg(long, default_value = "node")]
    pub(crate) node: String,
    /// Plimsoll program; without it the release build of this checkout is made and used.
    #[arg(long)]
    pub(crate) plimsoll: Option<std::path::PathBuf>,
    /// How often each contender takes its turn.
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// A glance instead of a measurement: one short round.
    #[arg(long)]
    pub(crate) quick: bool,
}

impl Common {
    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual }).max(1)
    }
}

pub(crate) fn run(args: Vec<String>) -> anyhow::Result<()> {
    let command = format!("cargo xtask bench {}", args.join(" "));
    let cli = match Cli::try_parse_from(std::iter::once("bench".to_owned()).chain(args)) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match cli.verb {
        Verb::Gateway(options) => gateway::run(&options, command),
        Verb::Start(options) => start::run(&options, command),
        Verb::Accuracy(options) => accuracy::run(&options, command),
        Verb::Agent(options) => agent::run(&options, command),
        Verb::Context(options) => context::run(&options, command),
        Verb::Logs(options) => logs::run(&options, command),
        Verb::Claim(options) => claim::run(&options, command),
        Verb::Dashboard(options) => dashboard::run(&options, command),
        Verb::Downstream(options) => downstream::run(&options, command),
        Verb::Pools(options) => pools::run(&options, command),
        Verb::Large(options) => large::run(&options, command),
        Verb::Memory(options) => memory::run(&options, command),
        Verb::EventLoop(options) => event_loop::run(&options, command),
        Verb::Scenario(options) => scenario::run(&options),
        Verb::Report => pages::write(),
        Verb::Shutdown(options) => shutdown::run(&options, command),
    }
}
