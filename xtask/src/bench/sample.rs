//! One contender, started afresh and warmed up, and what a turn under load finds of it.

use std::path::Path;

use serde::Serialize;

use super::contender::{Answering, App, Contender};
use super::load::{Load, Outcome};
use super::procfs::{self, Memory};
use super::workshop::Workshop;

/// Node compiles its hot functions in the first second; proxies fill their pools.
const WARM_UP_SECONDS: u32 = 2;

/// What a turn found. Times in microseconds, sizes in bytes.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Sample {
    pub(super) requests: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// CPU of the proxy's processes by their threads' `schedstat`; none without a proxy.
    pub(super) proxy_us: Option<f64>,
    /// The same by the coarser `stat`, which also counts threads that ended: the two must agree.
    pub(super) proxy_us_by_stat: Option<f64>,
    pub(super) worker_us: f64,
    /// Share of its CPU that the proxy used: a proxy with more to spare wakes up more often per request.
    pub(super) proxy_busy: Option<f64>,
    /// CPU, in CPUs, of all processes of the machine that had no part in the turn, and of the hypervisor.
    pub(super) foreign_cpus: f64,
    /// Whether the machine was quiet enough for the figures to be told.
    pub(super) counts: bool,
    pub(super) rest_rss: u64,
    pub(super) load_rss: u64,
}

pub(super) struct Course<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) wrk: &'a Path,
    pub(super) app: &'a App,
    pub(super) load: Load,
}

/// A contender that is ready to be measured.
pub(super) struct Warm {
    running: Answering,
    rest: Memory,
    /// Connections that clients have opened so far.
    clients: u32,
}

impl Course<'_> {
    pub(super) fn warm_up(&self, contender: &Contender) -> anyhow::Result<Warm> {
        let running = contender.start(self.workshop, self.app)?;
        let rest = procfs::memory(&running.measured())?;
        contender.check_address(&running)?;
        let load = Load { seconds: WARM_UP_SECONDS, ..self.load };
        load.run(self.workshop, self.wrk, running.port, || Ok(()))?;
        // Beside those of the load there are those of the checks.
        Ok(Warm { running, rest, clients: load.connections + 16 })
    }

    pub(super) fn measure(&self, contender: &Contender, warm: &mut Warm) -> anyhow::Result<Sample> {
        let running = &warm.running;
        let mut peak = Memory::default();
        let before = Used::now(running)?;
        let outcome = self.load.run(self.workshop, self.wrk, running.port, || {
            peak = peak.max(procfs::memory(&running.measured())?);
            Ok(())
        })?;
        let used = Used::now(running)?.since(&before);
        warm.clients += self.load.connections;
        contender.check_links(running, warm.clients)?;
        Ok(used.into_sample(&outcome, running, warm.rest, peak))
    }
}

/// CPU time so far, in nanoseconds.
struct Used {
    at: std::time::Instant,
    proxy: u64,
    proxy_by_stat: u64,
    worker: u64,
    load: u64,
    machine: u64,
}

impl Used {
    fn now(running: &Answering) -> anyhow::Result<Self> {
        let mut proxy_ticks = 0;
        for pid in &running.proxy {
            proxy_ticks += procfs::stat(*pid)?.own_ticks;
        }
        let own = procfs::stat(std::process::id())?;
        Ok(Self {
            at: std::time::Instant::now(),
            proxy: procfs::cpu_ns(&running.proxy)?,
            proxy_by_stat: procfs::ticks_to_ns(proxy_ticks),
            worker: procfs::cpu_ns(&[running.worker])?,
            load: procfs::ticks_to_ns(own.own_ticks + own.children_ticks),
            machine: procfs::busy_ns()?,
        })
    }

    fn since(&self, before: &Self) -> Spent {
        let spent = |now: u64, then: u64| now.saturating_sub(then) as f64;
        Spent {
            elapsed: (self.at - before.at).as_nanos() as f64,
            proxy: spent(self.proxy, before.proxy),
            proxy_by_stat: spent(self.proxy_by_stat, before.proxy_by_stat),
            worker: spent(self.worker, before.worker),
            load: spent(self.load, before.load),
            machine: spent(self.machine, before.machine),
        }
    }
}

/// Nanoseconds between two looks.
struct Spent {
    elapsed: f64,
    proxy: f64,
    proxy_by_stat: f64,
    worker: f64,
    load: f64,
    machine: f64,
}

impl Spent {
    fn into_sample(self, outcome: &Outcome, running: &Answering, rest: Memory, peak: Memory) -> Sample {
        let each = |nanoseconds: f64| nanoseconds / 1000.0 / outcome.requests as f64;
        let of_proxy = |value: f64| (!running.proxy.is_empty()).then_some(value);
        let ours = self.proxy + self.worker + self.load;
        Sample {
            requests: outcome.requests,
            requests_per_second: outcome.requests_per_second,
            p50_us: outcome.p50_us,
            p99_us: outcome.p99_us,
            proxy_us: of_proxy(each(self.proxy)),
            proxy_us_by_stat: of_proxy(each(self.proxy_by_stat)),
            worker_us: each(self.worker),
            proxy_busy: of_proxy(self.proxy / self.elapsed),
            foreign_cpus: ((self.machine - ours) / self.elapsed).max(0.0),
            counts: true,
            rest_rss: rest.rss,
            load_rss: peak.rss,
        }
    }
}
