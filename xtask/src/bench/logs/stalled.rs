//! Nobody takes the log for a while: what do requests notice?

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::{Asked, How, Stage};
use super::{Bench, Findings};
use crate::bench::client::{Address, Connection};
use crate::bench::report::{Table, Target, figure};
use crate::bench::workshop::Workshop;
use crate::bench::{procfs, stats, wait};

const LINES_PER_SECOND: u32 = 10_000;
/// Between two requests, on the average. The app writes its lines every 5 ms: asked by a clock, a run would meet them as the two clocks
/// happen to stand, and another one elsewhere.
const PACE: Duration = Duration::from_millis(2);
/// Its multiples fall evenly on the whole between 0 and 1, in no order that a clock has.
const GOLDEN: f64 = 0.618_033_988_749_895;

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Findings> {
    let length = Duration::from_secs(if bench.is_quick { 5 } else { 30 });
    let mut table = Table::new(&["", "p99 read, ms", "p99 stalled", "moved by", "worst stalled", "MB more"]);
    let mut raw = Vec::new();
    let mut moved = Vec::new();
    for (name, how, kind) in [
        ("Plimsoll, pino", How::Plimsoll, "pino"),
        ("Plimsoll, console", How::Plimsoll, "console"),
        ("plain pipe, pino", How::Plain, "pino"),
    ] {
        // A plain one stands still: that is seen soon enough.
        let (length, rounds) = match how {
            How::Plain => (length.min(Duration::from_secs(10)), 1),
            How::Plimsoll => (length, bench.rounds),
        };
        let mut stalls = Vec::new();
        for _ in 0..rounds {
            stalls.push(stall(bench, how, kind, length)?);
        }
        let median = |read: fn(&Stall) -> f64| stats::median(&stalls.iter().map(read).collect::<Vec<_>>());
        let worst = |read: fn(&Stall) -> f64| stats::max(&stalls.iter().map(read).collect::<Vec<_>>());
        table.row(vec![
            name.to_owned(),
            figure(median(|stall| stall.read.p99_ms), "", 2),
            figure(median(|stall| stall.stalled.p99_ms), "", 2),
            figure(median(Stall::moved_percent), " %", 1),
            figure(worst(|stall| stall.stalled.worst_ms), "", 1),
            figure(worst(|stall| stall.grown_mb), "", 1),
        ]);
        if how == How::Plimsoll {
            moved.extend(median(Stall::moved_percent));
        }
        raw.extend(stalls.iter().map(|found| {
            json!({
                "name": name, "read_p99_ms": found.read.p99_ms, "stalled_p99_ms": found.stalled.p99_ms,
                "stalled_worst_ms": found.stalled.worst_ms, "grown_mb": found.grown_mb,
            })
        }));
    }
    Ok(Findings {
        name: "stalled",
        title: "Nobody takes the log",
        targets: vec![Target::new(
            format!("p99 of requests moves, {LINES_PER_SECOND} lines/s, nobody reads stdout"),
            5.0,
            stats::max(&moved),
            " %",
        )],
        table,
        method: format!(
            "Stalled: {LINES_PER_SECOND} lines a second while one client asks every {} ms on the average, by no clock; {} s with nobody reading stdout, and half as long \
             before and after that with stdout being read, no lines sampled. p99 of the requests of both; Plimsoll {} times, each started afresh: the \
             median of p99 and of how far it moved, the worst of the rest. A plain Node with a synchronous logger stands \
             still as soon as the pipe is full: its requests are given up after {} s.",
            PACE.as_millis(),
            length.as_secs(),
            bench.rounds,
            PATIENCE.as_secs()
        ),
        notes: Vec::new(),
        raw: json!(raw),
    })
}

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stall {
    pub(crate) read: Latency,
    pub(crate) stalled: Latency,
    pub(crate) grown_mb: f64,
}

impl Stall {
    /// With pino at its defaults, under Plimsoll, and nobody reads for so long.
    pub(crate) fn measure(workshop: &Workshop, plimsoll: PathBuf, length: Duration) -> anyhow::Result<Self> {
        super::install_loggers()?;
        let bench = Bench { workshop, plimsoll, rounds: 1, is_quick: false };
        stall(&bench, How::Plimsoll, "pino", length)
    }

    pub(crate) fn moved_percent(&self) -> f64 {
        (self.stalled.p99_ms / self.read.p99_ms - 1.0) * 100.0
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p99_ms: f64,
    pub(crate) worst_ms: f64,
}

fn stall(bench: &Bench<'_>, how: How, kind: &str, length: Duration) -> anyhow::Result<Stall> {
    let stage = Stage::start(bench, how, Asked { settings: "[logs]\nrate = \"off\"\n", ..Asked::default() })?;
    stage.get(&format!("/rate?kind={kind}&lines={LINES_PER_SECOND}"))?;
    // What is compiled and allocated once is no part of either half.
    ask(&stage, Duration::from_secs(3));
    let mut read = ask(&stage, length / 2);
    let before = procfs::memory(&[stage.pid()])?.rss;
    stage.reader.rest(true);
    // The pipe behind us fills within a moment.
    ask(&stage, Duration::from_secs(1).min(length));
    let stalled = Latency::of(ask(&stage, length));
    let grown_mb = (procfs::memory(&[stage.pid()])?.rss as f64 - before as f64) / 1e6;
    stage.reader.rest(false);
    // What had waited goes out.
    ask(&stage, Duration::from_secs(2));
    read.extend(ask(&stage, length / 2));
    Ok(Stall { read: Latency::of(read), stalled, grown_mb })
}

/// Asks at a steady pace; how long each took, in milliseconds. A request that is not answered counts with the time that
/// it was waited for.
fn ask(stage: &Stage, length: Duration) -> Vec<f64> {
    let end = Instant::now() + length;
    let open = || Connection::open(&Address::port(stage.port)).ok();
    let mut connection = open();
    let mut took_ms = Vec::new();
    let mut next = Instant::now();
    while Instant::now() < end {
        let start = Instant::now();
        let is_answered = connection.as_mut().is_some_and(|connection| connection.get("/").is_ok());
        took_ms.push(start.elapsed().as_secs_f64() * 1000.0);
        if !is_answered {
            connection = open();
        }
        let part = (took_ms.len() as f64 * GOLDEN).fract();
        next = (next + PACE.mul_f64(0.5 + part)).max(Instant::now());
        wait::pause(next.saturating_duration_since(Instant::now()));
    }
    took_ms
}

impl Latency {
    fn of(mut took_ms: Vec<f64>) -> Self {
        took_ms.sort_by(f64::total_cmp);
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a place in the list"
            )]
            let place = (took_ms.len() as f64 * share) as usize;
            took_ms.get(place.min(took_ms.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        Self { p99_ms: at(0.99), worst_ms: at(1.0) }
    }
}
