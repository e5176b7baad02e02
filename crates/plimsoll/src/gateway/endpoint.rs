//! One public address as one gateway thread sees it: the workers that serve it, and the choice among them.

mod lane;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use plimsoll_wire::trunk::NAME;
use tokio::sync::Notify;

use self::lane::Lane;
use super::claim::{Claim, Claims};
use super::haste::{Hasty, Usual};
use super::lanes::{Kept, Lanes};
use super::links::{Idle, connect_unix};
use super::queue::Queue;
use super::tenure::Tenure;
use super::trunk::Trunk;
use super::unclaimed::{Grant, Unclaimed};
use super::watch::Time;
use super::{Load, Protocol, Target, Upgraded};
use crate::concerns::event_loop::lanes::allot::{Allotment, MAIN};
use crate::concerns::event_loop::overload;
use crate::config::{EventLoop, Trunks};
use crate::ids::WorkerId;

/// Connections to a worker that fail in a row before it is set aside.
const FAILURES_MAX: u32 = 5;
/// How long a worker is passed over after a single failure: it has just died, and the supervisor will say so.
const ASIDE_AT_ONCE: Duration = Duration::from_millis(100);
/// How long a worker is set aside after that many; doubles with each further failure.
const ASIDE_MIN: Duration = Duration::from_secs(1);
const ASIDE_MAX: Duration = Duration::from_secs(30);

/// Counted by all threads, read by `/status`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) protocol: Protocol,
    pub(super) counters: Arc<Counters>,
    workers: RefCell<Vec<Rc<Worker>>>,
    closed: Cell<bool>,
    /// Told whenever a worker is added.
    pub(super) arrival: Notify,
    random: Cell<u32>,
    /// Requests for which every worker is late.
    pub(super) queue: Queue,
    rescue_after: Duration,
    /// Requests that are kept to few workers, by lane.
    lanes: Box<[Lane]>,
    allotment: RefCell<Allotment>,
    lanes_seen: Cell<u32>,
    shared: Arc<Lanes>,
    usual: Usual,
    trunks: Trunks,
}

/// A worker that takes a request, and the room for it.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) worker: Rc<Worker>,
    pub(super) grant: Grant,
    /// It is heavy, and has the worker to itself.
    pub(super) tenure: Option<Tenure>,
}

/// Who is there for a request.
#[derive(Debug)]
pub(super) enum Choice {
    Turn(Turn),
    /// Only workers that are late, or have more to do than they have shown to take.
    Busy,
    Nobody,
}

/// The time as the choice of a worker needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) coarse: Time,
    pub(super) exact: Instant,
}

/// The lower, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_aside: bool,
    is_busy: bool,
    is_in_tenure: bool,
    /// With the errors that came too soon.
    in_flight: u32,
    is_in_lane: bool,
    tunnels: u32,
}

/// What a worker brings along.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    pub(super) target: Target,
    pub(super) load: Arc<Load>,
    pub(super) claims: Option<Arc<Claims>>,
}

/// One worker as one gateway thread sees it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) target: Target,
    pub(super) load: Arc<Load>,
    /// `None`: the worker has no page, and its requests count as started when sent.
    claims: Option<Arc<Claims>>,
    claims_ignored: Cell<bool>,
    pub(super) unclaimed: Rc<Unclaimed>,
    /// Whose it is.
    group: Cell<usize>,
    pub(super) idle: RefCell<Vec<Idle>>,
    pub(super) retired: Cell<bool>,
    /// It is on its way out, and its WebSockets are asked to end.
    pub(super) closes_upgraded: Cell<bool>,
    failures: Cell<u32>,
    aside_until: Cell<Time>,
    hasty: Hasty,
    trunk: Option<Rc<Trunk>>,
}

impl Endpoint {
    pub(super) fn new(
        protocol: Protocol,
        counters: Arc<Counters>,
        (event_loop, trunks): (&EventLoop, Trunks),
        shared: &Arc<Lanes>,
    ) -> Self {
        Self {
            protocol,
            counters,
            workers: RefCell::default(),
            closed: Cell::new(false),
            arrival: Notify::new(),
            random: Cell::new(0x9E37_79B9),
            queue: Queue::new(overload::LIMITS.shedding_after(event_loop.shed_after)),
            rescue_after: event_loop.rescue_after,
            lanes: (0..shared.count()).map(|_| Lane::new(event_loop.shed_after)).collect(),
            allotment: RefCell::default(),
            lanes_seen: Cell::new(shared.version()),
            shared: Arc::clone(shared),
            usual: Usual::default(),
            trunks,
        }
    }

