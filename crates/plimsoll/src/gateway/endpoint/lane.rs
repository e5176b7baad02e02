//! Heavy requests at one endpoint: in which queue they wait, which worker is next for them, and when.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{Choice, Endpoint, Now, Turn, Worker};
use crate::concerns::event_loop::lanes::allot::MAIN;
use crate::concerns::event_loop::lanes::demand::Capacity;
use crate::concerns::event_loop::lanes::yielding::{self, may_begin, may_go_before_others};
use crate::gateway::lanes::Kept;
use crate::gateway::queue::Queue;
use crate::gateway::tenure::Tenure;

/// One lane's requests.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) queue: Queue,
    clearing: RefCell<Option<Clearing>>,
}

/// A worker gets nothing new, so that what it has begun is over when the heavy request comes.
#[derive(Debug)]
struct Clearing {
    worker: Rc<Worker>,
    tenure: Tenure,
    since: Instant,
}

impl Lane {
    pub(super) fn new(shed_after: Option<Duration>) -> Self {
        let limits = yielding::LIMITS.shedding_no_sooner_than(shed_after);
        Self { queue: Queue::new(limits), clearing: RefCell::default() }
    }
}

impl Endpoint {
    /// Who takes a request of a lane that comes now, behind those that wait already?
    pub(super) fn choose_in(&self, now: Now, kept: Kept) -> Choice {
        if self.workers.borrow().is_empty() {
            return Choice::Nobody;
        }
        let turn = self.lane(kept).filter(|lane| lane.queue.is_empty());
        turn.and_then(|lane| self.turn_in(now, lane, kept.lane)).map_or(Choice::Busy, Choice::Turn)
    }

    fn lane(&self, kept: Kept) -> Option<&Lane> {
        self.lanes.get(kept.lane)
    }

    /// Where requests of its kind wait.
    pub(in crate::gateway) fn queue_of(&self, kept: Option<Kept>) -> &Queue {
        kept.and_then(|kept| self.lane(kept)).map_or(&self.queue, |lane| &lane.queue)
    }

    /// Heavy requests that wait get what there is.
    pub(super) fn serve_lanes(&self, now: Now) {
        for (index, lane) in self.lanes.iter().enumerate() {
            if lane.queue.is_empty() {
                // Whoever it was for has left.
                lane.clearing.take();
            } else {
                lane.queue.serve(now.exact, || self.turn_in(now, lane, index));
            }
        }
    }

    fn turn_in(&self, now: Now, lane: &Lane, index: usize) -> Option<Turn> {
        let home = self.home(index);
        let waited = lane.queue.longest_wait(now.exact);
        if home == MAIN && !may_go_before_others(waited, !self.queue.is_empty()) {
            return None;
        }
        let clearing = lane.clearing.take().filter(|clearing| clearing.worker.group.get() == home);
        let clearing = match clearing.filter(|clearing| !clearing.worker.retired.get()) {
            Some(clearing) => clearing,
            None => {
                let (worker, tenure) = self.pick(now, home)?;
                Clearing { worker, tenure, since: now.exact }
            }
        };
        let in_flight = clearing.worker.load.in_flight();
        if home == MAIN || may_begin(now.exact.saturating_duration_since(clearing.since), in_flight) {
            let grant = clearing.worker.unclaimed.grant();
            return Some(Turn { worker: clearing.worker, grant, tenure: Some(clearing.tenure) });
        }
        clearing.tenure.renew(now.exact, yielding::tenure(Duration::ZERO));
        *lane.clearing.borrow_mut() = Some(clearing);
        None
    }

    /// Another worker of the lane that could begin at once, for a request that its own has not begun.
    pub(super) fn rescuer_in(&self, now: Now, lane: usize) -> Option<Turn> {
        let (worker, tenure) = self.pick(now, self.home(lane))?;
        let grant = worker.unclaimed.grant();
        Some(Turn { worker, grant, tenure: Some(tenure) })
    }

    /// The least busy worker of a group that has no heavy request and is not late.
    fn pick(&self, now: Now, group: usize) -> Option<(Rc<Worker>, Tenure)> {
        let workers = self.workers.borrow();
        let of_group = workers.iter().filter(|worker| worker.group.get() == group);
        let free = of_group.map(|worker| (worker.rank(now), worker));
        let free = free.filter(|(rank, _)| !rank.is_busy && !rank.is_in_tenure);
        let (_, worker) = free.min_by_key(|(rank, _)| *rank)?;
        let tenure = Tenure::take(&worker.load, now.exact, yielding::tenure(Duration::ZERO))?;
        Some((Rc::clone(worker), tenure))
    }

    fn home(&self, lane: usize) -> usize {
        self.allotment.borrow().homes.get(lane).copied().unwrap_or(MAIN)
    }

    /// What there is for a lane's requests.
    pub(in crate::gateway) fn capacity(&self, kept: Kept) -> Capacity {
        let home = self.home(kept.lane);
        let groups = &self.allotment.borrow().groups;
        Capacity { lane: groups.iter().filter(|group| **group == home).count(), all: groups.len() }
    }

    /// Follows what was learned of the routes meanwhile, by whichever thread.
    pub(super) fn refresh_lanes(&self) {
        let version = self.shared.version();
        if self.lanes_seen.replace(version) != version {
            self.allot();
        }
    }

    /// Gives every worker its group, after workers or lanes have changed.
    pub(super) fn allot(&self) {
        let mut workers = self.workers.borrow_mut();
        workers.sort_by_key(|worker| (worker.id.index, worker.id.incarnation));
        let allotment = self.shared.allot(workers.len());
        for (worker, group) in workers.iter().zip(&allotment.groups) {
            worker.group.set(*group);
            worker.load.is_in_lane.store(*group != MAIN, Relaxed);
        }
        self.shared.announce(|lane| {
            let home = allotment.homes.get(lane).copied().filter(|home| *home != MAIN);
            let of_lane = workers.iter().filter(|worker| Some(worker.group.get()) == home);
            of_lane.map(|worker| worker.id.index).collect()
        });
        *self.allotment.borrow_mut() = allotment;
    }

    pub(super) fn lanes_wait(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.queue.is_empty())
    }
}
