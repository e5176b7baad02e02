//! PLACE 1: between the client and the workers.
//!
//! ```text
//!   listen.rs ─► connection.rs ─► exchange.rs ─► relay.rs ─► pump.rs ─► (client)
//!   one socket    idle, head       a worker,      both        bytes,
//!   per port      (http1/)         a link,        directions  back-pressure
//!                                  one retry
//! ```
//!
//! Each thread runs all of this by itself on a current-thread runtime ([`thread`]); [`Gateway`] is the handle
//! by which the rest of the program tells them what to listen on and which workers there are. The gateway never
//! changes what passes through it, except for the private header that tells the agent who the client is.

mod access;
mod buffer;
mod claim;
mod connection;
mod context;
mod ebb;
mod endpoint;
mod exchange;
pub mod failure;
mod flight;
mod gather;
mod haste;
pub mod http1;
mod inquest;
mod lanes;
mod lateness;
mod linger;
mod links;
mod listen;
mod passthrough;
mod pulse;
mod pump;
mod queue;
mod reclaim;
mod relay;
mod seek;
mod span;
mod stream;
mod tag;
mod tenure;
mod thread;
mod trunk;
mod tunnel;
mod unclaimed;
mod unix;
mod watch;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::mpsc;

use crate::concerns::event_loop::incident::ContentType;
use crate::config;
use crate::ids::{EndpointId, RouteId, WorkerId};
use crate::observe::http::ThreadStats;
use crate::observe::logs::Told;
use crate::routes::Routes;
use crate::sys::page::Page;
use crate::sys::scheduling;
use claim::Claims;
pub use context::Given;
use endpoint::{Counters, Joining};
use gather::Gather;
pub use lanes::HeavyRoute;
use lanes::Lanes;
pub use lateness::Delayed;
use lateness::{Lateness, Peak};
use thread::{Command, Shared, Thread};
use work::Work;

/// What the gateway and the supervisor both know of a worker. Written by the gateway, read by both.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    tunnels: AtomicU32,
    requests: AtomicU64,
    /// Gateway threads for which it is late.
    late_threads: AtomicU32,
    /// Until when a heavy request has it to itself: see [`tenure`].
    tenure_until: AtomicU64,
    is_in_lane: AtomicBool,
    lateness: Lateness,
    late_peak: Peak,
}

impl Load {
    /// Requests sent and not answered.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Upgraded and passed-through connections.
    #[must_use]
    pub fn tunnels(&self) -> u32 {
        self.tunnels.load(Ordering::Relaxed)
    }

    /// A request waits in the worker for longer than usual: its loop is blocked, or it has more to do than it can.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late_threads.load(Ordering::Relaxed) > 0
    }

    /// It is kept for heavy routes, and serves others only while it has none.
    #[must_use]
    pub fn is_in_lane(&self) -> bool {
        self.is_in_lane.load(Ordering::Relaxed)
    }

    /// Whom it has kept waiting, if its latest lateness began at this time or later.
    #[must_use]
    pub fn delayed(&self, from: Instant) -> Delayed {
        self.lateness.cost(from)
    }

    /// The longest that a request waited to be begun in this second and the one before, in milliseconds.
    #[must_use]
    pub fn late_ms(&self) -> u32 {
        self.late_peak.ms(Instant::now())
    }

    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// What a gateway thread does when it wakes takes tens of microseconds; the least that Linux knows are a hundred.
const SLICE: Duration = Duration::from_micros(300);

/// How a worker's server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The agent's Unix socket; the private header is understood there. `page`: the worker's gauge, where
    /// there is one; without it nobody can tell whether a request has begun to run.
    Unix { path: PathBuf, page: Option<Arc<Page>> },
    /// A worker without agent: plain TCP on the loopback, nothing of ours is added.
    Tcp(SocketAddr),
}

/// How an endpoint treats its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    /// Passed through per connection (the app's own TLS, HTTP/2).
    Tcp,
}

/// What a drain does with connections that were upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgraded {
    /// WebSockets get a close frame (1001, going away); other protocols are waited for, there is no word for it.
    Close,
    Wait,
}

/// What the app asked `listen` for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bind {
    pub address: SocketAddr,
    pub ipv6_only: bool,
    /// 0: the default (4096, cut by the kernel's somaxconn).
    pub backlog: u32,
}

