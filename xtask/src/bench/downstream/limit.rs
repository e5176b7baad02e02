//! Whether the limit is kept whatever makes the calls, and how much of it is used.

use std::path::Path;
use std::thread;

use anyhow::bail;
use serde_json::{Value, json};

use super::super::client::{Address, Connection};
use super::super::report::{Table, Target, figure};
use super::super::stats::{max, median, min};
use super::super::workshop::Workshop;
use super::LIMIT;
use super::place::Example;
use crate::nodes;

const WORKERS: u16 = 4;
/// Callers at once, all workers together.
const CALLERS: u32 = 200;
/// Requests of clients that share the callers, where they are not of one.
const SPREAD: u32 = 8;
const LIBRARIES: [&str; 10] =
    ["http", "agent", "fetch", "undici-5", "undici", "undici-7", "own", "axios", "got", "node-fetch"];

/// By Node.js: for each library the peak, `None` where it does not run there.
#[derive(Default)]
pub(super) struct Kept(Vec<(String, Vec<Option<f64>>)>);

impl Kept {
    pub(super) fn measure(&mut self, workshop: &Workshop, program: &Path) -> anyhow::Result<()> {
        for node in nodes::present()? {
            let example = Example::start(workshop, program, &node.binary, WORKERS)?;
            let peaks = LIBRARIES.iter().map(|by| peak(&example, by));
            self.0.push((node.version.clone(), peaks.collect::<anyhow::Result<_>>()?));
            eprintln!("limit measured on Node.js {}", node.version);
        }
        Ok(())
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let peaks: Vec<f64> = self.0.iter().flat_map(|(_, peaks)| peaks).copied().flatten().collect();
        vec![
            Target::new(
                "most calls at once that the service saw, of all libraries",
                f64::from(LIMIT),
                max(&peaks),
                "",
            ),
            Target::new(
                "the same of the library that used least, below the limit",
                0.0,
                min(&peaks).map(|least| f64::from(LIMIT) - least),
                "",
            ),
        ]
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&[&["Node.js"], &LIBRARIES[..]].concat());
        for (node, peaks) in &self.0 {
            let cells = peaks.iter().map(|peak| figure(*peak, "", 0)).collect();
            table.row([vec![node.clone()], cells].concat());
        }
        table
    }

    pub(super) fn method(&self) -> Vec<String> {
        vec![format!(
            "Limit: `examples/downstream` with {WORKERS} workers and `concurrency = 10`; {CALLERS} parallel callers, from {SPREAD} \
             requests of clients at once, to a service that takes 20 ms and counts what it has at once. `own` is an \
             Agent of the app's own of undici 6; `–`: the library does not run on that Node.js."
        )]
    }

    pub(super) fn raw(&self) -> Value {
        let row = |(node, peaks): &(String, Vec<Option<f64>>)| {
            let of: serde_json::Map<String, Value> =
                LIBRARIES.iter().zip(peaks).map(|(by, peak)| ((*by).to_owned(), json!(peak))).collect();
            (node.clone(), Value::from(of))
        };
        self.0.iter().map(row).collect()
    }
}

fn peak(example: &Example, by: &str) -> anyhow::Result<Option<f64>> {
    example.reset()?;
    let path = format!("/orders?ids={}&by={by}&path=/stock-20", CALLERS / SPREAD);
    if !all_at_once(example, SPREAD, &path)? {
        return Ok(None);
    }
    let total = example.figure("total")?;
    if total != f64::from(CALLERS) {
        bail!("the service got {total} calls by {by} where {CALLERS} were made");
    }
    example.figure("peak").map(Some)
}

/// So many clients ask for the same. False where the library does not run.
fn all_at_once(example: &Example, clients: u32, path: &str) -> anyhow::Result<bool> {
    let ask = || -> anyhow::Result<bool> {
        let response = Connection::open(&Address::port(example.shop.port))?.get(path)?;
        if response.status == 501 {
            return Ok(false);
        }
        let answer: Value = serde_json::from_slice(&response.body)?;
        if answer.get("failed") != Some(&json!(0)) {
            bail!("{path} was answered {answer}");
        }
        Ok(true)
    };
    thread::scope(|scope| {
        let asked: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        let answers: anyhow::Result<Vec<bool>> =
            asked.into_iter().map(|one| one.join().unwrap_or_else(|_| bail!("a client panicked"))).collect();
        Ok(answers?.iter().all(|ran| *ran))
    })
}

/// A burst: how many clients' requests make it, how long the service takes, how many calls follow one another.
#[derive(Clone, Copy)]
struct Burst {
    clients: u32,
    service_ms: u32,
    each: u32,
    /// A short one is made more often.
    rounds: usize,
}

const BURSTS: [Burst; 7] = [
    Burst { clients: 1, service_ms: 100, each: 5, rounds: 1 },
    Burst { clients: 1, service_ms: 100, each: 1, rounds: 1 },
    Burst { clients: 1, service_ms: 20, each: 10, rounds: 3 },
    Burst { clients: 1, service_ms: 20, each: 1, rounds: 3 },
    Burst { clients: 1, service_ms: 5, each: 20, rounds: 5 },
    Burst { clients: SPREAD, service_ms: 20, each: 10, rounds: 1 },
    Burst { clients: SPREAD, service_ms: 20, each: 1, rounds: 3 },
];

