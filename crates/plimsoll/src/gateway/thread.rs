//! One gateway thread: a current-thread runtime, its share of the connections, its own links and buffers.
//! Nothing is handed from one thread to another.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::access::Access;
use super::buffer::Pool;
use super::context::{Context, Given};
use super::ebb::{self, Ebb};
use super::endpoint::{Counters, Endpoint, Joining};
use super::http1::request::Limits;
use super::lanes::Lanes;
use super::listen;
use super::pulse::{self, Pulse};
use super::trunk;
use super::watch::{Phase, TICK, Watches};
use super::work::Work;
use super::{Protocol, Upgraded};
use crate::config;
use crate::ids::{EndpointId, WorkerId};
use crate::observe::http::ThreadStats;
use crate::observe::logs::{Outcomes, Told};
use crate::routes::{Reader, Routes};
use crate::sys::heap;
use crate::sys::ticker::Ticker;

/// What the supervisor tells every thread.
#[derive(Debug)]
pub(super) enum Command {
    Listen { id: EndpointId, protocol: Protocol, listener: TcpListener, counters: Arc<Counters> },
    Close { id: EndpointId },
    AddWorker { endpoint: EndpointId, worker: WorkerId, joining: Joining },
    RemoveWorker { endpoint: EndpointId, worker: WorkerId, upgraded: Upgraded },
    Drain { upgraded: Upgraded },
    Abort,
}

/// What all threads and the handle share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) routes: Arc<Routes>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) work: Arc<Work>,
}

/// What the tasks of one thread share.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) config: config::Gateway,
    event_loop: config::EventLoop,
    pub(super) limits: Limits,
    pub(super) connections_max: u64,
    pub(super) pool: Rc<Pool>,
    pub(super) watches: Rc<Watches>,
    pub(super) stats: Arc<ThreadStats>,
    /// Where it is told how requests went, while anybody wants to know.
    pub(super) outcomes: Outcomes,
    pub(super) access: Access,
    pub(super) context: Context,
    pub(super) pulse: Pulse,
    pub(super) routes: RefCell<Reader>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) work: Arc<Work>,
    endpoints: RefCell<HashMap<EndpointId, Open>>,
    ticker: Notify,
    ticks: Cell<bool>,
    ebb: RefCell<Ebb>,
}

#[derive(Debug)]
struct Open {
    endpoint: Rc<Endpoint>,
    accepting: AbortHandle,
}

impl Thread {
    pub(super) fn new(
        config: config::Gateway,
        event_loop: config::EventLoop,
        (stats, (told, given)): (Arc<ThreadStats>, (Told, Given)),
        Shared { routes, lanes, work }: Shared,
    ) -> Self {
        let limits = Limits {
            head_bytes_max: config.head_bytes_max,
            headers_max: config.headers_max,
            target_bytes_max: config.target_bytes_max,
        };
        let watches = Rc::new(Watches::new());
        Self {
            ebb: RefCell::new(Ebb::new(watches.now())),
            connections_max: (config.connections_max / config.threads.max(1)).max(1) as u64,
            config,
            event_loop,
            limits,
            pool: Rc::default(),
            watches,
            stats,
            outcomes: told.outcomes,
            access: Access::new(told.access),
            context: Context::new(given, seed()),
            pulse: Pulse::default(),
            routes: RefCell::new(Reader::new(routes)),
            lanes,
            work,
            endpoints: RefCell::default(),
            ticker: Notify::new(),
            ticks: Cell::new(false),
        }
    }

    /// Follows the supervisor's commands until it lets go.
    pub(super) async fn run(self: Rc<Self>, mut commands: mpsc::UnboundedReceiver<Command>) {
        tokio::task::spawn_local(Rc::clone(&self).tick());
        tokio::task::spawn_local(pulse::run(Rc::clone(&self)));
        while let Some(command) = commands.recv().await {
            self.obey(command);
        }
    }

