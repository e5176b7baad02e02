//! The tax: what every promise costs more because somebody asked to be told of it, who that was, and what to do.
//!
//! ```text
//!  agents ── Author (stack) ──► authors: package, file and line
//!         ── Rate (resources, busy time) ──► resources a second, of each process
//!  calibration (another process of the same Node) ──► nanoseconds for each resource
//!                                         └──► share of the loops' busy time = resources × cost / busy time
//! ```
//!
//! The share is an estimate, and a low one: what the hooks of the app do themselves is not in it.

mod authors;
mod cost;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_wire::tax::FromAgent;

pub use self::authors::Author;
use self::authors::Authors;
pub use self::cost::{Class, Cost, Origin as CostOrigin, class};
pub use self::words::{Fix, has_frame_flag};
use crate::concerns::event_loop::profile::Origin;
use crate::ids::WorkerId;

/// One process of a worker, by its channel.
pub type Process = (WorkerId, u32);

/// Rates are told over at least this time.
const RATE_OVER: Duration = Duration::from_secs(3);
/// Who has told nothing for so long has no requests.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// All that is known.
#[derive(Debug)]
pub struct Ledger {
    origin: Origin,
    authors: Authors,
    processes: BTreeMap<Process, Payer>,
    costs: BTreeMap<Class, Option<Cost>>,
}

/// One process that pays, or has paid.
#[derive(Debug, Clone)]
struct Payer {
    node: String,
    is_on: bool,
    callbacks: u8,
    has_frame: bool,
    /// The sums at the beginning of the time over which rates are told.
    base: Option<Sums>,
    latest: Option<Sums>,
    resources_per_s: u64,
    /// Of a second of busy time.
    resources_per_busy_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    at: Instant,
    resources: u64,
    active_us: u64,
}

/// What is paid now.
#[derive(Debug, Clone, PartialEq)]
pub struct Tax {
    /// As Node tells it, `v22.1.0`: of the process that pays most for each.
    pub node: String,
    pub class: Class,
    pub authors: Vec<Author>,
    /// Authors that found no room.
    pub authors_forgotten: u64,
    /// Of all processes together.
    pub resources_per_s: u64,
    /// `None`: not known yet, or it could not be measured.
    pub cost: Option<Cost>,
    /// Of the time that the loops did not wait, in thousandths; `None`: the cost is not known.
    pub share_per_mille: Option<u32>,
    pub fix: Fix,
    pub text: String,
    pub hint: Option<String>,
}

impl Tax {
    /// The cost was measured on this machine.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.cost.is_some_and(|cost| cost.origin == cost::Origin::Measured)
    }
}

