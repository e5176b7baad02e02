//! CPU per request of everything that serves it; memory; start.

use std::path::Path;

use serde_json::{Value, json};

use super::found::Found;
use super::plan::{Contender, Stage, measure};
use super::{Outcome, app, figures_of, full};
use crate::bench::machine;
use crate::bench::open::{Load, Stream};
use crate::bench::peer::{Peer, Setup};
use crate::bench::report::{Better, Goal, Headline, Table, figure, megabytes};
use crate::bench::stats::median;
use crate::bench::variant::{Judged, in_order, of_rounds};
use crate::bench::workshop::Workshop;
use crate::nodes;

/// On this one figures are promised.
const NODE: u32 = 24;
/// Name, app, what is promised on Node 24: not more than so many times the CPU of `node:cluster`.
const APPS: [(&str, &str, Option<f64>); 3] = [
    ("JSON list by Express", "cost/express.js", Some(1.1)),
    ("hello world", "cost/hello.js", Some(1.6)),
    ("JSON list by Fastify", "cost/fastify.js", None),
];
const PER_SECOND: f64 = 8_000.0;
const AT_RATE: &str = "8,000/s";
const FULL: &str = "full load";
const WARM_SECONDS: f64 = 0.5;
const SECONDS: f64 = 1.0;
const FULL_SECONDS: u32 = 1;
/// Turns of each round at the rate, and of full load, where something is promised: all orders of three contenders, once and twice.
const TURNS: usize = 6;
const FULL_TURNS: usize = 12;

/// Microseconds of CPU per request, turn by turn.
type Read = fn(&Found) -> Vec<f64>;

/// Under what, what it took, and how many turns a round has. A machine of which a part is busy, where each process is woken for most
/// requests; and one that has no rest.
const LOADS: [(&str, Read, usize); 2] = [(AT_RATE, at_rate, TURNS), (FULL, under_full_load, FULL_TURNS)];

/// One app on one Node.js.
struct Case {
    node: u32,
    app: &'static str,
    goal: Option<f64>,
    /// The part of the turns that was taken.
    part: usize,
    found: Vec<Found>,
}

pub(super) fn run(stage: &Stage<'_>) -> anyhow::Result<Outcome> {
    let load = load(stage);
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let mut cases = Vec::new();
    for &node in stage.nodes.iter().filter(|node| !stage.is_quick || **node == NODE) {
        let workshop = Workshop::open_in(&nodes::install(node)?.binary.to_string_lossy(), &node.to_string())?;
        for (app, script, goal) in APPS {
            println!("{app}, Node.js {node}");
            let goal = goal.filter(|_| node == NODE);
            let part = if stage.is_quick || node != NODE { 2 } else { 1 };
            let found = case(&stage.with(&workshop), script, part, &load, &wrk)?;
            cases.push(Case { node, app, goal, part, found });
        }
    }
    let headlines = cases.iter().filter(|case| case.node == NODE).flat_map(Case::headlines).collect();
    Ok(Outcome {
        headlines,
        tables: vec![
            ("CPU per request".to_owned(), cpu(&cases)),
            ("Full load, by what the CPUs had to give".to_owned(), by_width(&cases)),
            ("Memory under load, and start".to_owned(), rest(&cases)),
        ],
        method: method(stage, &load),
        raw: cases.iter().map(|case| case.raw(&load)).collect(),
    })
}

fn method(stage: &Stage<'_>, load: &Load) -> Vec<String> {
    vec![
        format!(
            "In each of {} rounds all contenders are started afresh and warmed up; then they take turns while the others idle, in all orders there are: {FULL_TURNS} of full load, and {TURNS} of {PER_SECOND} \
             requests a second at fixed times ({} s of each that count). On Node.js other than {NODE}, for which nothing is promised, half of that. CPU of all threads of all processes (`schedstat`) of whoever serves, \
             divided by the requests, the median of all turns; the load generator is not in it. `to node:cluster`: of each round the median of the turns' ratios, and of those the median, which is sure to \
             what the table says. Two workers, of plain node one process. Memory: PSS of all processes at the end of a turn. Start: until the first answer, the median.",
            stage.rounds, load.seconds
        ),
        full::method(FULL_SECONDS),
        "What the CPUs had to give: right before each turn of full load, steps that do not wait for each other are done on all CPUs for 60 ms, and counted. A CPU that is a thread of a core does fewer of them \
         while others use the same core, though no time is taken away. Halves are those of each contender's own turns."
            .to_owned(),
    ]
}

