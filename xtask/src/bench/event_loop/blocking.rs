//! Fast requests beside a heavy one each second.

use std::fs;

use serde_json::{Value, json};

use crate::bench::ledger;
use crate::bench::open::{self, Latency, Load, Outcome, Record, Stream};
use crate::bench::peer::{Peer, Programs, Serving, Setup};
use crate::bench::report::{Table, Target};
use crate::bench::workshop::Workshop;

/// The app's code is compiled and its routes are known by then.
const WARM_SECONDS: u32 = 8;
const FAST_PER_SECOND: f64 = 2000.0;
const POSTS: f64 = 0.1;
const HEAVY_PER_SECOND: f64 = 1.0;

struct Contender {
    name: &'static str,
    peer: Peer,
    settings: Vec<(&'static str, &'static str)>,
}

fn contenders() -> [Contender; 5] {
    let one = |name, peer, settings| Contender { name, peer, settings };
    [
        one("node:cluster", Peer::Cluster, Vec::new()),
        one("PM2", Peer::Pm2, Vec::new()),
        one("Watt", Peer::Watt, Vec::new()),
        one("Plimsoll, lanes off", Peer::Plimsoll, vec![("PLIMSOLL_EVENT_LOOP_LANES", "off")]),
        one("Plimsoll, lanes auto", Peer::Plimsoll, Vec::new()),
    ]
}

/// What was found of one contender, all rounds together.
#[derive(Default)]
struct Finding {
    fast: Vec<Record>,
    heavy: Vec<Record>,
    rounds: Vec<Option<Latency>>,
    twice: usize,
    incidents: Vec<Value>,
}

pub(super) fn run(
    workshop: &Workshop,
    programs: &Programs,
    rounds: usize,
    seconds: u32,
    (only, trace): (&[String], bool),
) -> anyhow::Result<(Table, Value, Vec<Target>)> {
    let wanted =
        |name: &str| only.is_empty() || only.iter().any(|only| name.to_lowercase().starts_with(only));
    let mut contenders: Vec<Contender> =
        contenders().into_iter().filter(|contender| wanted(contender.name)).collect();
    if trace {
        contenders
            .iter_mut()
            .for_each(|one| one.settings.push(("PLIMSOLL_EVENT_LOOP_STALL_THRESHOLD", "20ms")));
    }
    let mut findings: Vec<Finding> = contenders.iter().map(|_| Finding::default()).collect();
    for round in 1..=rounds {
        for (contender, finding) in contenders.iter().zip(&mut findings) {
            println!("round {round}: {}", contender.name);
            take_turn(contender, workshop, programs, seconds, finding)?;
        }
    }
    let mut table = Table::new(&[
        "",
        "p50",
        "p99",
        "p99.9",
        "worst",
        "p99.9 by round",
        "heavy/s",
        "heavy p50",
        "failed",
        "ran twice",
        "p99 sent late",
    ]);
    let mut raw = Vec::new();
    for (contender, finding) in contenders.iter().zip(&findings) {
        let measured = f64::from(seconds) * rounds as f64;
        table.row(finding.row(contender.name, measured));
        raw.push(json!({
            "name": contender.name, "fast": open::latency(&finding.fast), "heavy": open::latency(&finding.heavy),
            "slowest": finding.slowest(), "rounds": finding.rounds, "heavy_per_second": finding.heavy_ok() as f64 / measured,
            "incidents": finding.incidents,
            "failed": open::failures(finding.fast.iter().chain(&finding.heavy)), "ran_twice": finding.twice,
        }));
    }
    Ok((table, json!(raw), targets(&contenders, &findings)))
}

fn targets(contenders: &[Contender], findings: &[Finding]) -> Vec<Target> {
    let find = |name: &str| {
        let at = contenders.iter().position(|contender| contender.name == name)?;
        findings.get(at)
    };
    let fast =
        |name, read: fn(Latency) -> f64| find(name).and_then(|found| open::latency(&found.fast)).map(read);
    let (off, auto) = ("Plimsoll, lanes off", "Plimsoll, lanes auto");
    let heavy = |name| find(name).map(|found| found.heavy_ok() as f64);
    let fewer =
        heavy("node:cluster").zip(heavy(auto)).map(|(theirs, ours)| (1.0 - ours / theirs.max(1.0)) * 100.0);
    let twice = find(off).zip(find(auto)).map(|(off, auto)| (off.twice + auto.twice) as f64);
    vec![
        Target::new("lanes off, p99 of fast requests", 5.0, fast(off, |latency| latency.p99), " ms"),
        Target::new("lanes off, p99.9", 15.0, fast(off, |latency| latency.p999), " ms"),
        Target::new("lanes off, worst", 30.0, fast(off, |latency| latency.worst), " ms"),
        Target::new("lanes auto, p99.9", 8.0, fast(auto, |latency| latency.p999), " ms"),
        Target::new("lanes auto, heavy requests fewer than node:cluster's", 10.0, fewer, " %"),
        Target::new("requests that ran twice", 0.0, twice, ""),
    ]
}