    pub(super) fn count_connection(&self) {
        self.counters.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn connection_ended(&self) {
        self.counters.connections.fetch_sub(1, Relaxed);
    }

    pub(super) fn count_request(&self) {
        self.counters.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn add(&self, id: WorkerId, joining: Joining, now: Time) {
        // A target that the worker had here before is replaced.
        self.remove(id, Upgraded::Wait);
        let Joining { target, load, claims } = joining;
        let trunk = self.trunk_to(id, &target);
        let worker = Worker {
            id,
            target,
            unclaimed: Rc::new(Unclaimed::new(&load, self.rescue_after)),
            group: Cell::new(MAIN),
            load,
            claims,
            claims_ignored: Cell::new(false),
            idle: RefCell::default(),
            retired: Cell::new(false),
            closes_upgraded: Cell::new(false),
            failures: Cell::new(0),
            aside_until: Cell::new(now),
            hasty: Hasty::default(),
            trunk,
        };
        self.workers.borrow_mut().push(Rc::new(worker));
        self.allot();
        self.arrival.notify_waiters();
    }

    /// A trunk is offered where a page says that the agent is there; whether it takes it shows.
    fn trunk_to(&self, id: WorkerId, target: &Target) -> Option<Rc<Trunk>> {
        let Target::Unix { path, page: Some(_) } = target else { return None };
        if self.trunks == Trunks::Off || self.protocol != Protocol::Http {
            return None;
        }
        let offered = connect_unix(path, Some(NAME)).and_then(Trunk::offer);
        offered.inspect_err(|error| tracing::debug!(worker = %id, %error, "links are sockets")).ok()
    }

    /// The worker gets nothing new; its idle links close now, the busy ones when they come back.
    pub(super) fn remove(&self, id: WorkerId, upgraded: Upgraded) {
        self.workers.borrow_mut().retain(|worker| {
            let stays = worker.id != id;
            if !stays {
                worker.closes_upgraded.set(upgraded == Upgraded::Close);
                worker.retire();
            }
            stays
        });
        self.allot();
    }

    /// The app closed its server everywhere.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        for worker in self.workers.borrow_mut().drain(..) {
            worker.retire();
        }
        self.dissolve();
    }

    /// There is no worker any more to wait for.
    fn dissolve(&self) {
        self.queue.dissolve();
        self.lanes.iter().for_each(|lane| lane.queue.dissolve());
    }

    /// There are links that nobody uses now.
    pub(super) fn has_idle(&self) -> bool {
        self.workers.borrow().iter().any(|worker| !worker.idle.borrow().is_empty())
    }

    pub(super) fn trim_idle(&self, before: Time) {
        for worker in self.workers.borrow().iter() {
            worker.idle.borrow_mut().retain(|idle| idle.since >= before);
        }
    }

    /// Who takes a request that comes now, behind those that wait already?
    pub(super) fn choose(&self, now: Now, kept: Option<Kept>) -> Choice {
        self.refresh_lanes();
        match kept {
            Some(kept) => self.choose_in(now, kept),
            None if self.queue.is_empty() => self.best(now),
            None => Choice::Busy,
        }
    }

    /// Least in flight (what failed too soon included: see [`super::haste`]), then fewest upgraded connections, then by chance, of those that are not late. A worker that
    /// was set aside is taken only when there is no other; one of a lane only while it has nothing heavy.
    fn best(&self, now: Now) -> Choice {
        let workers = self.workers.borrow();
        let mut best: Option<(Rank, &Rc<Worker>)> = None;
        let mut ties = 1;
        for worker in workers.iter() {
            let rank = worker.rank_for_light(now);
            match best.map(|(best, _)| rank.cmp(&best)) {
                Some(Ordering::Greater) => {}
                Some(Ordering::Equal) => {
                    ties += 1;
                    if self.random_below(ties) == 0 {
                        best = Some((rank, worker));
                    }
                }
                Some(Ordering::Less) | None => {
                    best = Some((rank, worker));
                    ties = 1;
                }
            }
        }
        match best {
            None => Choice::Nobody,
            Some((Rank { is_busy: true, .. }, _)) => Choice::Busy,
            Some((_, worker)) => Choice::Turn(Turn {
                worker: Rc::clone(worker),
                grant: worker.unclaimed.grant(),
                tenure: None,
            }),
        }
    }

    /// The worker has answered with an error, or the gateway had to in its place: it is not free because of that.
    pub(super) fn note_error(&self, worker: WorkerId, sent: Instant, ended: Instant) {
        let until = sent + self.usual.of_error();
        let workers = self.workers.borrow();
        let Some(worker) = workers.iter().find(|one| one.id == worker).filter(|_| until > ended) else {
            return;
        };
        // Other threads have as many.
        (0..self.shared.threads()).for_each(|_| worker.hasty.add(until));
    }

    pub(super) fn note_good(&self, sent: Instant, ended: Instant) {
        self.usual.note(ended.saturating_duration_since(sent));
    }

    /// A request waits because of those that are late.
    pub(super) fn waits_for_late(&self) {
        let workers = self.workers.borrow();
        workers
            .iter()
            .filter(|worker| worker.load.is_late())
            .for_each(|worker| worker.load.lateness.waits(1));
    }