impl Ledger {
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        let (authors, processes, costs) = (Authors::default(), BTreeMap::new(), BTreeMap::new());
        Self { origin, authors, processes, costs }
    }

    /// A process has greeted.
    pub fn open(&mut self, process: Process, node: &str) {
        let payer = Payer {
            node: node.chars().filter(|c| !c.is_control()).take(32).collect(),
            is_on: false,
            callbacks: 0,
            has_frame: false,
            base: None,
            latest: None,
            resources_per_s: 0,
            resources_per_busy_s: 0,
        };
        self.processes.insert(process, payer);
    }

    pub fn lose(&mut self, process: Process) {
        self.processes.remove(&process);
    }

    /// It has told something. Gives the class whose cost is not known yet and should be measured now.
    pub fn hear(&mut self, process: Process, said: FromAgent, now: Instant) -> Option<Class> {
        let payer = self.processes.get_mut(&process)?;
        match said {
            FromAgent::Author { what, callbacks, stack } => {
                self.authors.note(process.0.index, what, callbacks, &stack, &self.origin);
                None
            }
            FromAgent::Rate { is_on, callbacks, has_frame, resources, active_us } => {
                payer.has_frame = has_frame;
                payer.note((is_on, callbacks), Sums { at: now, resources, active_us });
                let class = payer.class();
                let is_new = class.is_paid() && !self.costs.contains_key(&class);
                if is_new {
                    self.costs.insert(class, None);
                }
                is_new.then_some(class)
            }
        }
    }

    /// What was asked for has been measured; `None`: it could not be.
    pub fn measured(&mut self, class: Class, cost: Option<Cost>) {
        self.costs.insert(class, cost);
    }

    /// Share of one worker's loops, in thousandths.
    #[must_use]
    pub fn share_of(&self, worker: WorkerId, now: Instant) -> Option<u32> {
        self.share(self.paying(now).filter(|(of, _)| of.0 == worker).map(|(_, payer)| payer))
    }

    /// `None`: nobody has asked for anything.
    #[must_use]
    pub fn tax(&self, now: Instant) -> Option<Tax> {
        let payers: Vec<&Payer> = self.paying(now).map(|(_, payer)| payer).collect();
        let dearest = self.processes.values().max_by_key(|payer| payer.class());
        let class = dearest.map_or(Class::None, Payer::class);
        if self.authors.is_empty() && !class.is_paid() {
            return None;
        }
        let node = dearest.map_or_else(String::new, |payer| payer.node.clone());
        let authors = self.authors.all();
        let share_per_mille = self.share(payers.iter().copied());
        let fix = words::fix(class, &node);
        let mut tax = Tax {
            class,
            authors,
            authors_forgotten: self.authors.forgotten(),
            resources_per_s: payers.iter().map(|payer| payer.resources_per_s).sum(),
            cost: self.costs.get(&class).copied().flatten(),
            share_per_mille,
            fix,
            hint: None,
            text: String::new(),
            node,
        };
        tax.hint = words::hint(&tax);
        tax.text = words::sentence(&tax);
        Some(tax)
    }

    fn paying(&self, now: Instant) -> impl Iterator<Item = (Process, &Payer)> {
        let is_fresh = move |sums: Sums| now.saturating_duration_since(sums.at) < SILENT_AFTER;
        let pays = move |payer: &Payer| payer.is_on && payer.latest.is_some_and(is_fresh);
        self.processes.iter().filter(move |(_, payer)| pays(payer)).map(|(process, payer)| (*process, payer))
    }

    /// Each process is weighed by how busy it is.
    fn share<'a>(&self, payers: impl Iterator<Item = &'a Payer>) -> Option<u32> {
        let (mut paid, mut busy) = (0.0, 0.0);
        for payer in payers.filter(|payer| payer.resources_per_busy_s > 0) {
            let cost = self.costs.get(&payer.class()).copied().flatten()?;
            let busy_of = payer.resources_per_s as f64 / payer.resources_per_busy_s as f64;
            busy += busy_of;
            paid += payer.resources_per_s as f64 * cost.ns / 1e9;
        }
        (busy > 0.0).then(|| per_mille(paid / busy))
    }
}

fn per_mille(share: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
    let share = (share.clamp(0.0, 1.0) * 1000.0).round() as u32;
    share
}

impl Payer {
    fn class(&self) -> Class {
        class(self.is_on, self.callbacks, self.has_frame)
    }

    fn note(&mut self, state: (bool, u8), sums: Sums) {
        // What is paid has changed: rates begin again.
        if state != (self.is_on, self.callbacks) {
            (self.is_on, self.callbacks) = state;
            self.base = None;
        }
        self.latest = Some(sums);
        let base = *self.base.get_or_insert(sums);
        let time = sums.at.saturating_duration_since(base.at);
        if time < RATE_OVER {
            return;
        }
        let resources = sums.resources.saturating_sub(base.resources);
        let busy_us = sums.active_us.saturating_sub(base.active_us);
        let a_second = |over_us: u128| {
            let over_us = u64::try_from(over_us).unwrap_or(u64::MAX).max(1);
            resources.saturating_mul(1_000_000) / over_us
        };
        // Where it says that it was busy for longer than there was time, it was busy all the time.
        self.resources_per_busy_s = a_second(u128::from(busy_us).min(time.as_micros()));
        self.resources_per_s = a_second(time.as_micros());
        self.base = Some(sums);
    }
}
