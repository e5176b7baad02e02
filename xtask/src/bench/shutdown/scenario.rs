//! What happens to the app under load.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Serialize;

use crate::bench::open::{self, Latency, Load, Outcome, Record, Stream};
use crate::bench::peer::{Peer, Programs, Serving, Setup, signal};
use crate::bench::workshop::Workshop;
use crate::bench::{ledger, wait};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// The app is renewed again and again.
    Reload,
    /// SIGTERM, and clients that go on for five seconds.
    Stop,
    /// A worker is killed every second.
    Kill,
    /// A worker stands still for two seconds.
    Freeze,
    /// How long a dead worker is missing.
    Replace,
}

/// How much of it.
pub(crate) struct Size {
    pub(crate) reloads: usize,
    pub(crate) kill_seconds: u32,
    pub(crate) rest_seconds: f64,
}

impl Size {
    pub(crate) fn of(quick: bool, reloads: Option<usize>) -> Self {
        if quick {
            return Self { reloads: reloads.unwrap_or(3), kill_seconds: 5, rest_seconds: 3.0 };
        }
        Self { reloads: reloads.unwrap_or(100), kill_seconds: 60, rest_seconds: 10.0 }
    }
}

/// Of all loads with waiting handlers.
const PER_SECOND: f64 = 1000.0;
/// Clients go on for so long after SIGTERM.
const LATE_SECONDS: f64 = 5.0;
const FREEZE: Duration = Duration::from_secs(2);
/// Some peers take long for a renewal; this is enough to see what they lose.
const RELOAD_SECONDS_MAX: f64 = 30.0;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Finding {
    pub(crate) requests: usize,
    /// By how they ended.
    pub(crate) failed: BTreeMap<String, usize>,
    pub(crate) events: usize,
    pub(crate) seconds: f64,
    pub(crate) calm: Option<Latency>,
    pub(crate) fast: Option<Latency>,
    #[serde(skip)]
    pub(crate) acknowledged: Vec<u64>,
    pub(crate) twice: Option<usize>,
    pub(crate) missing: Option<usize>,
}

impl Scenario {
    pub(crate) fn title(self) -> String {
        match self {
            Self::Reload => "Renewing the app under 1,000 requests/s",
            Self::Stop => "SIGTERM, and clients that go on for 5 s",
            Self::Kill => "`kill -9` of a worker every second under 1,000 POSTs/s",
            Self::Freeze => "`kill -STOP` of one of four workers for 2 s",
            Self::Replace => "From a worker's death to the first answer of its replacement",
        }
        .to_owned()
    }

    pub(crate) fn header(self) -> &'static [&'static str] {
        match self {
            Self::Reload => {
                &["", "renewals", "requests", "failed", "how", "p99 fast, calm", "p99 fast, renewing"]
            }
            Self::Stop => &["", "requests after SIGTERM", "failed", "how"],
            Self::Kill => &["", "kills", "requests", "failed", "how", "ran twice", "acknowledged, never ran"],
            Self::Freeze => &["", "requests", "failed", "how", "p99, calm", "p99, frozen", "worst, frozen"],
            Self::Replace => &[],
        }
    }

    pub(crate) fn applies_to(self, peer: Peer) -> bool {
        match self {
            Self::Reload => true,
            Self::Stop => matches!(peer, Peer::Cluster | Peer::Plimsoll),
            Self::Kill | Self::Freeze => peer.replaces_processes(),
            Self::Replace => peer == Peer::Plimsoll,
        }
    }

    pub(crate) fn run(
        self,
        peer: Peer,
        workshop: &Workshop,
        programs: &Programs,
        size: &Size,
    ) -> anyhow::Result<Finding> {
        let ledger = workshop.directory.join("ledger");
        let _none_left = fs::remove_file(&ledger);
        let setup = Setup {
            workers: if self == Self::Freeze { 4 } else { 2 },
            ledger: Some(ledger.clone()),
            settings: if self == Self::Stop { vec![("PLIMSOLL_SHUTDOWN_DELAY", "6s")] } else { Vec::new() },
            ..Setup::default()
        };
        let serving = Serving::start(peer, workshop, programs, &setup)?;
        let mut finding = match self {
            Self::Reload => reload(serving, size),
            Self::Stop => stop(&serving, size),
            Self::Kill => kill(&serving, size),
            Self::Freeze | Self::Replace => freeze(&serving, size),
        }?;
        finding.read_ledger(&ledger, self)?;
        Ok(finding)
    }
}

