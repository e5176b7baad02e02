//! Contenders take turns in front of the same app, under the same load.

use std::any::Any;
use std::cell::RefCell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::bench::open::{Load, Record};
use crate::bench::peer::{Peer, Programs, Serving, Setup, Used};
use crate::bench::procfs;
use crate::bench::turnstile::Turnstile;
use crate::bench::wait;
use crate::bench::workshop::Workshop;

/// The part of all CPU time that the host may take away in a turn before it is made once more. Of two CPUs it is a hundredth of
/// one: more would be in a p99, whoever serves.
const TAKEN_MAX: f64 = 0.005;
/// Others may disturb for longer than anybody wants to wait.
const TRIES_MAX: usize = 5;

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
    /// The part of all CPU time that the host took away meanwhile, 0 to 1.
    pub(super) taken: f64,
    /// How often it was tried until this one came of it.
    pub(super) tries: usize,
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
    let (mut records, (used, taken)) = load.run(|begun| {
        let sleep_until = |seconds: f64| {
            let at = begun + Duration::from_secs_f64(seconds);
            wait::pause(at.saturating_duration_since(Instant::now()));
        };
        sleep_until(warm);
        let (look, ticks) = (serving.look()?, procfs::cpu_ticks()?);
        sleep_until(load.seconds);
        Ok((serving.used_since(&look), procfs::cpu_ticks()?.stolen_since(&ticks)))
    })?;
    let driver_cpus = (own_cpu().saturating_sub(before)).as_secs_f64() / begun.elapsed().as_secs_f64();
    records.retain(|record| record.due.as_secs_f64() >= warm);
    let started_ms = serving.started.as_secs_f64() * 1000.0;
    Ok(Turn { records, used, driver_cpus, taken, tries: 1, started_ms })
}

/// As [`measure`], once more where the host has taken CPU time away meanwhile and it is not good all the same; of all tries
/// the one in which it took least, whatever came of it.
pub(super) fn measure_calm(
    serving: &Serving<'_>,
    load: &Load,
    warm: f64,
    is_good: impl Fn(&Turn) -> bool,
) -> anyhow::Result<Turn> {
    calm(is_good, || measure(serving, load, warm))
}

fn calm(
    is_good: impl Fn(&Turn) -> bool,
    mut measure: impl FnMut() -> anyhow::Result<Turn>,
) -> anyhow::Result<Turn> {
    let mut best = measure()?;
    for tries in 2..=TRIES_MAX {
        if best.taken <= TAKEN_MAX || is_good(&best) {
            break;
        }
        println!("    the host took {:.1} % of the CPUs away: once more", best.taken * 100.0);
        let next = measure()?;
        best = Turn { tries, ..if next.taken < best.taken { next } else { best } };
    }
    Ok(best)
}

/// What is done where the machine is not ours alone.
pub(super) fn calm_rule() -> String {
    format!(
        "A turn in which the host took more than {:.1} % of the time of all CPUs away (`steal` in `/proc/stat`) is made once more, up to {TRIES_MAX} times; \
         the one in which it took least counts, whoever serves and whatever came of it.",
        TAKEN_MAX * 100.0
    )
}

/// Time on a CPU of this thread, which is the one that sends.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_turn_is_made_again_where_the_host_took_too_much() {
        type IsGood = fn(&Turn) -> bool;
        let never: IsGood = |_| false;
        let is_first: IsGood = |turn| turn.started_ms == 0.0;
        // What is taken in each turn; which counts, and how many there were.
        let table: [(&[f64], IsGood, usize, usize); 5] = [
            (&[0.001], never, 0, 1),
            (&[0.2, 0.005], never, 1, 2),
            (&[0.2, 0.01, 0.3, 0.04, 0.02], never, 1, 5),
            (&[0.2], is_first, 0, 1),
            (&[0.01, 0.2, 0.0], never, 2, 3),
        ];
        for (row, (taken, is_good, counts, tries)) in table.into_iter().enumerate() {
            let mut made = (0..).zip(taken).map(|(number, taken)| Turn {
                records: Vec::new(),
                used: Vec::new(),
                driver_cpus: 0.0,
                taken: *taken,
                tries: 1,
                started_ms: f64::from(number),
            });
            let turn = calm(is_good, || made.next().context("one turn too many")).unwrap();
            assert_eq!((turn.started_ms as usize, turn.tries), (counts, tries), "row {row}");
            assert!(made.next().is_none(), "row {row}");
        }
    }
}
