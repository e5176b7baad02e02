//! `bench agent`: what the agent costs a worker, per request, on the path that requests take.
//!
//! The same bytes, with the gateway's private header, go over the same kind of Unix socket to the same app: once to
//! a worker that Plimsoll started (its private socket is found in `/proc`; the gateway is not in the way), once to
//! plain Node. So the difference is the agent and nothing else. Plain Node takes part twice: that is the noise.

mod figures;
mod private;

use std::path::Path;

use anyhow::bail;

use self::figures::Figures;
use self::private::Worker;
use super::child;
use super::client::{Address, Connection};
use super::contender::App;
use super::field::plimsoll;
use super::report::{Keep, Report, Table, Target, targets};
use super::workshop::{Workshop, app};
use super::{Common, machine, procfs};
use crate::process::{command, root, run as run_to_the_end};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Turns of each variant in a round.
    #[arg(long)]
    slices: Option<usize>,
}

/// As many links as are busy on a worker under load; all are asked, then all are read.
const LINKS: usize = 16;
/// Node has compiled its hot functions by then.
const WARM_UP: usize = 20_000;
/// Requests of a slice: long against a turn of the garbage collector, short against a disturbance.
const SLICE: usize = 8_000;
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUser-Agent: bench\r\nAccept: */*\r\n\
                       x-plimsoll: 127.0.0.1 40000 127.0.0.1 3000\r\n\r\n";

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    install_express()?;
    let rounds = options.common.rounds(9);
    let slices = options.slices.unwrap_or(if options.common.quick { 3 } else { 6 });

    let mut all = Vec::new();
    for (name, script) in [("hello", "hello.js"), ("express", "express.js")] {
        let app = App { script: app(script), env: Vec::new() };
        let mut figures =
            Figures { app: name, without: Vec::new(), without_again: Vec::new(), with: Vec::new() };
        for round in 0..rounds {
            one_round(&workshop, &program, &app, slices, &mut figures)?;
            eprintln!(
                "round {:>2}  {name:<8} without {:.2} µs  again {:.2} µs  with {:.2} µs",
                round + 1,
                figures.without.last().unwrap_or(&0.0),
                figures.without_again.last().unwrap_or(&0.0),
                figures.with.last().unwrap_or(&0.0),
            );
        }
        all.push(figures);
    }
    let programs =
        [("node", workshop.version_of_node()), ("plimsoll", machine::version(&program, "version"))];
    report(options, command, &programs, &all, method(rounds, slices)).publish()
}

/// Starts all three and lets them take turns, a slice each. So short a slice finds the machine quiet now and then
/// even where other programs run, and what slowly changes (clock speed, neighbours) meets all three alike.
fn one_round(
    workshop: &Workshop,
    program: &Path,
    app: &App,
    slices: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut asked = [
        Asked::new(Worker::plain(workshop, app, "first")?)?,
        Asked::new(Worker::under_plimsoll(workshop, app, program)?)?,
        Asked::new(Worker::plain(workshop, app, "second")?)?,
    ];
    // The worker has its CPU to itself: we ask from that of the gateway, which has nothing to do here.
    child::on_cpu(workshop.placement.proxy, || {
        for slice in 0..slices {
            asked.rotate_left(slice % 2);
            for one in &mut asked {
                one.take_slice()?;
            }
            asked.rotate_right(slice % 2);
        }
        Ok(())
    })?;
    let [without, with, again] = asked.map(|one| one.least_us);
    figures.without.push(without);
    figures.with.push(with);
    figures.without_again.push(again);
    Ok(())
}

/// A worker with its links, and the least that a slice of requests took it.
struct Asked {
    links: Vec<Connection>,
    least_us: f64,
    worker: Worker,
}

impl Asked {
    fn new(worker: Worker) -> anyhow::Result<Self> {
        let address = Address::path(&worker.socket);
        let mut links = (0..LINKS).map(|_| Connection::open(&address)).collect::<anyhow::Result<Vec<_>>>()?;
        ask(&mut links, WARM_UP)?;
        Ok(Self { links, least_us: f64::INFINITY, worker })
    }

    fn take_slice(&mut self) -> anyhow::Result<()> {
        let before = procfs::cpu_ns(&[self.worker.pid])?;
        let asked = ask(&mut self.links, SLICE)?;
        let used = (procfs::cpu_ns(&[self.worker.pid])? - before) as f64 / 1000.0 / asked as f64;
        self.least_us = self.least_us.min(used);
        Ok(())
    }
}

fn ask(links: &mut [Connection], requests: usize) -> anyhow::Result<usize> {
    let turns = requests / links.len();
    for _ in 0..turns {
        for link in links.iter_mut() {
            link.send(REQUEST.as_bytes())?;
        }
        for link in links.iter_mut() {
            let status = link.receive()?.status;
            if status != 200 {
                bail!("the worker answered {status}");
            }
        }
    }
    Ok(turns * links.len())
}

fn report(
    options: &Options,
    command: String,
    programs: &[(&str, String)],
    all: &[Figures],
    method: Vec<String>,
) -> Report {
    let mut table = Table::new(&["", "µs min", "median", "more than without"]);
    all.iter().for_each(|figures| figures.rows(&mut table));
    let reached: Vec<Target> = all.iter().map(Figures::target).collect();
    Report {
        verb: "agent",
        title: "The agent's part of a worker's CPU",
        command,
        machine: machine::facts(programs),
        method,
        tables: vec![
            ("Figures to reach".to_owned(), targets(&reached)),
            ("CPU of the worker per request".to_owned(), table),
        ],
        notes: Vec::new(),
        raw: all.iter().map(Figures::raw).collect(),
        keep: Keep::unless(options.common.quick),
    }
}

fn method(rounds: usize, slices: usize) -> Vec<String> {
    vec![
        "The worker has a CPU to itself; whoever asks runs on the other, where the gateway idles.".to_owned(),
        format!(
            "{rounds} rounds; in each, plain Node, Node with the agent and plain Node again are started afresh, warmed up \
             with {WARM_UP} requests and asked in turns, {slices} slices of {SLICE} requests each, over {LINKS} \
             kept-alive Unix connections in step, with the gateway's private header for all; the gateway itself is \
             bypassed. CPU of all threads of the worker by `schedstat`; of a round the least slice counts. Shares are \
             of the minima over the rounds."
        ),
    ]
}

fn install_express() -> anyhow::Result<()> {
    let apps = root().join("bench/apps");
    if apps.join("node_modules/express").is_dir() {
        return Ok(());
    }
    let mut npm = command("npm", &["ci", "--no-audit", "--no-fund", "--silent"]);
    npm.current_dir(apps);
    run_to_the_end(npm)
}