    fn obey(self: &Rc<Self>, command: Command) {
        match command {
            Command::Listen { id, protocol, listener, counters } => {
                let endpoint =
                    Endpoint::new(protocol, counters, (&self.event_loop, self.config.trunks), &self.lanes);
                self.listen(id, endpoint, listener);
            }
            Command::Close { id } => {
                if let Some(open) = self.endpoints.borrow_mut().remove(&id) {
                    open.accepting.abort();
                    open.endpoint.close();
                    self.watches.wake_all();
                }
            }
            Command::AddWorker { endpoint, worker, joining } => {
                self.watches.refresh();
                self.with(endpoint, |endpoint| endpoint.add(worker, joining, self.watches.now()));
            }
            Command::RemoveWorker { endpoint, worker, upgraded } => {
                self.with(endpoint, |endpoint| endpoint.remove(worker, upgraded));
                self.watches.wake_all();
            }
            Command::Drain { upgraded } => {
                for open in self.endpoints.borrow().values() {
                    open.accepting.abort();
                }
                if upgraded == Upgraded::Close {
                    self.watches.close_upgraded();
                }
                self.watches.enter(Phase::Draining);
            }
            Command::Abort => self.watches.enter(Phase::Aborting),
        }
    }

    pub(super) fn endpoints(&self) -> Vec<Rc<Endpoint>> {
        self.endpoints.borrow().values().map(|open| Rc::clone(&open.endpoint)).collect()
    }

    fn with(&self, id: EndpointId, act: impl FnOnce(&Endpoint)) {
        if let Some(open) = self.endpoints.borrow().get(&id) {
            act(&open.endpoint);
        }
    }

    fn listen(self: &Rc<Self>, id: EndpointId, endpoint: Endpoint, listener: TcpListener) {
        let endpoint = Rc::new(endpoint);
        // Fails only when the runtime is gone, and then nobody listens anyway.
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let task = listen::accept(listener, Rc::clone(self), Rc::clone(&endpoint));
        let accepting = tokio::task::spawn_local(task).abort_handle();
        self.endpoints.borrow_mut().insert(id, Open { endpoint, accepting });
    }

    /// A connection came: time matters again.
    pub(super) fn wake_ticker(&self) {
        if !self.ticks.get() {
            self.watches.refresh();
            self.ticker.notify_one();
        }
    }

    /// Runs only while there are connections: an idle gateway makes no wake-ups.
    async fn tick(self: Rc<Self>) {
        let ticker = Ticker::new(TICK);
        loop {
            while self.watches.is_idle() {
                self.ticks.set(false);
                self.rest().await;
            }
            self.ticks.set(true);
            while !self.watches.is_idle() {
                ticker.beat().await;
                trunk::collect();
                self.watches.tick();
                self.access.hand_over();
                if let Some(tracer) = self.context.tracer() {
                    tracer.tick();
                }
                self.tidy_up();
            }
        }
    }

    /// There are no connections. What a past burst has left is closed and given back all the same, at one
    /// wake-up for each of the two.
    async fn rest(&self) {
        let awake = self.ticker.notified();
        let has_links = self.endpoints.borrow().values().any(|open| open.endpoint.has_idle());
        let links = has_links.then_some(self.config.link_idle_timeout);
        let memory = self.ebb.borrow().is_owed().then_some(ebb::SETTLES);
        let Some(wait) = links.into_iter().chain(memory).min() else { return awake.await };
        if tokio::time::timeout(wait + TICK, awake).await.is_err() {
            self.watches.refresh();
            self.tidy_up();
        }
    }

    fn tidy_up(&self) {
        let now = self.watches.now();
        for open in self.endpoints.borrow().values() {
            open.endpoint.trim_idle(now.before(self.config.link_idle_timeout));
        }
        if self.ebb.borrow_mut().look(self.watches.count() + self.pool.borrowed(), now) {
            drop(tokio::task::spawn_blocking(heap::give_back));
        }
    }
}

/// Another one for each thread of each process.
fn seed() -> u64 {
    RandomState::new().hash_one(std::thread::current().id())
}