fn load(stage: &Stage<'_>) -> Load {
    let target = "/".to_owned();
    let root = Stream { name: "root", per_second: PER_SECOND, method: "GET", target, fresh_percent: 0 };
    let seconds = stage.seconds.unwrap_or(SECONDS);
    Load { seconds, streams: vec![root], connections_max: 512, ..Load::default() }
}

fn case(stage: &Stage<'_>, script: &str, part: usize, load: &Load, wrk: &Path) -> anyhow::Result<Vec<Found>> {
    let setup = Setup { script: app(script), workers: 2, ..Setup::default() };
    let contenders = vec![
        Contender::new(Peer::Node, Setup { workers: 1, ..setup.clone() }),
        Contender::new(Peer::Cluster, setup.clone()),
        Contender::new(Peer::Plimsoll, setup),
    ];
    let contenders = stage.chosen(contenders);
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    stage.together(&contenders, |serving| {
        for one in serving {
            full::warm(one, stage.workshop, wrk)?;
        }
        for turn in 0..FULL_TURNS / part {
            for (one, found) in in_order(serving.iter().zip(&mut found), turn) {
                found.full.push(full::measure(one, stage.workshop, wrk, FULL_SECONDS)?);
            }
        }
        for turn in 0..TURNS / part {
            for (one, found) in in_order(serving.iter().zip(&mut found), turn) {
                found.turns.push(measure(one, load, WARM_SECONDS)?);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

impl Case {
    fn name(&self) -> String {
        format!("{}, Node {}", self.app, self.node)
    }

    fn of(&self, peer: Peer) -> Option<&Found> {
        self.found.iter().find(|one| one.name == peer.name())
    }

    fn us(&self, peer: Peer, read: Read) -> Option<f64> {
        median(&read(self.of(peer)?))
    }

    /// What Plimsoll needs for each of what `node:cluster` does, turn by turn.
    fn to_cluster(&self, read: Read, turns: usize) -> Option<Judged> {
        let pairs = read(self.of(Peer::Plimsoll)?).into_iter().zip(read(self.of(Peer::Cluster)?));
        let ratios: Vec<_> = pairs.map(|(ours, theirs)| Some(ours / theirs)).collect();
        Judged::of(&of_rounds(&ratios, turns / self.part))
    }

    fn headlines(&self) -> Vec<Headline> {
        let one = |(under, read, turns): (&str, Read, usize)| {
            let what = format!("CPU per request, {}, {under}", self.name());
            let mut headline =
                Headline::of(&what, "µs", Better::Lower, &self.found, |one| median(&read(one)));
            let ratio = self.to_cluster(read, turns);
            let judged = self.goal.zip(ratio).zip(headline.ours());
            headline.goal = judged.map(|((times, ratio), ours)| Goal {
                text: format!(
                    "at most {times}x node:cluster (found {:.2}x ± {:.2})",
                    ratio.value, ratio.either_way
                ),
                limit: times * ours / ratio.value,
            });
            headline
        };
        LOADS.into_iter().map(one).collect()
    }

    fn most(&self, under: &str) -> [String; 2] {
        let most = |peer| self.of(peer).and_then(Found::full_per_second).filter(|_| under == FULL);
        [Peer::Cluster, Peer::Plimsoll].map(|peer| figure(most(peer), "", 0))
    }

    fn raw(&self, load: &Load) -> Value {
        let us = |one: &Found| json!({ "us_per_request": median(&at_rate(one)), "pss_bytes": one.pss() });
        json!({ "app": self.app, "node": self.node, "found": figures_of(&self.found, load, us) })
    }
}

fn at_rate(one: &Found) -> Vec<f64> {
    one.turns.iter().map(|turn| turn.cpus() / PER_SECOND * 1e6).collect()
}

fn under_full_load(one: &Found) -> Vec<f64> {
    one.full.iter().map(|full| full.us_per_request).collect()
}

/// Of Plimsoll's, what its workers need.
fn of_workers(one: &Found, under: &str) -> Option<f64> {
    let at_rate = one.turns.iter().map(|turn| turn.cpus_of("worker") / PER_SECOND * 1e6);
    let full = one.full.iter().map(|full| full.workers_us);
    median(&if under == FULL { full.collect::<Vec<_>>() } else { at_rate.collect() })
}

fn cpu(cases: &[Case]) -> Table {
    let mut table = Table::new(&[
        "",
        "load",
        "node",
        "node:cluster",
        "Plimsoll",
        "to node:cluster",
        "sure to",
        "of it in workers",
        "most/s, node:cluster",
        "most/s, Plimsoll",
    ]);
    for case in cases {
        for (under, read, turns) in LOADS {
            let us = [Peer::Node, Peer::Cluster, Peer::Plimsoll].map(|peer| case.us(peer, read));
            let ratio = case.to_cluster(read, turns);
            let mut row = vec![case.name(), under.to_owned()];
            row.extend(us.map(|value| figure(value, " µs", 1)));
            row.push(figure(ratio.map(|ratio| ratio.value), "x", 2));
            row.push(figure(ratio.map(|ratio| ratio.either_way), "", 2));
            let workers = case.of(Peer::Plimsoll).and_then(|one| of_workers(one, under));
            row.push(figure(workers, " µs", 1));
            row.extend(case.most(under));
            table.row(row);
        }
    }
    table
}

/// Turns of full load, half by half: those in which the CPUs had least to give, and those in which they had most.
fn by_width(cases: &[Case]) -> Table {
    let mut table =
        Table::new(&["", "turns", "steps/µs", "node", "node:cluster", "Plimsoll", "to node:cluster"]);
    for case in cases {
        for (name, is_upper) in [("the narrower half", false), ("the wider half", true)] {
            let of = |peer| case.of(peer).map(|one| half(one, is_upper));
            let us = [Peer::Node, Peer::Cluster, Peer::Plimsoll].map(|peer| of(peer).and_then(|half| half.1));
            let mut row = vec![case.name(), name.to_owned()];
            row.push(figure(of(Peer::Plimsoll).and_then(|half| half.0), "", 0));
            row.extend(us.map(|value| figure(value, " µs", 1)));
            let [_, theirs, ours] = us;
            row.push(figure(ours.zip(theirs).map(|(ours, theirs)| ours / theirs), "x", 2));
            table.row(row);
        }
    }
    table
}

/// Width, and microseconds per request.
fn half(one: &Found, is_upper: bool) -> (Option<f64>, Option<f64>) {
    let mut turns: Vec<(f64, f64)> = one.full.iter().map(|full| (full.width, full.us_per_request)).collect();
    turns.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let (lower, upper) = turns.split_at(turns.len() / 2);
    let (widths, us): (Vec<f64>, Vec<f64>) = if is_upper { upper } else { lower }.iter().copied().unzip();
    (median(&widths), median(&us))
}

fn rest(cases: &[Case]) -> Table {
    let mut table = Table::new(&["", "contender", "memory", "start", "p99"]);
    for case in cases {
        for one in &case.found {
            table.row(vec![
                case.name(),
                one.name.to_owned(),
                figure(one.pss().map(megabytes), " MB", 0),
                figure(one.started_ms(), " ms", 0),
                figure(one.latency(|_| true).map(|latency| latency.p99), " ms", 2),
            ]);
        }
    }
    table
}