/// GET and POST, 20 ms and 500 ms, on fresh connections and kept ones.
fn mixed(port: u16, seconds: f64) -> Load {
    let stream = |name, part: f64, method, wait: u32, fresh_percent| Stream {
        name,
        per_second: PER_SECOND * part,
        method,
        target: format!("/?wait={wait}&id={{id}}"),
        fresh_percent,
    };
    let streams = vec![
        stream("fast", 0.4, "GET", 20, 50),
        stream("fast", 0.4, "POST", 20, 50),
        stream("slow", 0.1, "GET", 500, 50),
        stream("slow", 0.1, "POST", 500, 50),
    ];
    Load { port, seconds, streams, ..Load::default() }
}

fn is_fast(load: &Load) -> impl Fn(&&Record) -> bool {
    |record| load.streams.get(record.stream).is_some_and(|stream| stream.name == "fast")
}

/// Of the second run: the first is of workers that are fresh, which have yet to compile what they run.
fn calm(load: &Load) -> anyhow::Result<Option<Latency>> {
    let (_warming, ()) = load.run(|_| Ok(()))?;
    let (records, ()) = load.run(|_| Ok(()))?;
    Ok(open::latency(records.iter().filter(is_fast(load))))
}

fn reload(mut serving: Serving<'_>, size: &Size) -> anyhow::Result<Finding> {
    let port = serving.port;
    let calm = calm(&mixed(port, size.rest_seconds))?;
    // How long a renewal takes is seen by one without load.
    let begun = Instant::now();
    serving.renew()?;
    let each = begun.elapsed().as_secs_f64();
    let wanted = (each * 1.6).max(1.5) * size.reloads as f64;
    let most = if serving.is_plimsoll() { f64::INFINITY } else { RELOAD_SECONDS_MAX };
    let load = mixed(port, wanted.min(most));
    let end = Duration::from_secs_f64((load.seconds - each).max(1.0));
    let begun = Instant::now();
    let (records, events) = load.run(|begun| {
        let mut events = 0;
        while events < size.reloads && begun.elapsed() < end {
            serving.renew()?;
            events += 1;
        }
        Ok(events)
    })?;
    let fast = open::latency(records.iter().filter(is_fast(&load)));
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Finding { events, seconds, calm, fast, ..Finding::of(&records) })
}

fn stop(serving: &Serving<'_>, size: &Size) -> anyhow::Result<Finding> {
    let load = mixed(serving.port, size.rest_seconds + LATE_SECONDS - 0.1);
    let at = Duration::from_secs_f64(size.rest_seconds);
    let (records, ()) = load.run(|begun| {
        wait::pause((begun + at).saturating_duration_since(Instant::now()));
        serving.signal_main(Signal::TERM);
        Ok(())
    })?;
    let before = (PER_SECOND * size.rest_seconds) as u64;
    Ok(Finding { events: 1, ..Finding::of(records.iter().filter(|record| record.id >= before)) })
}

fn kill(serving: &Serving<'_>, size: &Size) -> anyhow::Result<Finding> {
    let post = |name, part: f64, wait: u32| Stream {
        name,
        per_second: PER_SECOND * part,
        method: "POST",
        target: format!("/?wait={wait}&id={{id}}"),
        fresh_percent: 50,
    };
    let seconds = f64::from(size.kill_seconds);
    let load = Load {
        port: serving.port,
        seconds,
        streams: vec![post("fast", 0.9, 20), post("slow", 0.1, 500)],
        ..Load::default()
    };
    let (records, events) = load.run(|begun| {
        let mut kills = 0;
        for second in 1..size.kill_seconds {
            wait::pause(
                (begun + Duration::from_secs(second.into())).saturating_duration_since(Instant::now()),
            );
            let workers = serving.workers();
            if let Some(victim) = workers.get(kills % workers.len().max(1)) {
                kills += usize::from(signal(*victim, Signal::KILL).is_ok());
            }
        }
        Ok(kills)
    })?;
    let fast = open::latency(records.iter().filter(is_fast(&load)));
    Ok(Finding { events, seconds, fast, ..Finding::of(&records) })
}

