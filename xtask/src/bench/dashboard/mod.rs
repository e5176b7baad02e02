//! `bench dashboard`: what the page at the admin address costs, how fast it is there, and how soon what goes wrong is told by
//! it, `top`, the doctor and the metrics.

#[expect(clippy::indexing_slicing, reason = "a JSON value that has no such part answers null")]
#[path = "../../../../crates/plimsoll/tests/it/harness/browser.rs"]
mod browser;
#[expect(dead_code, reason = "the tests look at more of it")]
#[path = "../../../../crates/plimsoll/tests/it/harness/pty.rs"]
mod pty;
mod shown;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::browser::{Browser, Screen};
use self::shown::Shown;
use super::child::Child;
use super::client::{self, Address};
use super::field::plimsoll;
use super::load::{Head, Load};
use super::procfs::Pid;
use super::report::{Keep, Report, Table, Target, figure, targets};
use super::stats::{max, median, min};
use super::workshop::{Workshop, app, free_port};
use super::{Common, machine, wait};

const SHOWN_WITHIN: Duration = Duration::from_secs(15);
const SCREEN: Screen = Screen { width: 1280, height: 900, is_dark: false };
const IS_LIVE: &str = "document.querySelector('#live').textContent === 'live'";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
}

/// What is measured again and again.
#[derive(Debug, Default)]
struct Figures {
    bytes: usize,
    paint_ms: Vec<f64>,
    stall_ms: Vec<f64>,
    /// Share of a core that the main thread uses (supervisor, admin server, history), without and with a page open.
    closed: Vec<f64>,
    open: Vec<f64>,
    rates: Vec<f64>,
    shown: Vec<Shown>,
}

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    let wrk = machine::find_or_install("wrk", "wrk")?;
    let quick = options.common.quick;
    let instance = Instance::start(&workshop, &program)?;
    let Some(mut browser) = Browser::start(&workshop.directory.join("profile"))? else {
        bail!("there is no browser\nhint: apt-get install chromium-headless-shell");
    };
    let bytes = client::get(&Address::port(instance.admin), "/")?.len();
    let mut figures = Figures { bytes, ..Figures::default() };
    let rounds = options.common.rounds(5);
    for round in 1..=rounds {
        figures.paint_ms.push(instance.first_paint(&mut browser)?);
        figures.stall_ms.push(instance.stall(&mut browser)?);
        let seconds = if quick { 4 } else { 12 };
        let load = Load { connections: 32, seconds, head: Head::Small };
        figures.open.push(instance.share(&load, &workshop, &wrk, &mut figures.rates)?);
        browser.open("about:blank", SCREEN)?;
        figures.closed.push(instance.share(&load, &workshop, &wrk, &mut figures.rates)?);
        eprintln!("round {round}  {figures:?}");
    }
    drop(instance);
    figures.shown = shown::measure(&workshop, &program, &mut browser, options.common.rounds(3))?;
    report(&figures, &workshop, &program, command, quick)
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "a page has less than 2^52 bytes")]
    fn targets(&self) -> Table {
        let told: Vec<f64> = self.shown.iter().flat_map(Shown::worst).flatten().collect();
        let rows = [
            ("the main thread with the page open beside the load", 2.0, median(&self.open), " % of a core"),
            ("first paint", 300.0, median(&self.paint_ms), " ms"),
            ("the page", 150.0, Some(self.bytes as f64 / 1024.0), " kB"),
            ("from a stall's request to its being on the page, worst", 2000.0, max(&self.stall_ms), " ms"),
            (
                "each of five troubles is told by doctor, page, top and metrics, worst",
                2000.0,
                max(&told),
                " ms",
            ),
        ];
        targets(&rows.map(|(what, limit, found, unit)| Target::new(what, limit, found, unit)))
    }

    fn soon(&self) -> Table {
        let mut table = Table::new(&["told after, ms, at worst", "doctor", "page", "top", "metrics"]);
        for one in &self.shown {
            let cells = one.worst().map(|value| figure(value, "", 0));
            table.row([vec![one.fault.name.to_owned()], cells.to_vec()].concat());
        }
        table
    }

    fn all(&self) -> Table {
        let mut table = Table::new(&["", "least", "median", "most"]);
        for (name, values) in [
            ("first paint, ms", &self.paint_ms),
            ("a stall of 300 ms is on the page after, ms", &self.stall_ms),
            ("main thread, page open, % of a core", &self.open),
            ("main thread, page closed, % of a core", &self.closed),
            ("requests/s meanwhile", &self.rates),
        ] {
            let cells = [min(values), median(values), max(values)].map(|value| figure(value, "", 2));
            table.row([vec![name.to_owned()], cells.to_vec()].concat());
        }
        table
    }
}

