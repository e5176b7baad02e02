//! The throughput of a route whose objects live as long as a request, on each version of Node.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::load::{Head, Load, Outcome};
use crate::bench::report::{Table, Target, figure};
use crate::bench::wait;
use crate::bench::workshop::{Workshop, app, free_port};
use crate::nodes::{self, Node};

/// Node, and the least that Plimsoll's throughput may be of plain Node's.
const VERSIONS: [(u32, f64); 4] = [(20, 1.05), (22, 0.99), (24, 0.99), (26, 1.05)];
const CONNECTIONS: u32 = 64;
const START_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Plain,
    WithFlags,
    HeapOff,
    HeapAuto,
}

impl Contender {
    const ALL: [Self; 4] = [Self::Plain, Self::WithFlags, Self::HeapOff, Self::HeapAuto];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::WithFlags => "with flags",
            Self::HeapOff => "plimsoll, heap off",
            Self::HeapAuto => "plimsoll, heap auto",
        }
    }
}

pub(super) struct Found {
    pub(super) table: Table,
    pub(super) targets: Vec<Target>,
    pub(super) raw: Value,
}

pub(super) fn run(
    workshop: &Workshop,
    program: &Path,
    wrk: &Path,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<Found> {
    let mut table = Table::new(&["", "requests/s", "of plain", "p50 ms", "p99 ms"]);
    let (mut targets, mut raw) = (Vec::new(), Vec::new());
    for (major, least) in VERSIONS {
        let node = nodes::install(major)?;
        let mut best: [Option<Outcome>; 4] = [None; 4];
        for round in 1..=rounds {
            for (contender, best) in Contender::ALL.into_iter().zip(&mut best) {
                let outcome = take_turn(contender, workshop, program, wrk, &node, seconds)?;
                let rate = outcome.requests_per_second;
                eprintln!("round {round}  Node {major}  {:<20} {rate:>7.0}/s", contender.name());
                if best.is_none_or(|best| best.requests_per_second < rate) {
                    *best = Some(outcome);
                }
            }
        }
        let plain = best[0].map(|outcome| outcome.requests_per_second);
        let of_plain = |outcome: Option<Outcome>| Some(outcome?.requests_per_second / plain?);
        for (contender, outcome) in Contender::ALL.into_iter().zip(best) {
            table.row(vec![
                format!("{}, {}", node.version, contender.name()),
                figure(outcome.map(|outcome| outcome.requests_per_second), "", 0),
                figure(of_plain(outcome), "x", 3),
                figure(outcome.map(|outcome| outcome.p50_us / 1000.0), "", 1),
                figure(outcome.map(|outcome| outcome.p99_us / 1000.0), "", 1),
            ]);
        }
        // The table of targets knows "at most" alone: the other way round.
        targets.push(Target {
            what: format!("plain / heap auto, Node {major} (throughput)"),
            limit: (1.0 / least * 1000.0).round() / 1000.0,
            found: of_plain(best[3]).map(|ratio| 1.0 / ratio),
            unit: "x",
        });
        let rates: Vec<_> = Contender::ALL
            .into_iter()
            .zip(best)
            .map(|(contender, outcome)| json!({ "name": contender.name(), "per_second": outcome.map(|one| one.requests_per_second), "p99_us": outcome.map(|one| one.p99_us) }))
            .collect();
        raw.push(json!({ "node": node.version, "best": rates }));
    }
    Ok(Found { table, targets, raw: json!(raw) })
}

fn take_turn(
    contender: Contender,
    workshop: &Workshop,
    program: &Path,
    wrk: &Path,
    node: &Node,
    seconds: u32,
) -> anyhow::Result<Outcome> {
    let port = free_port()?;
    let log = workshop.log("list");
    let script = app("list.js");
    let is_plain = matches!(contender, Contender::Plain | Contender::WithFlags);
    let first = if is_plain { &node.binary } else { program };
    let _serving = Child::start(first, None, &log, |command| {
        command.env("PORT", port.to_string()).env_remove("NODE_OPTIONS").current_dir(&workshop.directory);
        match contender {
            Contender::Plain => {}
            Contender::WithFlags => {
                command.env("NODE_OPTIONS", flags(node));
            }
            Contender::HeapOff | Contender::HeapAuto => {
                let heap = if contender == Contender::HeapOff { "off" } else { "auto" };
                command.env("PLIMSOLL_MEMORY_HEAP", heap);
                command.args(["run", "--admin", "off", "--name", "bench-list", "--"]).arg(&node.binary);
            }
        }
        command.arg(script);
    })?;
    let address = Address::port(port);
    wait::until(START_WITHIN, "the first answer", || client::get(&address, "/").ok())
        .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    let load = |seconds| Load { connections: CONNECTIONS, seconds, head: Head::Small };
    // Code is compiled, and the heap has grown to what it will be.
    load(2).run(workshop, wrk, port, || Ok(()))?;
    load(seconds).run(workshop, wrk, port, || Ok(()))
}

/// As `concerns::memory::heap` has them where there is much memory.
fn flags(node: &Node) -> &'static str {
    let major = node.version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(..=22_u32) => "--max-old-space-size=4096 --max-semi-space-size=32",
        _ => "--max-old-space-size=4096",
    }
}