fn freeze(serving: &Serving<'_>, size: &Size) -> anyhow::Result<Finding> {
    let stream = |name, method| Stream {
        name,
        per_second: 350.0,
        method,
        target: "/?spin=1&id={id}".to_owned(),
        fresh_percent: 50,
    };
    let load = |seconds| Load {
        port: serving.port,
        seconds,
        streams: vec![stream("fast", "GET"), stream("fast", "POST")],
        ..Load::default()
    };
    let calm = calm(&load(size.rest_seconds))?;
    let (records, ()) = load(FREEZE.as_secs_f64() + 3.0).run(|_| {
        wait::pause(Duration::from_secs(1));
        let workers = serving.workers();
        if let Some(frozen) = workers.first() {
            signal(*frozen, Signal::STOP)?;
            wait::pause(FREEZE);
            signal(*frozen, Signal::CONT)?;
        }
        Ok(())
    })?;
    Ok(Finding { events: 1, calm, fast: open::latency(&records), ..Finding::of(&records) })
}

impl Finding {
    fn of<'a>(records: impl IntoIterator<Item = &'a Record> + Clone) -> Self {
        Self {
            requests: records.clone().into_iter().count(),
            failed: open::failures(records.clone()),
            acknowledged: records
                .into_iter()
                .filter(|record| record.outcome == Outcome::Ok)
                .map(|record| record.id)
                .collect(),
            ..Self::default()
        }
    }

    /// What ran, as the app wrote it down.
    fn read_ledger(&mut self, ledger: &Path, scenario: Scenario) -> anyhow::Result<()> {
        if scenario != Scenario::Kill {
            return Ok(());
        }
        let runs = ledger::read(ledger)?;
        self.twice = Some(runs.values().filter(|count| **count > 1).count());
        self.missing = Some(self.acknowledged.iter().filter(|id| !runs.contains_key(id)).count());
        Ok(())
    }

    pub(crate) fn cells(&self, scenario: Scenario) -> Vec<String> {
        let failed: usize = self.failed.values().sum();
        let how: Vec<String> = self.failed.iter().map(|(how, count)| format!("{count} {how}")).collect();
        let how = if how.is_empty() { "–".to_owned() } else { how.join(", ") };
        let (requests, failed, events) =
            (self.requests.to_string(), failed.to_string(), self.events.to_string());
        let ms = |latency: Option<Latency>, read: fn(Latency) -> f64| {
            latency.map_or("–".to_owned(), |latency| format!("{:.0} ms", read(latency)))
        };
        let count = |count: Option<usize>| count.map_or("–".to_owned(), |count| count.to_string());
        let (calm, busy) = (ms(self.calm, |latency| latency.p99), ms(self.fast, |latency| latency.p99));
        match scenario {
            Scenario::Reload => vec![events, requests, failed, how, calm, busy],
            Scenario::Stop => vec![requests, failed, how],
            Scenario::Kill => vec![events, requests, failed, how, count(self.twice), count(self.missing)],
            Scenario::Freeze | Scenario::Replace => {
                vec![requests, failed, how, calm, busy, ms(self.fast, |latency| latency.worst)]
            }
        }
    }
}

pub(crate) fn method() -> Vec<String> {
    vec![
        "Placement: the kernel's. The processes of a contender and the load share all CPUs; one contender runs at a time."
            .to_owned(),
        "Open loop: each request has a time at which it is due, and its latency counts from then. Half of the requests \
         open a connection of their own, the others use kept ones, which are not used when the server has closed them. \
         `refused`: no connection; `reset`: no byte of an answer; `cut`: not all of one."
            .to_owned(),
        "`reload`, `stop`: 80 % of the requests take 20 ms, 20 % take 500 ms, half of each are POSTs. `kill`: POSTs only; \
         the app writes the id of each into a file before it answers, and that is compared with the answers afterwards. \
         `freeze`: requests that keep the loop for 1 ms, 700 a second, so that the machine (load generator included) is \
         busy to about 70 %. `calm` is the second run of that load: the first is of workers that are fresh."
            .to_owned(),
        "nginx + node: two processes, each stopped by SIGTERM and started again, one after the other, and killed after 5 s. node:cluster: \
         `bench/peers/cluster.js`. PM2: `pm2 reload`. Watt: `wattpm restart`. Plimsoll: `plimsoll reload`. Each is renewed \
         again as soon as it says that it is done."
            .to_owned(),
    ]
}
