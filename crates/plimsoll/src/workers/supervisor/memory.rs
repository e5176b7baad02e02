//! The memory of the workers: heard from their watchdogs, weighed from outside, and renewed before it is used up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use plimsoll_wire::memory::{Allocated, Figures};

use super::{Nature, Supervisor};
use crate::concerns::memory::churn::{Churn, Weight};
use crate::concerns::memory::heap::{self, Made};
use crate::concerns::memory::recycle::{Decision, Level, Recycler, Rules, Why};
use crate::concerns::memory::trend::Leak;
use crate::concerns::memory::words;
use crate::concerns::shutdown::{Input, State};
use crate::ids::WorkerId;
use crate::sys::{proc, room};
use crate::workers::front::Front;
use crate::workers::process::Process;

/// Something may have changed only when a worker was heard or weighed, and both happen once a second.
const JUDGE_EVERY: Duration = Duration::from_millis(500);

/// How many workers were renewed, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recycled {
    pub heap: u64,
    pub resident: u64,
    pub requests: u64,
}

/// Leaks that are remembered.
const LEAKS_MAX: usize = 16;

/// A leak that was told.
#[derive(Debug, Clone)]
pub struct LeakTold {
    pub worker: u16,
    pub at: Instant,
    pub leak: Leak,
}

#[derive(Debug)]
pub(super) struct Memory {
    recycler: Recycler,
    recycled: Recycled,
    /// Who is being renewed for it now; it may be in vain.
    renewing: Option<(WorkerId, Why)>,
    /// There is something new to judge.
    is_news: bool,
    judged: Option<Instant>,
    /// What routes allocate.
    churn: Churn,
    leaks: VecDeque<LeakTold>,
}

impl Memory {
    pub(super) fn new(rules: Rules) -> Self {
        let recycler = Recycler::new(rules);
        Self {
            recycler,
            recycled: Recycled::default(),
            renewing: None,
            is_news: false,
            judged: None,
            churn: Churn::default(),
            leaks: VecDeque::new(),
        }
    }

    pub(super) fn churn(&self) -> Vec<Weight> {
        self.churn.all()
    }

    fn remember(&mut self, worker: u16, at: Instant, leak: Leak) {
        self.leaks.truncate(LEAKS_MAX - 1);
        self.leaks.push_front(LeakTold { worker, at, leak });
    }

    /// Newest first.
    pub(super) fn leaks(&self) -> Vec<LeakTold> {
        self.leaks.iter().cloned().collect()
    }

    pub(super) fn recycled(&self) -> Recycled {
        self.recycled
    }

    /// Another one serves in its place, and it leaves.
    pub(super) fn note_retired(&mut self, worker: WorkerId) {
        let Some((_, why)) = self.renewing.take_if(|(renewing, _)| *renewing == worker) else { return };
        let recycled = &mut self.recycled;
        match why {
            Why::Heap { .. } => recycled.heap += 1,
            Why::Resident { .. } => recycled.resident += 1,
            Why::Requests(_) => recycled.requests += 1,
        }
    }

    /// A reload renews all, for another reason.
    pub(super) fn note_reload(&mut self) {
        self.renewing = None;
    }

    /// It died for want of memory.
    pub(super) fn note_death(&mut self, worker: WorkerId) {
        self.recycler.note_death(worker);
    }
}

impl<F: Front> Supervisor<F> {
    pub(super) fn on_memory(&mut self, worker: WorkerId, channel: u32, figures: Figures) {
        let Some(process) = self.processes.get_mut(&worker) else { return };
        // One that is known: a channel that is lost is forgotten, and so are its figures.
        if !process.watchdogs.contains_key(&channel) {
            return;
        }
        let now = Instant::now();
        process.memory.hear(channel, figures, now);
        self.memory.is_news = true;
        let left = process.memory.left();
        let (front, requests) = (&self.front, self.front.requests_of(worker));
        if let Some(leak) = process.trend.note(left, requests, now, || front.requests_by_route()) {
            tracing::warn!(%worker, "{}; hint: {}", words::leak(&leak), words::leak_hint(worker.index));
            self.memory.remember(worker.index, now, leak);
        }
    }

    /// A request of that route has allocated so much.
    pub(super) fn on_allocated(&mut self, said: &Allocated) {
        if let Some(route) = self.front.find_route(&said.method, &said.path) {
            self.memory.churn.note(route, said.bytes);
        }
    }

