//! The throughput of a route whose objects live as long as a request, on each version of Node.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bench::child::Child;
use crate::bench::client::{self, Address};
use crate::bench::load::{Head, Load, Outcome};
use crate::bench::procfs;
use crate::bench::report::{Table, Target, figure};
use crate::bench::stats::median;
use crate::bench::wait;
use crate::bench::workshop::{Workshop, app, free_port};
use crate::nodes::{self, Node};

/// Node, and the least that Plimsoll's throughput may be of plain Node's.
const VERSIONS: [(u32, f64); 4] = [(20, 1.05), (22, 0.99), (24, 0.99), (26, 1.05)];
const CONNECTIONS: u32 = 64;
const WARM_UP_SECONDS: u32 = 2;
const TURN_SECONDS: u32 = 1;
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

/// One turn: what a client sees, and what the worker's process spends on it.
#[derive(Debug, Clone, Copy)]
struct Turn {
    outcome: Outcome,
    cpu_us: f64,
}

/// A contender that is started and warm.
struct Serving {
    /// Ends with it.
    _child: Child,
    port: u16,
    worker: procfs::Pid,
}

/// What all turns have in common.
#[derive(Clone, Copy)]
pub(super) struct Turns<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) program: &'a Path,
    pub(super) wrk: &'a Path,
    pub(super) rounds: usize,
    pub(super) turns: usize,
}

pub(super) fn run(with: Turns<'_>) -> anyhow::Result<Found> {
    let mut table =
        Table::new(&["", "CPU us/request", "of plain", "requests/s", "of plain", "p50 ms", "p99 ms"]);
    let (mut targets, mut raw) = (Vec::new(), Vec::new());
    for (major, least) in VERSIONS {
        let node = nodes::install(major)?;
        let mut turns: [Vec<Turn>; 4] = [const { Vec::new() }; 4];
        for round in 1..=with.rounds {
            one_round(with, &node, round, &mut turns)?;
        }
        let [plain, ..] = &turns;
        let all: Vec<Ratios> = turns.iter().map(|turns| Ratios::of(turns, plain)).collect();
        for ((contender, turns), ratios) in Contender::ALL.into_iter().zip(&turns).zip(&all) {
            let of = |read: fn(&Turn) -> f64| median(&turns.iter().map(read).collect::<Vec<_>>());
            table.row(vec![
                format!("{}, {}", node.version, contender.name()),
                figure(of(|turn| turn.cpu_us), "", 1),
                figure(ratios.cpu, "x", 3),
                figure(of(|turn| turn.outcome.requests_per_second), "", 0),
                figure(ratios.rate, "x", 3),
                figure(of(|turn| turn.outcome.p50_us / 1000.0), "", 1),
                figure(of(|turn| turn.outcome.p99_us / 1000.0), "", 1),
            ]);
        }
        // What one core can serve is what a request costs of it: that hardly depends on what else the machine does.
        targets.push(Target {
            what: format!("heap auto / plain, Node {major} (CPU of the worker for a request)"),
            limit: (1.0 / least * 1000.0).round() / 1000.0,
            found: all.last().and_then(|ratios| ratios.cpu),
            unit: "x",
        });
        let told = Contender::ALL.into_iter().zip(&turns).map(|(contender, turns)| {
            let numbers = |read: fn(&Turn) -> f64| turns.iter().map(read).collect::<Vec<_>>();
            json!({
                "name": contender.name(),
                "cpu_us": numbers(|turn| turn.cpu_us),
                "per_second": numbers(|turn| turn.outcome.requests_per_second),
                "p99_us": numbers(|turn| turn.outcome.p99_us),
            })
        });
        raw.push(json!({ "node": node.version, "turns": told.collect::<Vec<_>>() }));
    }
    Ok(Found { table, targets, raw: json!(raw) })
}

/// Medians of what was found in the same round.
struct Ratios {
    cpu: Option<f64>,
    rate: Option<f64>,
}

impl Ratios {
    fn of(turns: &[Turn], plain: &[Turn]) -> Self {
        let ratio = |read: fn(&Turn) -> f64| {
            let pairs = turns.iter().zip(plain).map(|(turn, plain)| read(turn) / read(plain));
            median(&pairs.collect::<Vec<_>>())
        };
        Self { cpu: ratio(|turn| turn.cpu_us), rate: ratio(|turn| turn.outcome.requests_per_second) }
    }
}