/// By burst: the mean and the peak of the service's calls at once, and the mean without Plimsoll.
#[derive(Default)]
pub(super) struct Use(Vec<Used>);

/// Of each round the mean, of all the peak.
struct Used {
    burst: Burst,
    means: Vec<f64>,
    peak: f64,
    by_hand: Vec<f64>,
}

impl Used {
    /// Of the limit, in percent.
    fn share(&self) -> Option<f64> {
        median(&self.means).map(|mean| mean * 100.0 / f64::from(LIMIT))
    }

    fn share_by_hand(&self) -> Option<f64> {
        median(&self.by_hand).map(|mean| mean * 100.0 / f64::from(LIMIT))
    }

    /// What is used less than by hand, in percent of that: round by round, so that both meet the same machine.
    fn behind(&self) -> Option<f64> {
        let ratios = self.means.iter().zip(&self.by_hand).map(|(mean, by_hand)| mean / by_hand);
        median(&ratios.collect::<Vec<_>>()).map(|ratio| 100.0 - ratio * 100.0)
    }
}

impl Use {
    pub(super) fn measure(&mut self, workshop: &Workshop, program: &Path, quick: bool) -> anyhow::Result<()> {
        let example = Example::start(workshop, program, &workshop.node, WORKERS)?;
        let by_hand = Example::start_by_hand(workshop)?;
        // Whoever makes calls for the first time loads and compiles: that is no part of how a limit is used.
        all_at_once(&example, 4 * SPREAD, "/orders?ids=20&by=agent")?;
        all_at_once(&by_hand, SPREAD, "/orders?ids=20&by=ten")?;
        for burst in BURSTS.into_iter().take(if quick { 2 } else { BURSTS.len() }) {
            let mut used = Used { burst, means: Vec::new(), peak: 0.0, by_hand: Vec::new() };
            for _ in 0..if quick { 1 } else { burst.rounds } {
                if burst.clients == 1 {
                    used.by_hand.push(burst.run(&by_hand, "ten")?.0);
                }
                let (mean, peak) = burst.run(&example, "agent")?;
                used.means.push(mean);
                used.peak = used.peak.max(peak);
            }
            self.0.push(used);
        }
        eprintln!("use of the limit measured");
        Ok(())
    }

    /// The first row is long enough that beginning and end count for little. In shorter calls the way between them counts
    /// for more, whoever limits them: there it is what can be reached by hand that is the measure.
    pub(super) fn targets(&self) -> Vec<Target> {
        let unused = self.0.first().and_then(Used::share).map(|share| 100.0 - share);
        let behind: Vec<f64> = self.0.iter().filter_map(Used::behind).collect();
        let peaks: Vec<f64> = self.0.iter().map(|used| used.peak).collect();
        vec![
            Target::new(
                "of the limit not used, all demand on one of four workers, calls of 100 ms in a long burst",
                5.0,
                unused,
                " %",
            ),
            Target::new(
                "less used than plain Node uses by hand, the worst of the bursts on one worker",
                5.0,
                max(&behind),
                " %",
            ),
            Target::new("most calls at once in these bursts", f64::from(LIMIT), max(&peaks), ""),
        ]
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["burst", "calls", "peak", "used", "used by hand", "behind by hand"]);
        for used in &self.0 {
            let Burst { clients, service_ms, each, .. } = used.burst;
            let whose = if clients == 1 { "one worker" } else { "all workers" };
            table.row(vec![
                format!("{whose}, {service_ms} ms, {each} in a row"),
                (CALLERS * each).to_string(),
                figure(Some(used.peak), "", 0),
                figure(used.share(), " %", 1),
                figure(used.share_by_hand(), " %", 1),
                figure(used.behind(), " %", 1),
            ]);
        }
        table
    }

    pub(super) fn method(&self) -> Vec<String> {
        vec![format!(
            "Use: the same example; {CALLERS} callers at once, each with so many calls in a row, over kept-alive connections, \
             from one request of a client (one worker has all demand) or from {SPREAD}. The mean of what the service has in \
             flight, from its first call to the end of its last: the time between an answer and the next call counts as \
             not used, and so does the end, when fewer calls than the limit are left, which weighs in a short burst. `by \
             hand` is the same app on plain Node, limited by `maxSockets: 10` in its own code: what one process can reach. Short bursts are made several times, both in turn; the median."
        )]
    }

    pub(super) fn raw(&self) -> Value {
        let row = |Used { burst, means, peak, by_hand }: &Used| {
            json!({
                "clients": burst.clients, "service_ms": burst.service_ms, "each": burst.each,
                "means": means, "peak": peak, "means_by_hand": by_hand,
            })
        };
        self.0.iter().map(row).collect()
    }
}

impl Burst {
    /// The mean and the peak of the service's calls at once.
    fn run(self, example: &Example, by: &str) -> anyhow::Result<(f64, f64)> {
        let Self { clients, service_ms, each, .. } = self;
        example.reset()?;
        let ids = CALLERS / clients;
        let path = format!("/orders?ids={ids}&by={by}&path=/stock-{service_ms}&each={each}");
        all_at_once(example, clients, &path)?;
        Ok((example.figure("mean")?, example.figure("peak")?))
    }
}
