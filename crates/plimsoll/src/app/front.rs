//! Joins the supervisor's view of the gateway with the gateway.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_wire::message::{FromAgent, ServerKind};
use plimsoll_wire::spans::Span;

use crate::concerns::context::parent::SpanId;
use crate::concerns::event_loop::incident::{Body, Hit, Ordered};
use crate::config;
use crate::gateway::{self, Delayed, Gateway, Load, Protocol, Upgraded};
use crate::ids::{EndpointId, WorkerId};
use crate::observe::incidents::{Event, Incidents, Resumed};
use crate::observe::traces::{self, Tracer};
use crate::observe::{http, status};
use crate::routes::{self, Method};
use crate::workers::{Bind, Front, Target};

/// What is said of a stall is heard so long after it.
const REPORTED_WITHIN_MS: u64 = 20;

/// When a stall began that is said to have lasted for so long.
fn began(lasted_ms: u32) -> Instant {
    let now = Instant::now();
    now.checked_sub(Duration::from_millis(u64::from(lasted_ms) + REPORTED_WITHIN_MS)).unwrap_or(now)
}

/// The loop stood still for the garbage collector more than for anything else.
fn is_collection(gc_ms: u32, total_ms: u32) -> bool {
    gc_ms >= total_ms / 2
}

/// The gateway, and the load of each worker in it. Cheap to clone; lives on the main thread only.
#[derive(Debug, Clone)]
pub(super) struct GatewayFront {
    gateway: Gateway,
    incidents: Arc<Incidents>,
    upgraded: Upgraded,
    loads: Rc<RefCell<Loads>>,
    tracer: Option<Tracer>,
}

#[derive(Debug, Default)]
struct Loads {
    workers: BTreeMap<WorkerId, Arc<Load>>,
    /// Requests of the workers that are gone, by place.
    past: BTreeMap<u16, u64>,
}

impl GatewayFront {
    pub(super) fn new(gateway: Gateway, incidents: Arc<Incidents>, upgraded: config::Upgraded) -> Self {
        let upgraded = match upgraded {
            config::Upgraded::Close => Upgraded::Close,
            config::Upgraded::Wait => Upgraded::Wait,
        };
        Self { gateway, incidents, upgraded, loads: Rc::default(), tracer: None }
    }

    pub(super) fn with_tracer(self, tracer: Option<Tracer>) -> Self {
        Self { tracer, ..self }
    }

    pub(super) fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// What spans should know of a stall.
    fn trace_stall(&self, process: (WorkerId, u32), report: &FromAgent) {
        let Some(tracer) = &self.tracer else { return };
        match report {
            FromAgent::Stalled { stall, at_ms, running, stack, .. } => {
                let running = running.or_else(|| self.gateway.only_running(process.0));
                let Some((slot, word)) = running else { return };
                self.gateway.note_stall(process.0, slot, word);
                let (stall, at_ms, stack) = (*stall, *at_ms, stack.clone());
                tracer.tell(traces::Event::Stalled { process, stall, at_ms, running: (slot, word), stack });
            }
            FromAgent::Resumed { stall, total_ms, gc_ms, .. } => {
                tracer.tell(traces::Event::Resumed { process, stall: *stall, total_ms: *total_ms });
                if is_collection(*gc_ms, *total_ms) {
                    tracer.tell(traces::Event::Paused {
                        worker: process.0,
                        began: traces::ago(*total_ms),
                        ms: *gc_ms,
                    });
                }
            }
            _ => {}
        }
    }

    pub(super) fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn body_of(&self, worker: WorkerId, slot: u16, word: u32) -> Option<Body> {
        let (bytes, content_type) = self.gateway.body_of(worker, slot, word)?;
        Some(Body { bytes, content_type })
    }

    /// Who is in flight.
    fn hit(&self, worker: WorkerId) -> Vec<Hit> {
        let named = self.gateway.in_flight(worker).into_iter().map(|(route, requests)| {
            let name = self.gateway.routes().name(route);
            Hit { route: name.map_or_else(|| routes::OTHER.to_owned(), |name| name.to_string()), requests }
        });
        named.collect()
    }

