//! Contenders take turns in front of the same app, under the same load.

use std::any::Any;
use std::cell::RefCell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::bench::open::{Load, Record};
use crate::bench::peer::{Peer, Programs, Serving, Setup, Used};
use crate::bench::turnstile::Turnstile;
use crate::bench::wait;
use crate::bench::workshop::Workshop;

#[derive(Debug, Clone)]
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) peer: Peer,
    pub(super) setup: Setup,
}

impl Contender {
    pub(super) fn new(peer: Peer, setup: Setup) -> Self {
        Self { name: peer.name(), peer, setup }
    }
}

/// All who can run an app, one process of it or `setup.workers`.
pub(super) fn everybody(setup: &Setup) -> Vec<Contender> {
    let alone = Setup { workers: 1, ..setup.clone() };
    let many = [Peer::Cluster, Peer::Pm2, Peer::Watt, Peer::Nginx, Peer::Plimsoll];
    let many = many.into_iter().map(|peer| Contender::new(peer, setup.clone()));
    std::iter::once(Contender::new(Peer::Node, alone)).chain(many).collect()
}

/// What all scenarios run with.
pub(super) struct Stage<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) programs: &'a Programs,
    pub(super) rounds: usize,
    pub(super) is_quick: bool,
    /// Beginnings of the names of those who take part; empty: all.
    pub(super) only: &'a [String],
    /// Seconds of each turn that count, where they are not as usual.
    pub(super) seconds: Option<f64>,
    /// Release lines of Node.js, where a scenario runs on several.
    pub(super) nodes: &'a [u32],
    pub(super) turnstile: &'a RefCell<Turnstile>,
}

/// What stands behind the app in a turn, and how the app finds it.
#[derive(Default)]
pub(super) struct Behind {
    pub(super) env: Vec<(&'static str, String)>,
    pub(super) what: Option<Box<dyn Any>>,
}

impl<'a> Stage<'a> {
    /// The same with another Node.js.
    pub(super) fn with<'b>(&self, workshop: &'b Workshop) -> Stage<'b>
    where
        'a: 'b,
    {
        let Self { programs, rounds, is_quick, only, seconds, nodes, turnstile, .. } = *self;
        Stage { workshop, programs, rounds, is_quick, only, seconds, nodes, turnstile }
    }

    pub(super) fn measured(&self, usual: f64) -> f64 {
        self.seconds.unwrap_or_else(|| self.warm(usual))
    }

    pub(super) fn warm(&self, usual: f64) -> f64 {
        if self.is_quick { (usual / 5.0).min(4.0) } else { usual }
    }

    pub(super) fn chosen(&self, contenders: Vec<Contender>) -> Vec<Contender> {
        let wants = |one: &Contender| {
            let name = one.name.to_lowercase();
            self.only.is_empty() || self.only.iter().any(|only| name.starts_with(&only.to_lowercase()))
        };
        contenders.into_iter().filter(wants).collect()
    }

    /// In each round all contenders are started afresh and serve at the same time: they can take turns while all are warm, so that
    /// what others do to the machine meets all alike.
    pub(super) fn together(
        &self,
        contenders: &[Contender],
        mut each: impl FnMut(&[Serving<'_>]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 0..self.rounds {
            self.turnstile.borrow_mut().enter()?;
            println!("round {}", round + 1);
            let start = |one: &Contender| Serving::start(one.peer, self.workshop, self.programs, &one.setup);
            let serving = contenders.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
            each(&serving)?;
        }
        Ok(())
    }

    /// In each round each contender is started afresh, in an order that turns; `each` is told its place among them.
    pub(super) fn turns(
        &self,
        contenders: &[Contender],
        behind: impl Fn() -> anyhow::Result<Behind>,
        mut each: impl FnMut(usize, &Serving<'_>, &Behind) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 0..self.rounds {
            let mut order: Vec<(usize, &Contender)> = contenders.iter().enumerate().collect();
            order.rotate_left(round % contenders.len().max(1));
            for (place, contender) in order {
                self.turnstile.borrow_mut().enter()?;
                println!("round {}: {}", round + 1, contender.name);
                let behind = behind()?;
                let mut setup = contender.setup.clone();
                setup.env.extend(behind.env.iter().cloned());
                let serving = Serving::start(contender.peer, self.workshop, self.programs, &setup)?;
                each(place, &serving, &behind)?;
            }
        }
        Ok(())
    }
}

/// What one turn found.
pub(super) struct Turn {
    pub(super) records: Vec<Record>,
    pub(super) used: Vec<Used>,
    /// CPUs that the load generator kept busy.
    pub(super) driver_cpus: f64,
    pub(super) started_ms: f64,
}

impl Turn {
    pub(super) fn cpus(&self) -> f64 {
        self.used.iter().map(|one| one.cpus).sum()
    }

    pub(super) fn cpus_of(&self, role: &str) -> f64 {
        self.used.iter().filter(|one| one.role == role).map(|one| one.cpus).sum()
    }

    pub(super) fn pss(&self) -> f64 {
        self.used.iter().map(|one| one.pss_bytes as f64).sum()
    }
}

/// The load, after the same for `warm` seconds, of which nothing counts.
pub(super) fn measure(serving: &Serving<'_>, load: &Load, warm: f64) -> anyhow::Result<Turn> {
    let load = Load { port: serving.port, seconds: warm + load.seconds, ..load.clone() };
    let (begun, before) = (Instant::now(), own_cpu());
    let (mut records, used) = load.run(|begun| {
        let sleep_until = |seconds: f64| {
            let at = begun + Duration::from_secs_f64(seconds);
            wait::pause(at.saturating_duration_since(Instant::now()));
        };
        sleep_until(warm);
        let look = serving.look()?;
        sleep_until(load.seconds);
        Ok(serving.used_since(&look))
    })?;
    let driver_cpus = (own_cpu().saturating_sub(before)).as_secs_f64() / begun.elapsed().as_secs_f64();
    records.retain(|record| record.due.as_secs_f64() >= warm);
    Ok(Turn { records, used, driver_cpus, started_ms: serving.started.as_secs_f64() * 1000.0 })
}

/// Time on a CPU of this thread, which is the one that sends.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