/// The running gateway; cheap to clone, all calls return at once.
#[derive(Debug, Clone)]
pub struct Gateway {
    routes: Arc<Routes>,
    lanes: Arc<Lanes>,
    work: Arc<Work>,
    stats: Arc<[Arc<ThreadStats>]>,
    commands: Arc<[mpsc::UnboundedSender<Command>]>,
    endpoints: Arc<Mutex<HashMap<EndpointId, Bound>>>,
    claims: Arc<Mutex<HashMap<WorkerId, Weak<Claims>>>>,
}

/// What `/status` says of an endpoint.
#[derive(Debug)]
struct Bound {
    address: SocketAddr,
    protocol: Protocol,
    counters: Arc<Counters>,
}

/// Numbers of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    pub id: EndpointId,
    pub address: SocketAddr,
    pub protocol: Protocol,
    pub connections: u64,
    pub requests: u64,
}

impl Gateway {
    /// Starts the gateway's threads.
    ///
    /// # Errors
    /// A thread or its runtime could not be made.
    pub fn start(
        config: &config::Gateway,
        event_loop: &config::EventLoop,
        told: &Told,
        context: &Given,
    ) -> io::Result<Self> {
        let routes = Arc::<Routes>::default();
        let lanes = Arc::new(Lanes::new(event_loop.clone(), Arc::clone(&routes)));
        let shared = Shared { routes, lanes, work: Arc::default() };
        let mut all_stats = Vec::new();
        let mut all_commands = Vec::new();
        for index in 0..config.threads.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            let stats = Arc::<ThreadStats>::default();
            all_stats.push(Arc::clone(&stats));
            all_commands.push(sender);
            let given = (stats, (told.clone(), context.clone()), shared.clone());
            start_thread(index, (config.clone(), event_loop.clone()), given, receiver)?;
        }
        let stats: Arc<[_]> = all_stats.into();
        let Shared { routes, lanes, work } = shared;
        lanes.watch(&stats);
        Ok(Self {
            routes,
            lanes,
            work,
            stats,
            commands: all_commands.into(),
            endpoints: Arc::default(),
            claims: Arc::default(),
        })
    }

    /// Binds an endpoint's listening socket and accepts on it at once. Returns the address really bound.
    ///
    /// # Errors
    /// As `bind(2)` and `listen(2)` give them.
    pub fn listen(&self, id: EndpointId, bind: &Bind, protocol: Protocol) -> io::Result<SocketAddr> {
        let listener = listen::bind(bind)?;
        let address = listener.local_addr()?;
        let counters = Arc::<Counters>::default();
        for commands in &*self.commands {
            let listener = listener.try_clone()?;
            let counters = Arc::clone(&counters);
            // A thread that is gone has no connections to serve; the same holds for every send below.
            let _ = commands.send(Command::Listen { id, protocol, listener, counters });
        }
        self.bound().insert(id, Bound { address, protocol, counters });
        Ok(address)
    }

    /// Closes an endpoint's listening socket: the app closed its server everywhere.
    pub fn close(&self, id: EndpointId) {
        self.bound().remove(&id);
        self.tell(|| Command::Close { id });
    }

    /// `worker` serves `endpoint` from now on.
    pub fn add_worker(&self, endpoint: EndpointId, worker: WorkerId, target: &Target, load: &Arc<Load>) {
        // All endpoints of a worker share its page, and so must share its slots.
        let claims = match target {
            Target::Unix { page: Some(page), .. } => Some(self.claims_of(worker, page)),
            _ => None,
        };
        let joining = Joining { target: target.clone(), load: Arc::clone(load), claims };
        self.tell(|| Command::AddWorker { endpoint, worker, joining: joining.clone() });
    }

    /// `worker` gets no new request for `endpoint`; its idle links are closed, its busy ones when their
    /// request is done.
    pub fn remove_worker(&self, endpoint: EndpointId, worker: WorkerId, upgraded: Upgraded) {
        self.tell(|| Command::RemoveWorker { endpoint, worker, upgraded });
    }

    /// Stops accepting, closes idle clients, ends the others after their request.
    pub fn drain(&self, upgraded: Upgraded) {
        self.tell(|| Command::Drain { upgraded });
    }

    /// Cuts whatever is still open.
    pub fn abort(&self) {
        self.tell(|| Command::Abort);
    }

    /// Connections of clients that are still open (HTTP and passed-through ones).
    #[must_use]
    pub fn connections_open(&self) -> u64 {
        self.stats.iter().map(|stats| stats.connections_open.get()).sum()
    }

    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let bound = self.bound();
        let mut all: Vec<_> = bound
            .iter()
            .map(|(&id, bound)| EndpointStatus {
                id,
                address: bound.address,
                protocol: bound.protocol,
                connections: bound.counters.connections.load(Ordering::Relaxed),
                requests: bound.counters.requests.load(Ordering::Relaxed),
            })
            .collect();
        all.sort_by_key(|endpoint| endpoint.id);
        all
    }

    #[must_use]
    pub fn stats(&self) -> &[Arc<ThreadStats>] {
        &self.stats
    }

    /// The route of a request that runs in `worker`, as the worker's watchdog knows the request.
    #[must_use]
    pub fn route_of(&self, worker: WorkerId, slot: u16, word: u32) -> Option<RouteId> {
        let all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&worker).and_then(Weak::upgrade)?.route_of(slot, word)
    }

    /// The request that runs in `worker`, where there is only one: its slot and word.
    #[must_use]
    pub fn only_running(&self, worker: WorkerId) -> Option<(u16, u32)> {
        let all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&worker).and_then(Weak::upgrade)?.only_running()
    }

    /// Routes of the requests that are in flight in `worker`, and how many of each.
    #[must_use]
    pub fn in_flight(&self, worker: WorkerId) -> BTreeMap<RouteId, u32> {
        let all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&worker).and_then(Weak::upgrade).map_or_else(BTreeMap::new, |claims| claims.in_flight())
    }

    /// The event loop stands still in that request.
    pub fn note_stall(&self, worker: WorkerId, slot: u16, word: u32) {
        let all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = all.get(&worker).and_then(Weak::upgrade) {
            claims.note_stall(slot, word);
        }
    }

    /// The body of that request.
    #[must_use]
    pub fn body_of(&self, worker: WorkerId, slot: u16, word: u32) -> Option<(u64, ContentType)> {
        let all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&worker).and_then(Weak::upgrade)?.body_of(slot, word)
    }

    #[must_use]
    pub fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// A request of a worker, known by its slot and word, kept the loop for `cost`.
    pub fn note_cost(&self, worker: WorkerId, (slot, word): (u16, u32), cost: Duration) {
        if let Some(route) = self.route_of(worker, slot, word) {
            self.lanes.busy(route, (worker, slot, word), cost);
        }
    }

    /// From now on [`work_came`](Self::work_came) tells of the next request that is sent.
    pub fn expect_work(&self) {
        self.work.expect();
    }

    pub async fn work_came(&self) {
        self.work.came().await;
    }

    /// The routes that are kept to workers of their own because of what they cost.
    #[must_use]
    pub fn heavy_routes(&self) -> Vec<HeavyRoute> {
        self.lanes.heavy_routes()
    }

    /// For how long requests of a route keep the loop, by its name, where that is worth telling.
    #[must_use]
    pub fn route_costs(&self) -> BTreeMap<String, Duration> {
        self.lanes.costs()
    }

    fn claims_of(&self, worker: WorkerId, page: &Arc<Page>) -> Arc<Claims> {
        let mut all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, claims| claims.strong_count() > 0);
        if let Some(claims) = all.get(&worker).and_then(Weak::upgrade) {
            return claims;
        }
        let claims = Arc::new(Claims::new(Arc::clone(page)));
        all.insert(worker, Arc::downgrade(&claims));
        claims
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for commands in &*self.commands {
            let _ = commands.send(command());
        }
    }

    fn bound(&self) -> MutexGuard<'_, HashMap<EndpointId, Bound>> {
        // The map is whole after every statement that changes it.
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_thread(
    index: usize,
    (config, event_loop): (config::Gateway, config::EventLoop),
    (stats, told, shared): (Arc<ThreadStats>, (Told, Given), Shared),
    commands: mpsc::UnboundedReceiver<Command>,
) -> io::Result<()> {
    let (report, started) = std::sync::mpsc::channel();
    std::thread::Builder::new().name(format!("gateway-{index}")).spawn(move || {
        scheduling::shorten_slices(SLICE);
        let mut builder = runtime::Builder::new_current_thread();
        builder.enable_all();
        let gather = (config.gather == config::Gather::Auto).then(|| Gather::new(&stats));
        builder.on_thread_park(move || {
            if !trunk::collect()
                && let Some(gather) = &gather
            {
                gather.before_sleep();
            }
            trunk::before_sleep();
        });
        builder.on_thread_unpark(trunk::after_sleep);
        let runtime = builder.build_local(Default::default());
        match runtime {
            Ok(runtime) => {
                let _ = report.send(Ok(()));
                runtime
                    .block_on(Rc::new(Thread::new(config, event_loop, (stats, told), shared)).run(commands));
            }
            Err(error) => {
                let _ = report.send(Err(error));
            }
        }
    })?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("a gateway thread ended at its start")))
}
