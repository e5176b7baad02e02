//! CPU per request of everything that serves it; memory; start.

use std::path::Path;

use serde_json::{Value, json};

use super::found::{self, Found};
use super::plan::{Behind, Contender, Stage, Turn, measure};
use super::{Outcome, app, figures_of, full};
use crate::bench::machine;
use crate::bench::open::{Load, Stream};
use crate::bench::peer::{Peer, Setup};
use crate::bench::report::{Better, Goal, Headline, Table, figure, megabytes};
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
const WARM_SECONDS: f64 = 0.5;
const SECONDS: f64 = 4.0;

type Read = fn(&Found) -> Option<f64>;

/// A machine of which a part is busy, where each process is woken for most requests; and one that has no rest.
const LOADS: [(&str, Read); 2] = [(AT_RATE, microseconds), ("full load", Found::full_us)];

/// One app on one Node.js.
struct Case {
    node: u32,
    app: &'static str,
    goal: Option<f64>,
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
            let found = case(&stage.with(&workshop), script, &load, &wrk)?;
            cases.push(Case { node, app, goal, found });
        }
    }
    let headlines = cases.iter().filter(|case| case.node == NODE).flat_map(Case::headlines).collect();
    Ok(Outcome {
        headlines,
        tables: vec![
            ("CPU per request".to_owned(), cpu(&cases)),
            ("Memory under load, and start".to_owned(), rest(&cases)),
        ],
        method: vec![
            format!(
                "{PER_SECOND} requests a second at fixed times, after two turns of full load, {} s that count in each of {} rounds. CPU of all threads of all processes (`schedstat`) \
             of whoever serves, divided by the requests, in the least disturbed round; the load generator is not in it. Two workers, of plain \
             node one process. Memory: PSS of all processes at the end of a round. Start: until the first answer, the median.",
                load.seconds, stage.rounds
            ),
            full::method(),
        ],
        raw: cases.iter().map(|case| case.raw(&load)).collect(),
    })
}

fn load(stage: &Stage<'_>) -> Load {
    let target = "/".to_owned();
    let root = Stream { name: "root", per_second: PER_SECOND, method: "GET", target, fresh_percent: 0 };
    Load { seconds: stage.measured(SECONDS), streams: vec![root], connections_max: 512, ..Load::default() }
}

fn case(stage: &Stage<'_>, script: &str, load: &Load, wrk: &Path) -> anyhow::Result<Vec<Found>> {
    let setup = Setup { script: app(script), workers: 2, ..Setup::default() };
    let contenders = vec![
        Contender::new(Peer::Node, Setup { workers: 1, ..setup.clone() }),
        Contender::new(Peer::Cluster, setup.clone()),
        Contender::new(Peer::Plimsoll, setup),
    ];
    let contenders = stage.chosen(contenders);
    let mut found: Vec<Found> = contenders.iter().map(|one| Found::new(one.name)).collect();
    stage.turns(
        &contenders,
        || Ok(Behind::default()),
        |place, serving, _| {
            // As much as goes comes first: afterwards code is compiled, and the heap has been written to once all over, which costs a
            // fault for each of its pages.
            full::measure(serving, stage.workshop, wrk)?;
            let full = full::measure(serving, stage.workshop, wrk)?;
            let turn = Turn { full: Some(full), ..measure(serving, load, WARM_SECONDS)? };
            found::add(&mut found, place, turn);
            Ok(())
        },
    )?;
    Ok(found)
}

impl Case {
    fn name(&self) -> String {
        format!("{}, Node {}", self.app, self.node)
    }

    fn us(&self, name: &str, read: Read) -> Option<f64> {
        read(self.found.iter().find(|one| one.name == name)?)
    }

    fn to_cluster(&self, read: Read) -> Option<f64> {
        Some(self.us(Peer::Plimsoll.name(), read)? / self.us(Peer::Cluster.name(), read)?)
    }

    fn headlines(&self) -> [Headline; 2] {
        LOADS.map(|(under, read)| {
            let what = format!("CPU per request, {}, {under}", self.name());
            let mut headline = Headline::of(&what, "µs", Better::Lower, &self.found, read);
            headline.goal = self.goal.zip(self.us(Peer::Cluster.name(), read)).map(|(times, theirs)| Goal {
                text: format!(
                    "at most {times}x node:cluster (found {})",
                    figure(self.to_cluster(read), "x", 2)
                ),
                limit: times * theirs,
            });
            headline
        })
    }

    /// Of Plimsoll: the gateway, and its workers.
    fn parts(&self) -> [String; 4] {
        let roles = self.found.last().map(Found::by_role).unwrap_or_default();
        let role = |name: &str| {
            let found = roles.iter().find(|(role, ..)| role == name);
            figure(found.map(|(_, _, cpus, _)| cpus / PER_SECOND * 1e6), " µs", 1)
        };
        [role(Peer::Plimsoll.name()), role("worker"), String::new(), String::new()]
    }

    fn most(&self) -> [String; 4] {
        let most = [Peer::Cluster, Peer::Plimsoll].map(|peer| self.us(peer.name(), Found::full_per_second));
        let [theirs, ours] = most.map(|value| figure(value, "", 0));
        [String::new(), String::new(), theirs, ours]
    }

    fn raw(&self, load: &Load) -> Value {
        let us = |one: &Found| json!({ "us_per_request": microseconds(one), "pss_bytes": one.pss() });
        json!({ "app": self.app, "node": self.node, "found": figures_of(&self.found, load, us) })
    }
}

fn microseconds(one: &Found) -> Option<f64> {
    Some(one.cpus()? / PER_SECOND * 1e6)
}

fn cpu(cases: &[Case]) -> Table {
    let mut table = Table::new(&[
        "",
        "load",
        "node",
        "node:cluster",
        "Plimsoll",
        "to node:cluster",
        "gateway",
        "workers",
        "most/s, node:cluster",
        "most/s, Plimsoll",
    ]);
    for case in cases {
        for (under, read) in LOADS {
            let us = [Peer::Node, Peer::Cluster, Peer::Plimsoll].map(|peer| case.us(peer.name(), read));
            let mut row = vec![case.name(), under.to_owned()];
            row.extend(us.map(|value| figure(value, " µs", 1)));
            row.push(figure(case.to_cluster(read), "x", 2));
            row.extend(if under == AT_RATE { case.parts() } else { case.most() });
            table.row(row);
        }
    }
    table
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
