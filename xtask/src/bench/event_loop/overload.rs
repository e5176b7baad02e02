//! Twice as many requests as one worker can serve.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::client::{Address, Connection};
use crate::bench::open::{self, Latency, Load, Outcome, Record, Stream};
use crate::bench::peer::{Peer, Programs, Serving, Setup};
use crate::bench::report::{Table, Target};
use crate::bench::stats::median;
use crate::bench::workshop::Workshop;

/// Few enough that none waits for long.
const CLIENTS: usize = 4;
const TARGET: &str = "/work?spin=2";
/// An overload is not known before it has lasted for half a second.
const ONSET_SECONDS: f64 = 2.0;

pub(super) fn run(
    workshop: &Workshop,
    programs: &Programs,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<(Table, Value, Vec<Target>)> {
    let mut table = Table::new(&[
        "round",
        "capacity",
        "offered",
        "goodput",
        "of capacity",
        "p50 accepted",
        "p99 accepted",
        "refused",
        "p50 refused",
        "p99 refused",
        "worst refused",
        "other failures",
        "p99 sent late",
    ]);
    let mut raw = Vec::new();
    let mut reached = Reached::default();
    for round in 1..=rounds {
        println!("overload, round {round}");
        let setup = Setup { workers: 1, ..Setup::default() };
        let serving = Serving::start(Peer::Plimsoll, workshop, programs, &setup)?;
        capacity(serving.port, Duration::from_secs(2))?;
        let capacity = capacity(serving.port, Duration::from_secs(5))?;
        let load = twice(capacity, serving.port, seconds);
        let (records, ()) = load.run(|_| Ok(()))?;
        let onset = capacity * 2.0 * ONSET_SECONDS;
        let records: Vec<Record> = records.into_iter().filter(|record| record.id as f64 >= onset).collect();
        let accepted = open::latency(&records);
        let is_refused = |record: &&Record| matches!(&record.outcome, Outcome::Status(503, Some(code)) if code == "overloaded");
        // The quantiles are of those that were answered well: here the refusal is the answer.
        let refused: Vec<Record> = records
            .iter()
            .filter(is_refused)
            .map(|record| Record { outcome: Outcome::Ok, ..record.clone() })
            .collect();
        let served = records.iter().filter(|record| record.outcome == Outcome::Ok).count();
        let goodput = served as f64 / f64::from(seconds);
        let others = records.len() - served - refused.len();
        let refusals = open::latency(&refused);
        reached.short.push((1.0 - goodput / capacity) * 100.0);
        reached.accepted_p99.extend(accepted.map(|latency| latency.p99));
        reached.refused_p99.extend(refusals.map(|latency| latency.p99));
        let ms = |latency: Option<Latency>, read: fn(Latency) -> f64| {
            latency.map_or("–".to_owned(), |latency| format!("{:.0} ms", read(latency)))
        };
        table.row(vec![
            round.to_string(),
            format!("{capacity:.0}/s"),
            format!("{:.0}/s", capacity * 2.0),
            format!("{goodput:.0}/s"),
            format!("{:.2}", goodput / capacity),
            ms(accepted, |latency| latency.p50),
            ms(accepted, |latency| latency.p99),
            refused.len().to_string(),
            ms(refusals, |latency| latency.p50),
            ms(refusals, |latency| latency.p99),
            ms(refusals, |latency| latency.worst),
            others.to_string(),
            format!("{:.0} ms", open::lateness(&records)),
        ]);
        raw.push(json!({
            "capacity": capacity, "goodput": goodput, "accepted": accepted, "refused": refusals,
            "refusals": refused.len(), "failures": open::failures(&records),
        }));
    }
    Ok((table, json!(raw), reached.targets()))
}

/// By round.
#[derive(Default)]
struct Reached {
    short: Vec<f64>,
    accepted_p99: Vec<f64>,
    refused_p99: Vec<f64>,
}

impl Reached {
    fn targets(&self) -> Vec<Target> {
        vec![
            Target::new("overload: goodput below the capacity, median", 5.0, median(&self.short), " %"),
            Target::new(
                "overload: p99 of accepted requests, median",
                300.0,
                median(&self.accepted_p99),
                " ms",
            ),
            Target::new("overload: p99 of refusals, median", 110.0, median(&self.refused_p99), " ms"),
        ]
    }
}

/// Twice the capacity, at a fixed rate.
fn twice(capacity: f64, port: u16, seconds: u32) -> Load {
    let work = Stream {
        name: "work",
        per_second: capacity * 2.0,
        method: "GET",
        target: TARGET.to_owned(),
        fresh_percent: 0,
    };
    Load { port, seconds: ONSET_SECONDS + f64::from(seconds), streams: vec![work], ..Load::default() }
}

/// Answers per second to clients that each wait for theirs.
fn capacity(port: u16, length: Duration) -> anyhow::Result<f64> {
    let served = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    let mut connection = Connection::open(&Address::port(port))?;
                    while begun.elapsed() < length {
                        let answer = connection.get(TARGET)?;
                        anyhow::ensure!(answer.status == 200, "answered {}", answer.status);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|_| anyhow::bail!("a client panicked")))
    })?;
    Ok(served.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}
