//! `cargo xtask conformance [PART…]`: what a sceptic would try, tried on the real program.
//!
//! Each part writes what it found to `bench/results/conformance-PART.json`; `docs/conformance.md` is made from all of
//! these files, so that a part can be run again by itself. A part that cannot be run here (a package that is not to be
//! had) says why, and is not passed; what it found before stays.

mod fuzz;
mod good;
mod ground;
mod item;
mod redbot;
mod reliability;
mod report;
mod slowhttptest;
mod soak;
mod suites;
mod varnishtest;

use anyhow::ensure;
use clap::{Parser, ValueEnum};

use self::ground::Ground;
use self::item::{Found, Item};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask conformance", about = "Try Plimsoll with what breaks such programs")]
struct Options {
    /// Only these parts; without any, all.
    part: Vec<Part>,
    /// Of `reliability`, only these numbers; the others keep what was found before.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Of `reliability`, only the figures, not the tests, whose outcomes stay.
    #[arg(long)]
    figures: bool,
    /// Of others' tests, only this way; the other keeps what was found before.
    #[arg(long)]
    way: Option<suites::Way>,
    /// Node program: a name on the path, or a path.
    #[arg(long, default_value = "node")]
    node: String,
    /// Plimsoll program; without it the release build of this checkout is made and used.
    #[arg(long)]
    plimsoll: Option<std::path::PathBuf>,
    /// How long the soak takes.
    #[arg(long, default_value_t = 30.0)]
    soak_minutes: f64,
    /// How long each fuzz target runs.
    #[arg(long, default_value_t = 300)]
    fuzz_seconds: u32,
    /// A folder of Node's own sources; without it, Debian's source package.
    #[arg(long)]
    node_sources: Option<std::path::PathBuf>,
    /// A folder of ws's own sources; without it, Debian's source package.
    #[arg(long)]
    ws_sources: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What such systems have failed at before, item by item.
    Reliability,
    /// slowhttptest: slow headers, slow bodies, slow readers.
    Slowhttptest,
    /// Scripts of raw HTTP/1.1, from the client's side and from the worker's.
    Varnishtest,
    /// Node's own tests of its HTTP server, with the agent and through the gateway.
    NodeCore,
    /// fastify's own tests, likewise.
    Fastify,
    /// ws's own tests, likewise.
    Ws,
    /// redbot on what the gateway answers by itself.
    Redbot,
    /// Every fuzz target.
    Fuzz,
    /// Load, reloads, kills and stalls.
    Soak,
}

impl Options {
    /// What is found takes the place of the same in what was found before.
    fn is_in_part(&self) -> bool {
        self.figures || self.way.is_some() || !self.only.is_empty()
    }
}

impl Part {
    /// In the order of the report; what takes longest comes last.
    const ALL: [Self; 9] = [
        Self::Reliability,
        Self::Slowhttptest,
        Self::Varnishtest,
        Self::NodeCore,
        Self::Fastify,
        Self::Ws,
        Self::Redbot,
        Self::Fuzz,
        Self::Soak,
    ];

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn title(self) -> &'static str {
        match self {
            Self::Reliability => "Past failures of such systems",
            Self::Slowhttptest => "slowhttptest",
            Self::Varnishtest => "varnishtest: raw HTTP/1.1",
            Self::NodeCore => "Node's own HTTP tests",
            Self::Fastify => "fastify's own tests",
            Self::Ws => "ws's own tests",
            Self::Redbot => "redbot on the gateway's own answers",
            Self::Fuzz => "Fuzzing",
            Self::Soak => "Soak",
        }
    }

    fn run(self, ground: &Ground) -> anyhow::Result<Found> {
        match self {
            Self::Reliability => reliability::run(ground),
            Self::Slowhttptest => slowhttptest::run(ground),
            Self::Varnishtest => varnishtest::run(ground),
            Self::NodeCore => suites::node_core::run(ground),
            Self::Fastify => suites::fastify::run(ground),
            Self::Ws => suites::ws::run(ground),
            Self::Redbot => redbot::run(ground),
            Self::Fuzz => fuzz::run(ground),
            Self::Soak => soak::run(ground),
        }
    }
}

pub(crate) fn run(args: Vec<String>) -> anyhow::Result<()> {
    let command = format!("cargo xtask conformance {}", args.join(" "));
    let options = match Options::try_parse_from(std::iter::once("conformance".to_owned()).chain(args)) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let parts = if options.part.is_empty() { Part::ALL.to_vec() } else { options.part.clone() };
    let ground = Ground::open(options)?;
    let (mut failed, mut not_run) = (Vec::new(), Vec::new());
    for part in parts {
        println!("== {}", part.name());
        let found = part.run(&ground).unwrap_or_else(|error| Found::broken(part.title(), &error));
        found.items.iter().for_each(Item::print);
        if found.items.iter().any(Item::is_failed) {
            failed.push(part.name());
        }
        if found.is_not_run() {
            not_run.push(part.name());
        }
        report::keep(part, &ground, &command, found)?;
        report::write()?;
    }
    let told = [("not all was passed", failed), ("could not be run here", not_run)];
    let told = told.iter().filter(|(_, parts)| !parts.is_empty());
    let told: Vec<String> = told.map(|(what, parts)| format!("{what}: {}", parts.join(", "))).collect();
    ensure!(told.is_empty(), "{}", told.join("; "));
    Ok(())
}
