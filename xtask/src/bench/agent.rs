//! `bench agent`: what the agent costs a worker, per request, on the path that requests take.
//!
//! The same bytes, with the gateway's private header, go over the same kind of Unix socket to the same app: once to
//! a worker that Plimsoll started (its private socket is found in `/proc`; the gateway is not in the way), once to
//! plain Node. Each request to the worker is put into its page before, so that the agent has to claim it. So the
//! difference is the agent and nothing else. Plain Node takes part twice: that is the noise.

mod figures;
mod link;
mod private;

use std::path::Path;

use self::figures::Figures;
use self::link::Link;
use self::private::Worker;
use super::child;
use super::contender::App;
use super::field::plimsoll;
use super::load::Head;
use super::report::{Keep, Report, Table, Target, targets};
use super::workshop::{Workshop, app};
use super::{Common, machine, procfs};
use crate::install::npm_packages_of;
use crate::process::root;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    /// What each request carries.
    #[arg(long, value_enum, default_value_t = Head::Small)]
    head: Head,
    /// Turns of each variant in a round.
    #[arg(long)]
    slices: Option<usize>,
    /// Only this app.
    #[arg(long, value_parser = APPS.map(|(name, _)| name))]
    only: Option<String>,
}

/// What is asked, and its script.
const APPS: [(&str, &str); 2] = [("hello", "hello.js"), ("express", "express.js")];

/// As many links as are busy on a worker under load; all are asked, then all are read.
const LINKS: usize = 16;
/// Node has compiled its hot functions by then.
const WARM_UP: usize = 20_000;
/// Requests of a slice: short against a disturbance, so that slices taken one after the other meet the same.
const SLICE: usize = 2_000;

impl Options {
    fn slices(&self) -> usize {
        self.slices.unwrap_or(if self.common.quick { 8 } else { 24 })
    }
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    npm_packages_of(&root().join("bench/apps"))?;
    let rounds = options.common.rounds(9);

    let mut all = Vec::new();
    for (name, script) in
        APPS.iter().filter(|(name, _)| options.only.as_ref().is_none_or(|only| only == name))
    {
        let app = App { script: app(script), env: Vec::new() };
        let mut figures = Figures::new(name);
        for round in 0..rounds {
            one_round(&workshop, &program, &app, options, &mut figures)?;
            eprintln!("round {:>2}  {name:<8} {figures}", round + 1);
        }
        all.push(figures);
    }
    let programs =
        [("node", workshop.version_of_node()), ("plimsoll", machine::version(&program, "version"))];
    report(options, command, &programs, &all, method(rounds, options)).publish()
}

/// Starts all three and lets them take turns, a slice each. So short a slice finds the machine quiet now and then
/// even where other programs run, and what slowly changes (clock speed, neighbours) meets all three alike.
fn one_round(
    workshop: &Workshop,
    program: &Path,
    app: &App,
    options: &Options,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let Options { head, .. } = *options;
    let mut asked = [
        Asked::new(Worker::plain(workshop, app, "first")?, head)?,
        Asked::new(Worker::under_plimsoll(workshop, app, program)?, head)?,
        Asked::new(Worker::plain(workshop, app, "second")?, head)?,
    ];
    // The worker has its CPU to itself: we ask from that of the gateway, which has nothing to do here.
    child::on_cpu(workshop.placement.proxy, || {
        for slice in 0..options.slices() {
            // Forwards and backwards in turn: the agent is always next to both.
            if slice.is_multiple_of(2) {
                asked.iter_mut().try_for_each(Asked::take_slice)?;
            } else {
                asked.iter_mut().rev().try_for_each(Asked::take_slice)?;
            }
        }
        Ok(())
    })?;
    figures.take(asked.map(|one| one.slices_us));
    Ok(())
}

/// A worker with its links, and what a request took it, slice by slice.
struct Asked {
    links: Vec<Link>,
    slices_us: Vec<f64>,
    worker: Worker,
}

impl Asked {
    fn new(worker: Worker, head: Head) -> anyhow::Result<Self> {
        let mut links = Link::open_all(&worker, LINKS, head)?;
        ask(&mut links, WARM_UP)?;
        Ok(Self { links, slices_us: Vec::new(), worker })
    }

    fn take_slice(&mut self) -> anyhow::Result<()> {
        let before = procfs::cpu_ns(&[self.worker.pid])?;
        let asked = ask(&mut self.links, SLICE)?;
        self.slices_us.push((procfs::cpu_ns(&[self.worker.pid])? - before) as f64 / 1000.0 / asked as f64);
        Ok(())
    }
}

fn ask(links: &mut [Link], requests: usize) -> anyhow::Result<usize> {
    let turns = requests / links.len();
    for _ in 0..turns {
        links.iter_mut().try_for_each(Link::ask)?;
        links.iter_mut().try_for_each(Link::receive)?;
    }
    links.iter().try_for_each(Link::check_claim)?;
    Ok(turns * links.len())
}

fn report(
    options: &Options,
    command: String,
    programs: &[(&str, String)],
    all: &[Figures],
    method: Vec<String>,
) -> Report {
    let mut table = Table::new(&["", "µs min", "median", "more than without (min)", "(median)"]);
    all.iter().for_each(|figures| figures.rows(&mut table));
    let reached: Vec<Target> = all.iter().map(Figures::target).collect();
    Report {
        verb: match options.head {
            Head::Small => "agent",
            Head::Browser => "agent-browser",
            Head::Traced => "agent-traced",
        },
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
        keep: Keep::unless(options.common.quick || options.only.is_some()),
    }
}

fn method(rounds: usize, options: &Options) -> Vec<String> {
    let slices = options.slices();
    let lines = options.head.lines().len();
    vec![
        "The worker has a CPU to itself; whoever asks runs on the other, where the gateway idles.".to_owned(),
        format!(
            "{rounds} rounds; in each, plain Node, Node with the agent and plain Node again are started afresh, warmed up \
             with {WARM_UP} requests and asked in turns, {slices} slices of {SLICE} requests each, over {LINKS} \
             kept-alive Unix connections in step, each with `Host`, {lines} more lines, and the gateway's private header, \
             of two clients in turn; the agent gets a slot to claim from; the gateway itself is bypassed. CPU of all threads of the worker by `schedstat`. Ratios \
             are to the first plain Node: of the minima, and the median of the ratios of slices taken one after the other."
        ),
    ]
}