/// All are started afresh, and loaded in turns while the others idle; the order turns.
fn one_round(with: Turns<'_>, node: &Node, round: usize, turns: &mut [Vec<Turn>; 4]) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for contender in Contender::ALL {
        all.push(start(contender, with, node)?);
    }
    for turn in 0..with.turns {
        let mut order: Vec<_> = Contender::ALL.into_iter().zip(&all).zip(&mut *turns).collect();
        let by = turn % order.len();
        order.rotate_left(by);
        if turn % 2 == 1 {
            order.reverse();
        }
        for ((contender, serving), turns) in order {
            let found = serving.take_turn(with, TURN_SECONDS)?;
            let (rate, cpu) = (found.outcome.requests_per_second, found.cpu_us);
            let (version, name) = (&node.version, contender.name());
            eprintln!("round {round}  turn {}  {version}  {name:<20} {rate:>7.0}/s {cpu:>7.1} us", turn + 1);
            turns.push(found);
        }
    }
    Ok(())
}

impl Serving {
    fn take_turn(&self, with: Turns<'_>, seconds: u32) -> anyhow::Result<Turn> {
        let load = Load { connections: CONNECTIONS, seconds, head: Head::Small };
        let before = procfs::cpu_ns(&[self.worker])?;
        let outcome = load.run(with.workshop, with.wrk, self.port, || Ok(()))?;
        let cpu_ns = procfs::cpu_ns(&[self.worker])?.saturating_sub(before);
        Ok(Turn { outcome, cpu_us: cpu_ns as f64 / 1000.0 / outcome.requests.max(1) as f64 })
    }
}

fn start(contender: Contender, with: Turns<'_>, node: &Node) -> anyhow::Result<Serving> {
    let Turns { workshop, program, .. } = with;
    let port = free_port()?;
    let log = workshop.log(&format!("list-{port}"));
    let script = app("list.js");
    let is_plain = matches!(contender, Contender::Plain | Contender::WithFlags);
    let placement = workshop.placement;
    let (first, cpu) =
        if is_plain { (node.binary.as_path(), placement.worker) } else { (program, placement.proxy) };
    let child = Child::start(first, cpu, &log, |command| {
        command.env("PORT", port.to_string()).env_remove("NODE_OPTIONS").current_dir(&workshop.directory);
        match contender {
            Contender::Plain => {}
            Contender::WithFlags => {
                command.env("NODE_OPTIONS", flags(node));
            }
            Contender::HeapOff | Contender::HeapAuto => {
                let heap = if contender == Contender::HeapOff { "off" } else { "auto" };
                command.env("PLIMSOLL_MEMORY_HEAP", heap);
                command.args(["run", "--admin", "off", "--name", &format!("bench-list-{port}"), "--"]);
                if let Some(cpu) = placement.worker {
                    command.args(["taskset", "-c", &cpu.to_string()]);
                }
                command.arg(&node.binary);
            }
        }
        command.arg(script);
    })?;
    let address = Address::port(port);
    wait::until(START_WITHIN, "the first answer", || client::get(&address, "/").ok())
        .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    let serving = Serving { worker: worker(child.pid())?, _child: child, port };
    // Code is compiled, and the heap has grown to what it will be.
    serving.take_turn(with, WARM_UP_SECONDS)?;
    Ok(serving)
}

/// The process that runs the app.
pub(super) fn worker(root: procfs::Pid) -> anyhow::Result<procfs::Pid> {
    let runs_it = |pid: &procfs::Pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        words.next().is_some_and(|first| first.ends_with(b"node"))
            && words.any(|word| word.ends_with(b"list.js"))
    };
    std::iter::once(root).chain(procfs::descendants(root)).find(runs_it).context("no worker was found")
}

/// As `concerns::memory::heap` has them where there is much memory.
fn flags(node: &Node) -> &'static str {
    let major = node.version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(..=22_u32) => "--max-old-space-size=4096 --max-semi-space-size=32",
        _ => "--max-old-space-size=4096",
    }
}