    /// Somebody waits for a worker.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty() || self.lanes_wait()
    }

    /// Those who wait get what there is, light requests first.
    pub(super) fn serve_waiting(&self, now: Now) {
        self.serve_queue(now);
        self.serve_lanes(now);
    }

    /// A worker has answered. Where several threads have heavy requests that wait, the one that had the worker does not
    /// have it again before the others have looked.
    pub(super) fn serve_after_answer(&self, now: Now, kept: Option<Kept>) {
        self.serve_queue(now);
        if kept.is_none() || self.shared.has_one_thread() {
            self.serve_lanes(now);
        }
    }

    fn serve_queue(&self, now: Now) {
        if !self.queue.is_empty() {
            self.queue.serve(now.exact, || match self.best(now) {
                Choice::Turn(turn) => Some(turn),
                Choice::Busy | Choice::Nobody => None,
            });
        }
    }

    /// One look at every worker: how long somebody has waited by now. `None`: nothing is unclaimed, and nobody waits.
    pub(super) fn pulse(&self, now: Now) -> Option<Duration> {
        if self.workers.borrow().is_empty() {
            self.dissolve();
        }
        // All of them are looked at, whatever the first one says.
        let unclaimed =
            self.workers.borrow().iter().filter_map(|worker| worker.unclaimed.pulse(now.exact)).max();
        let waiting = self.has_waiting().then(|| self.longest_wait(now));
        unclaimed.max(waiting)
    }

    fn longest_wait(&self, now: Now) -> Duration {
        let in_lanes = self.lanes.iter().map(|lane| lane.queue.longest_wait(now.exact));
        in_lanes.fold(self.queue.longest_wait(now.exact), Duration::max)
    }

    /// Offers other workers the requests that wait for too long for theirs. `allow` is asked before each.
    pub(super) fn rescue(&self, now: Now, mut allow: impl FnMut() -> bool) {
        let workers = self.workers.borrow();
        for overdue in workers.iter().flat_map(|worker| worker.unclaimed.overdue(now.exact)) {
            // Who came earlier goes first, so that nobody in the queue is asked.
            let rescuer = match overdue.kept {
                Some(kept) => self.rescuer_in(now, kept.lane),
                None => match self.best(now) {
                    Choice::Turn(turn) => Some(turn),
                    Choice::Busy | Choice::Nobody => None,
                },
            };
            let Some(turn) = rescuer else { continue };
            if !allow() {
                return;
            }
            overdue.sent.offer(turn);
            overdue.alarm.ring();
        }
    }

    /// Xorshift (Marsaglia 2003): good enough to break a tie, and free.
    fn random_below(&self, bound: u32) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x % bound
    }
}

impl Worker {
    fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }

    fn rank(&self, now: Now) -> Rank {
        Rank {
            is_aside: self.aside_until.get() > now.coarse,
            is_busy: !self.unclaimed.has_room(now.exact),
            is_in_tenure: Tenure::is_taken(&self.load, now.exact),
            in_flight: self.load.in_flight().saturating_add(self.hasty.count(now.exact)),
            is_in_lane: self.group.get() != MAIN,
            tunnels: self.load.tunnels(),
        }
    }

    /// A worker of a lane takes what is light only while it has nothing heavy.
    fn rank_for_light(&self, now: Now) -> Rank {
        let rank = self.rank(now);
        Rank { is_busy: rank.is_busy || (rank.is_in_tenure && rank.is_in_lane), ..rank }
    }

    /// A connection could not be made, or died under a request.
    pub(super) fn note_failure(&self, now: Time) {
        let failures = self.failures.get() + 1;
        self.failures.set(failures);
        let aside = match failures.checked_sub(FAILURES_MAX) {
            None => ASIDE_AT_ONCE,
            Some(more) => (ASIDE_MIN * 2_u32.pow(more.min(5))).min(ASIDE_MAX),
        };
        self.aside_until.set(now.after(aside));
    }

    /// Memory that is shared with it, where there is any.
    pub(super) fn trunk(&self) -> Option<&Rc<Trunk>> {
        self.trunk.as_ref()
    }

    /// A slot for a new link.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.claims.as_ref().filter(|_| self.has_claims()).and_then(Claims::take)
    }

    /// What it begins is claimed.
    pub(super) fn has_claims(&self) -> bool {
        self.claims.is_some() && !self.claims_ignored.get()
    }

    /// Requests of this worker are answered by a process that does not claim them: a child that was handed the
    /// server, without our agent. From now on nobody can tell what has begun to run.
    pub(super) fn ignores_claims(&self) {
        if !self.claims_ignored.replace(true) {
            tracing::warn!(
                worker = %self.id,
                "a process without the agent serves requests of the worker; they cannot be saved when it dies"
            );
            // They hold slots; fresh ones will not.
            self.idle.borrow_mut().clear();
        }
    }

    pub(super) fn note_success(&self) {
        self.failures.set(0);
    }
}