    pub(super) fn weigh(&mut self, worker: WorkerId, now: Instant) {
        let Some(process) = self.processes.get_mut(&worker) else { return };
        let usage = proc::tree_usage(process.pid);
        process.memory.weigh(usage.rss_bytes, usage.anonymous_bytes, now);
        self.memory.is_news = true;
    }

    /// Renews who is nearly full.
    pub(super) fn look_after_memory(&mut self, now: Instant) {
        let rests =
            self.memory.judged.is_some_and(|judged| now.saturating_duration_since(judged) < JUDGE_EVERY);
        if !self.memory.is_news || rests || self.memory.recycler.is_off() {
            return;
        }
        self.memory.is_news = false;
        self.memory.judged = Some(now);
        let levels = self.levels(now);
        let decisions = self.memory.recycler.judge(&levels, self.fleet.is_renewing(), self.room(), now);
        for decision in decisions {
            self.carry_out(decision);
        }
    }

    /// Of those who serve.
    fn levels(&self, now: Instant) -> Vec<Level> {
        let held = self.held();
        let serving = self.fleet.places().iter().filter_map(|place| match place.state {
            State::Ready { since } => Some((place.id, since)),
            _ => None,
        });
        serving
            .filter_map(|(worker, since)| {
                let process = self.processes.get(&worker)?;
                let memory = &process.memory;
                let weight = memory.weight();
                Some(Level {
                    worker,
                    ready_for: now.saturating_duration_since(since),
                    heap: memory.level(process.old_space.map(|old| old.saturating_sub(process.reserve))),
                    resident: self.most_held(process, held).filter(|_| weight > 0).map(|most| (weight, most)),
                    requests: self.front.requests_of(worker),
                })
            })
            .collect()
    }

    /// What a worker may hold.
    pub(super) fn share(&self) -> Option<u64> {
        let surge = self.settings.fleet.surge;
        self.settings.memory_limit.map(|limit| heap::share(limit, self.workers(), surge))
    }

    /// What this worker may hold before it is renewed, where all together hold so much; `None`: nobody knows.
    fn most_held(&self, process: &Process, held: u64) -> Option<u64> {
        let share = self.share()?;
        if process.heap_made == Made::ForShare {
            return Some(share);
        }
        let Some(heap) = whole_heap(process) else {
            // Node tells with its first request.
            return (self.nature != Nature::Node).then_some(share);
        };
        let others = held.saturating_sub(process.memory.weight());
        Some(heap::most_held(heap, share, self.most_of_all().saturating_sub(others)))
    }

    /// What all workers hold.
    fn held(&self) -> u64 {
        self.processes.values().map(|process| process.memory.weight()).sum()
    }

    /// What all of them may hold.
    fn most_of_all(&self) -> u64 {
        self.settings.memory_limit.map_or(u64::MAX, heap::for_workers)
    }

    /// Memory that can still be had: of the container, or of the limit that was set.
    fn room(&self) -> u64 {
        self.most_of_all().saturating_sub(self.held()).min(room::memory_left())
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Renew(worker, why) => {
                tracing::warn!(%worker, "the worker is renewed: {}", words::why(why));
                self.memory.renewing = Some((worker, why));
                self.apply(Input::Renew(worker));
            }
            Decision::Crowded(worker, why) => tracing::error!(
                %worker,
                "the worker is nearly full soon after its start, and a new one would be so as well: {}; hint: give it \
                 more (run fewer workers, raise the limit of the container or memory.heap), or load less at start",
                words::why(why)
            ),
            Decision::NoRoom(worker, why) => tracing::error!(
                %worker,
                "the worker is nearly full, and there is no room to start another one before it goes: {}; hint: run \
                 fewer workers, or raise the limit of the container",
                words::why(why)
            ),
        }
    }
}

/// All heaps of the worker together: as V8 has told, else as it was asked for. `None`: nothing is known of them.
fn whole_heap(process: &Process) -> Option<u64> {
    let told = process.memory.latest().map(|now| now.figures.heap_limit).filter(|limit| *limit > 0);
    told.or_else(|| Some(heap::with_young(process.old_space?, process.semi_space.unwrap_or(0))))
}