    fn delayed(&self, worker: WorkerId, from: Instant) -> Delayed {
        self.loads.borrow().workers.get(&worker).map(|load| load.delayed(from)).unwrap_or_default()
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Requests in flight at the worker, and requests that its place has served since the start, also by those who are
    /// about to leave it: the number never falls.
    pub(super) fn load(&self, worker: WorkerId) -> (u32, u64) {
        let loads = self.loads.borrow();
        let past = loads.past.get(&worker.index).copied().unwrap_or(0);
        let of_place = loads.workers.iter().filter(|(id, _)| id.index == worker.index);
        let now: u64 = of_place.map(|(_, load)| load.requests()).sum();
        (loads.workers.get(&worker).map_or(0, |load| load.in_flight()), past + now)
    }

    /// The longest that a request waited lately for this worker to begin it.
    pub(super) fn late_ms(&self, worker: WorkerId) -> u32 {
        self.loads.borrow().workers.get(&worker).map_or(0, |load| load.late_ms())
    }

    /// Which lane the worker is in.
    pub(super) fn lane(&self, worker: WorkerId) -> status::Lane {
        match self.loads.borrow().workers.get(&worker) {
            Some(load) if load.is_in_lane() => status::Lane::Heavy,
            _ => status::Lane::Main,
        }
    }
}

impl Front for GatewayFront {
    fn listen(&self, endpoint: EndpointId, bind: &Bind, kind: ServerKind) -> io::Result<SocketAddr> {
        let bind = gateway::Bind { address: bind.address, ipv6_only: bind.ipv6_only, backlog: bind.backlog };
        let protocol = match kind {
            ServerKind::Http => Protocol::Http,
            ServerKind::Tcp => Protocol::Tcp,
        };
        self.gateway.listen(endpoint, &bind, protocol)
    }

    fn close(&self, endpoint: EndpointId) {
        self.gateway.close(endpoint);
    }

    fn add(&self, endpoint: EndpointId, worker: WorkerId, target: Target) {
        let load = Arc::clone(self.loads.borrow_mut().workers.entry(worker).or_default());
        let target = match target {
            Target::Unix { path, page } => gateway::Target::Unix { path, page },
            Target::Tcp(address) => gateway::Target::Tcp(address),
        };
        self.gateway.add_worker(endpoint, worker, &target, &load);
    }

    fn remove(&self, endpoint: EndpointId, worker: WorkerId) {
        self.gateway.remove_worker(endpoint, worker, self.upgraded);
    }

    fn forget(&self, worker: WorkerId) {
        let mut loads = self.loads.borrow_mut();
        if let Some(load) = loads.workers.remove(&worker) {
            *loads.past.entry(worker.index).or_default() += load.requests();
        }
        drop(loads);
        self.incidents.hear(Event::Ended { worker });
    }

    fn drain(&self) {
        self.gateway.drain(self.upgraded);
    }

    fn abort(&self) {
        self.gateway.abort();
    }

    fn requests_of(&self, worker: WorkerId) -> u64 {
        self.loads.borrow().workers.get(&worker).map_or(0, |load| load.requests())
    }

    fn expect_work(&self) {
        self.gateway.expect_work();
    }

    async fn work_came(&self) {
        self.gateway.work_came().await;
    }

    fn connections_open(&self) -> u64 {
        self.gateway.connections_open()
    }

    fn is_idle(&self, worker: WorkerId) -> bool {
        let loads = self.loads.borrow();
        loads.workers.get(&worker).is_none_or(|load| load.in_flight() == 0 && load.tunnels() == 0)
    }

    fn in_flight(&self) -> u64 {
        let requests: u64 = self.gateway.stats().iter().map(|thread| thread.requests_active.get()).sum();
        let tunnels = self.loads.borrow().workers.values().map(|load| u64::from(load.tunnels())).sum::<u64>();
        requests + tunnels
    }

    fn requests_ended(&self) -> u64 {
        self.gateway.stats().iter().map(|thread| thread.requests_ended.get()).sum()
    }