fn report(
    figures: &Figures,
    workshop: &Workshop,
    program: &Path,
    command: String,
    quick: bool,
) -> anyhow::Result<()> {
    Report {
        verb: "dashboard",
        title: "The dashboard: what it costs, and how soon it shows",
        command,
        machine: machine::facts(&[
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(program, "version")),
        ]),
        method: vec![
            "`bench/apps/stall.js` in two workers; the page open in Chromium without a screen, on the same machine.".to_owned(),
            "CPU: time of the main thread, on which supervisor, history and admin server run and no request is served, under \
             `wrk` with 32 connections that ask as fast as they are answered."
                .to_owned(),
            "First paint: `first-contentful-paint` of the browser, from the beginning of the navigation.".to_owned(),
            "Stall: a request keeps its loop for 300 ms; the time from its being sent until the list of incidents has it."
                .to_owned(),
            "Told: `examples/shop` with one of its faults in two workers, asked by one client for what hurts nobody for 20 s, then \
             by four clients for everything; the time from then until `plimsoll doctor --json`, the findings of the page and of `top` \
             in a terminal have it, and the metric has risen; worst of 3 rounds. That their figures are the same is tested end to \
             end (`same_figures`)."
                .to_owned(),
        ],
        tables: vec![
            ("Figures to reach".to_owned(), figures.targets()),
            ("How soon it is told".to_owned(), figures.soon()),
            ("All".to_owned(), figures.all()),
        ],
        notes: Vec::new(),
        raw: json!({
            "page_bytes": figures.bytes, "first_paint_ms": figures.paint_ms, "stall_ms": figures.stall_ms,
            "open_percent": figures.open, "closed_percent": figures.closed, "requests_per_s": figures.rates,
            "told": figures.shown.iter().map(Shown::raw).collect::<Vec<_>>(),
        }),
        keep: Keep::unless(quick),
    }
    .publish()
}

struct Instance {
    process: Child,
    port: u16,
    admin: u16,
}

impl Instance {
    fn start(workshop: &Workshop, program: &Path) -> anyhow::Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let log = workshop.log("dashboard");
        let process = Child::start(program, None, &log, |command| {
            command.env("PORT", port.to_string()).env_remove("NODE_OPTIONS").current_dir(&workshop.directory);
            command.args(["run", "--name", "bench-dashboard", "--workers", "2"]);
            command
                .args(["--admin", &format!("127.0.0.1:{admin}"), "--"])
                .arg(&workshop.node)
                .arg(app("stall.js"));
        })?;
        wait::until(wait::START_WITHIN, "the first answer", || client::get(&Address::port(port), "/").ok())
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self { process, port, admin })
    }

    /// Opens the page afresh, and waits until it is live.
    fn first_paint(&self, browser: &mut Browser) -> anyhow::Result<f64> {
        browser.open("about:blank", SCREEN)?;
        browser.open(&format!("http://127.0.0.1:{}/", self.admin), SCREEN)?;
        wait_for(browser, IS_LIVE)?;
        let paint =
            wait_for(browser, "performance.getEntriesByName('first-contentful-paint')[0]?.startTime")?;
        if let Some(problem) = browser.problems().first() {
            bail!("the page has a problem: {problem}");
        }
        paint.as_f64().context("the browser tells no first paint")
    }

    /// How long after its request a stall is on the page.
    fn stall(&self, browser: &mut Browser) -> anyhow::Result<f64> {
        let times = "Number(document.querySelector('#t-groups [data-col=Times] span')?.textContent ?? 0)";
        let before = browser.ask(times)?.as_f64().unwrap_or(0.0);
        let sent = Instant::now();
        let address = Address::port(self.port);
        let asking = std::thread::spawn(move || client::get(&address, "/stall").map(drop));
        wait_for(browser, &format!("{times} > {before}"))?;
        let shown = sent.elapsed();
        match asking.join() {
            Ok(Ok(())) => Ok(shown.as_secs_f64() * 1000.0),
            other => bail!("the stall's request failed: {other:?}"),
        }
    }

    /// The share of a core that the main thread uses under the load, in percent.
    fn share(
        &self,
        load: &Load,
        workshop: &Workshop,
        wrk: &Path,
        rates: &mut Vec<f64>,
    ) -> anyhow::Result<f64> {
        let pid = self.process.pid();
        // The first second belongs to the warm-up, the last to wrk's end: only what lies between two looks counts.
        let mut looks = Vec::new();
        let outcome = load.run(workshop, wrk, self.port, || {
            looks.push((Instant::now(), main_thread_ns(pid)?));
            Ok(())
        })?;
        rates.push(outcome.requests_per_second);
        let (Some((from, before)), Some((to, after))) = (looks.get(1), looks.last()) else {
            bail!("the load was too short to be looked at");
        };
        let ns = u32::try_from(after.saturating_sub(*before) / 1000).unwrap_or(u32::MAX);
        Ok(f64::from(ns) / 1e6 / to.duration_since(*from).as_secs_f64() * 100.0)
    }
}

/// Time on a CPU of the first thread of a process.
fn main_thread_ns(pid: Pid) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    text.split_ascii_whitespace()
        .next()
        .and_then(|field| field.parse().ok())
        .context("schedstat is malformed")
}

fn wait_for(browser: &mut Browser, expression: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + SHOWN_WITHIN;
    while Instant::now() < deadline {
        let value = browser.ask(expression)?;
        if !matches!(value, Value::Null | Value::Bool(false)) {
            return Ok(value);
        }
        wait::pause(Duration::from_millis(5));
    }
    bail!("the page never said: {expression}")
}
