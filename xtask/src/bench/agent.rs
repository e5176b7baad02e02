//! `bench agent`: what the agent costs a worker, per request, on the path that requests take.
//!
//! The same bytes, with the gateway's private header, go over the same kind of Unix socket to the same app: once to
//! a worker that Plimsoll started (its private socket is found in `/proc`; the gateway is not in the way), once to
//! plain Node. So the difference is the agent and nothing else. Plain Node takes part twice: that is the noise.

mod figures;
mod private;

use std::path::Path;

use self::figures::Figures;
use self::private::Worker;
use super::child;
use super::client::{Address, Connection};
use super::contender::App;
use super::field::plimsoll;
use super::report::{Keep, Report, Table, Target, targets};
use super::workshop::{Workshop, app};
use super::{Common, machine, procfs};
use anyhow::bail;

use crate::process::{command, root, run as run_to_the_end};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// Requests per round and variant.
    #[arg(long)]
    requests: Option<usize>,
}

/// As many links as are busy on a worker under load; all are asked, then all are read.
const LINKS: usize = 16;
/// Node has compiled its hot functions by then.
const WARM_UP: usize = 20_000;
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nUser-Agent: bench\r\nAccept: */*\r\n\
                       x-plimsoll: 127.0.0.1 40000 127.0.0.1 3000\r\n\r\n";

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    install_express()?;
    let rounds = options.common.rounds(9);
    let requests = options.requests.unwrap_or(if options.common.quick { 20_000 } else { 100_000 });

    let mut all = Vec::new();
    for (name, script) in [("hello", "hello.js"), ("express", "express.js")] {
        let app = App { script: app(script), env: Vec::new() };
        let mut figures =
            Figures { app: name, without: Vec::new(), without_again: Vec::new(), with: Vec::new() };
        for round in 0..rounds {
            one_round(&workshop, &program, &app, requests, &mut figures)?;
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
    report(options, command, &programs, &all, method(rounds, requests)).publish()
}

fn one_round(
    workshop: &Workshop,
    program: &Path,
    app: &App,
    requests: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    figures.without.push(measure(workshop, &Worker::plain(workshop, app)?, requests)?);
    figures.with.push(measure(workshop, &Worker::under_plimsoll(workshop, app, program)?, requests)?);
    figures.without_again.push(measure(workshop, &Worker::plain(workshop, app)?, requests)?);
    Ok(())
}

/// The worker has its CPU to itself: we ask from that of the gateway, which has nothing to do here.
fn measure(workshop: &Workshop, worker: &Worker, requests: usize) -> anyhow::Result<f64> {
    child::on_cpu(workshop.placement.proxy, || cpu_per_request(worker, requests))
}

fn cpu_per_request(worker: &Worker, requests: usize) -> anyhow::Result<f64> {
    let address = Address::path(&worker.socket);
    let mut links = (0..LINKS).map(|_| Connection::open(&address)).collect::<anyhow::Result<Vec<_>>>()?;
    ask(&mut links, WARM_UP)?;
    let before = procfs::cpu_ns(&[worker.pid])?;
    let asked = ask(&mut links, requests)?;
    Ok((procfs::cpu_ns(&[worker.pid])? - before) as f64 / 1000.0 / asked as f64)
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

fn method(rounds: usize, requests: usize) -> Vec<String> {
    vec![
        "The worker has a CPU to itself; whoever asks runs on the other, where the gateway idles.".to_owned(),
        format!(
            "{rounds} rounds of plain Node, Node with the agent, plain Node again, each started afresh. {WARM_UP} \
             requests to warm up, then {requests} over {LINKS} kept-alive Unix connections in step, with the gateway's \
             private header for both; the gateway itself is bypassed. CPU of all threads of the worker by \
             `schedstat`. Shares are of the minima over the rounds."
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