    fn stall(&self, worker: WorkerId, channel: u32, report: &FromAgent, ordered: Option<Ordered>) {
        if let FromAgent::Busy { slot, word, ms } = report {
            self.gateway.note_cost(worker, (*slot, *word), Duration::from_millis((*ms).into()));
        }
        let process = (worker, channel);
        self.trace_stall(process, report);
        self.incidents.hear(match report {
            FromAgent::Stalled { stall, at_ms, running, stack, late } => {
                // Where nobody knows whose part it is and only one request is in flight, it may be that one's, or the app's own
                // while a stream is open. Asked now: when the loop turns again, the slot may be another request's.
                let alone = running.is_none().then(|| self.gateway.only_running(worker)).flatten();
                let route_of = |(slot, word): (u16, u32)| self.route_of(worker, slot, word);
                Event::Stalled {
                    process,
                    stall: *stall,
                    at_ms: *at_ms,
                    route: running.and_then(route_of),
                    alone: alone.and_then(route_of),
                    body: running.or(alone).and_then(|(slot, word)| self.body_of(worker, slot, word)),
                    stack: stack.clone(),
                    late: *late,
                    ordered,
                    waited: self.delayed(worker, began(*at_ms)).waited,
                }
            }
            FromAgent::Resumed { stall, total_ms, gc_ms, cpu_ms, delayed_ms, answered } => {
                let Delayed { waited, rescued } = self.delayed(worker, began(*total_ms));
                Event::Resumed(Resumed {
                    process,
                    stall: *stall,
                    total_ms: *total_ms,
                    gc_ms: *gc_ms,
                    cpu_ms: *cpu_ms,
                    delayed_ms: *delayed_ms,
                    answered: answered.and_then(|(slot, word)| self.route_of(worker, slot, word)),
                    waited,
                    rescued,
                    hit: if is_collection(*gc_ms, *total_ms) { self.hit(worker) } else { Vec::new() },
                })
            }
            FromAgent::Busy { slot, word, ms } => Event::Busy { worker, slot: *slot, word: *word, ms: *ms },
            FromAgent::Glimpsed { slot, word, stack, late } => {
                let Some(route) = self.route_of(worker, *slot, *word) else { return };
                Event::Glimpsed { route, stack: stack.clone(), late: *late }
            }
            _ => return,
        });
    }

    fn large_body(&self, worker: WorkerId, slot: u16, word: u32, bytes: u64) {
        let route = self.route_of(worker, slot, word);
        self.incidents.hear(Event::Large { worker, slot, word, route, bytes });
    }

    fn route_of(&self, worker: WorkerId, slot: u16, word: u32) -> Option<String> {
        let id = self.gateway.route_of(worker, slot, word)?;
        Some(self.gateway.routes().name(id)?.to_string())
    }

    fn requests_by_route(&self) -> Vec<(String, u64)> {
        let routes = http::routes(self.gateway.stats(), &self.gateway.routes().table());
        routes.into_iter().map(|route| (route.route, route.requests)).collect()
    }

    fn find_route(&self, method: &str, path: &str) -> Option<String> {
        let routes = self.gateway.routes();
        Some(routes.find(Method::from_token(method), path.as_bytes())?.to_string())
    }

    fn span(&self, worker: WorkerId, said: Span) {
        let Some(tracer) = &self.tracer else { return };
        tracer.untold(said.untold);
        tracer.tell(match SpanId::of(said.request) {
            Some(request) => traces::Event::Call(Box::new(traces::Call { request, said })),
            None => traces::Event::Alone(Box::new(traces::Alone { worker, said })),
        });
    }

    fn route(&self, method: &str, path: &str, route: &str) {
        let told = self.gateway.routes().tell(Method::from_token(method), path.as_bytes(), route);
        tracing::debug!(method, path, route, known = told.is_some(), "the app's framework has told a route");
    }

    fn stopped(&self, worker: WorkerId, since: Instant) {
        self.incidents.hear(Event::Stopped { worker, since, waited: self.delayed(worker, since).waited });
    }

    fn runs(&self, worker: WorkerId, stopped_since: Instant) {
        let Delayed { waited, rescued } = self.delayed(worker, stopped_since);
        self.incidents.hear(Event::Runs { worker, waited, rescued });
    }
}
