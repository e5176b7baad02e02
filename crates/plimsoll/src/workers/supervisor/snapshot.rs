//! What can be asked about the workers.

use std::time::{Duration, Instant};

use super::{Death, LeakTold, Recycled, Supervisor};
use crate::concerns::context::tax::Tax;
use crate::concerns::downstream::Seen;
use crate::concerns::memory::churn::{Saving, Weight};
use crate::concerns::memory::seen::Use;
use crate::concerns::memory::trend::Leak;
use crate::concerns::pools;
use crate::concerns::shutdown::{Phase, State};
use crate::ids::WorkerId;
use crate::workers::front::Front;

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub phase: Phase,
    pub was_ever_ready: bool,
    pub generation: u32,
    /// During a reload: workers of the newest generation that serve.
    pub renewed: Option<usize>,
    /// One per place.
    pub workers: Vec<Worker>,
    /// Processes whose place is taken, or gone.
    pub leaving: Vec<Worker>,
    /// What the app calls, by name.
    pub downstreams: Vec<Seen>,
    pub stops: Stops,
    /// Workers that were renewed because of what they held.
    pub recycled: Recycled,
    /// Leaks that were told, newest first.
    pub leaks: Vec<LeakTold>,
    /// What requests of each route allocate.
    pub churn: Vec<Weight>,
    /// What larger semi-spaces would save.
    pub saving: Option<Saving>,
    /// What one worker may hold; `None`: nobody knows how much memory there is.
    pub memory_share: Option<u64>,
    /// The pools in which it keeps connections, by name, and when requests waited for one.
    pub pools: Vec<pools::Seen>,
    pub queues: Vec<pools::Queue>,
    /// What is paid for async context; `None`: nobody has asked for it.
    pub tax: Option<Tax>,
}

/// Workers that were asked to end, and those of them that had to be killed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stops {
    pub asked: u64,
    pub killed: u64,
}

#[derive(Debug, Clone)]
pub struct Worker {
    pub id: WorkerId,
    pub pid: Option<u32>,
    /// `process.version`, where its agent has told.
    pub node: Option<String>,
    pub state: State,
    pub is_failing: bool,
    pub generation: u32,
    pub uptime: Duration,
    /// `None`: it has not been told.
    pub memory: Option<Use>,
    /// How its heap has grown, where it seems to leak.
    pub leak: Option<Leak>,
    /// What it pays for async context, in thousandths of its loops' time.
    pub tax_per_mille: Option<u32>,
    /// The last one in this place.
    pub last_death: Option<Death>,
}

impl<F: Front> Supervisor<F> {
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let workers = self.fleet.places().iter().map(|place| Worker {
            id: place.id,
            pid: self.processes.get(&place.id).map(|process| process.pid),
            node: self.processes.get(&place.id).and_then(|process| process.node.clone()),
            state: self.fleet.state(place.id).unwrap_or(place.state),
            is_failing: place.is_failing,
            generation: place.generation,
            uptime: self.processes.get(&place.id).map_or(Duration::ZERO, |process| process.age(now)),
            memory: self.processes.get(&place.id).and_then(|process| process.memory.latest()),
            leak: self.processes.get(&place.id).and_then(|process| process.trend.told().cloned()),
            tax_per_mille: self.tax.share_of(place.id, now),
            last_death: self.deaths.last(place.id),
        });
        Snapshot {
            phase: self.fleet.phase(),
            was_ever_ready: self.fleet.was_ever_ready(),
            generation: self.fleet.generation(),
            renewed: self.fleet.is_reloading().then(|| self.fleet.renewed()),
            workers: workers.collect(),
            leaving: self.leaving(now).collect(),
            downstreams: self.desk.seen(),
            leaks: self.memory.leaks(),
            churn: self.memory.churn(),
            saving: self.saving(),
            stops: self.stops,
            recycled: self.memory.recycled(),
            memory_share: self.share(),
            pools: self.pools.seen(now),
            queues: self.pools.queues(),
            tax: self.tax.tax(now),
        }
    }

    fn leaving(&self, now: Instant) -> impl Iterator<Item = Worker> {
        self.fleet.leaving().iter().filter_map(move |leaving| {
            let process = self.processes.get(&leaving.id)?;
            Some(Worker {
                id: leaving.id,
                pid: Some(process.pid),
                node: process.node.clone(),
                state: State::Draining(leaving.step),
                is_failing: false,
                generation: process.generation,
                uptime: process.age(now),
                memory: process.memory.latest(),
                leak: process.trend.told().cloned(),
                tax_per_mille: self.tax.share_of(leaving.id, now),
                last_death: None,
            })
        })
    }
}