fn take_turn(
    contender: &Contender,
    workshop: &Workshop,
    programs: &Programs,
    seconds: u32,
    finding: &mut Finding,
) -> anyhow::Result<()> {
    let path = ledger::place(&workshop.directory);
    let _none_left = fs::remove_file(&path);
    let setup = Setup {
        workers: 2,
        ledger: Some(path.clone()),
        settings: contender.settings.clone(),
        ..Setup::default()
    };
    let serving = Serving::start(contender.peer, workshop, programs, &setup)?;
    let stream = |name, per_second, method, target: &str| Stream {
        name,
        per_second,
        method,
        target: target.to_owned(),
        fresh_percent: 0,
    };
    let load = Load {
        port: serving.port,
        seconds: f64::from(WARM_SECONDS + seconds),
        streams: vec![
            stream("fast", FAST_PER_SECOND * (1.0 - POSTS), "GET", "/items?id={id}"),
            stream("fast", FAST_PER_SECOND * POSTS, "POST", "/items?id={id}"),
            stream("heavy", HEAVY_PER_SECOND, "POST", "/report?spin=200&id={id}"),
        ],
        ..Load::default()
    };
    let (records, ()) = load.run(|_| Ok(()))?;
    finding.incidents.extend(serving.incidents());
    drop(serving);
    finding.twice += ledger::read(&path)?.values().filter(|count| **count > 1).count();
    let _removed = fs::remove_file(&path);
    let warm = FAST_PER_SECOND * f64::from(WARM_SECONDS);
    let is_heavy =
        |record: &Record| load.streams.get(record.stream).is_some_and(|stream| stream.name == "heavy");
    let counted = records.into_iter().filter(|record| record.id as f64 >= warm);
    let (heavy, fast): (Vec<_>, Vec<_>) = counted.partition(is_heavy);
    finding.rounds.push(open::latency(&fast));
    finding.fast.extend(fast);
    finding.heavy.extend(heavy);
    Ok(())
}

impl Finding {
    fn heavy_ok(&self) -> usize {
        self.heavy.iter().filter(|record| record.outcome == Outcome::Ok).count()
    }

    /// The slowest fast requests: when they were due and how long after a heavy one, how long they took, and how much of
    /// that was our own lateness. What comes in one burst has one cause.
    fn slowest(&self) -> Vec<Value> {
        let mut all: Vec<&Record> = self.fast.iter().collect();
        all.sort_by_key(|record| std::cmp::Reverse(record.latency));
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
        let describe = |record: &&Record| {
            let due = record.id as f64 / (FAST_PER_SECOND + HEAVY_PER_SECOND);
            // As `Load` lays out three streams.
            let after_heavy = (due - 2.5 / 3.0 / HEAVY_PER_SECOND).rem_euclid(1.0 / HEAVY_PER_SECOND);
            json!({
                "due_s": due, "after_heavy_ms": after_heavy * 1000.0, "ms": ms(record.latency),
                "sent_late_ms": ms(record.late), "outcome": format!("{:?}", record.outcome),
            })
        };
        all.iter().take(60).map(describe).collect()
    }

    fn row(&self, name: &str, seconds: f64) -> Vec<String> {
        let ms = |latency: Option<Latency>, read: fn(Latency) -> f64| {
            latency.map_or("–".to_owned(), |latency| format!("{:.1} ms", read(latency)))
        };
        let fast = open::latency(&self.fast);
        let rounds: Vec<String> =
            self.rounds.iter().flatten().map(|round| format!("{:.0}", round.p999)).collect();
        let failed: usize = open::failures(self.fast.iter().chain(&self.heavy)).values().sum();
        vec![
            name.to_owned(),
            ms(fast, |latency| latency.p50),
            ms(fast, |latency| latency.p99),
            ms(fast, |latency| latency.p999),
            ms(fast, |latency| latency.worst),
            rounds.join(", "),
            format!("{:.2}", self.heavy_ok() as f64 / seconds),
            ms(open::latency(&self.heavy), |latency| latency.p50),
            failed.to_string(),
            self.twice.to_string(),
            format!("{:.1} ms", open::lateness(&self.fast)),
        ]
    }
}
