//! Answers what the admin server and the control socket ask, from what the parts know.

mod memory;
mod pools;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::GatewayFront;
use crate::concerns::downstream::{Caller, Position, Seen, Shown};
use crate::concerns::event_loop::incident::glimpses::Usual;
use crate::concerns::memory::words;
use crate::concerns::shutdown::{Phase, State};
use crate::gateway::{EndpointStatus, HeavyRoute, Protocol};
use crate::observe::control::{Ended, Haste, Request};
use crate::observe::findings::earlier::Earlier;
use crate::observe::findings::{self, Findings};
use crate::observe::status::{self, Status};
use crate::observe::{self, http, logs};
use crate::sys::proc;
use crate::workers::{self, Front as _, Snapshot};

/// Who may wait for the end at the same time; the others are not told how it went.
const WAITING_MAX: usize = 64;

/// How often and for how long the loop of each worker has stood still.
type Stalls = BTreeMap<u16, (u64, u64)>;

/// What does not change as long as the instance lives.
#[derive(Debug)]
pub(super) struct Identity {
    pub name: String,
    pub started: Instant,
    pub admin: Option<SocketAddr>,
    pub setup: status::Setup,
}

#[derive(Debug)]
pub(super) struct Questions {
    identity: Identity,
    front: GatewayFront,
    supervisor: mpsc::Sender<workers::Request>,
    logs: Arc<logs::Stats>,
    waiting: Vec<oneshot::Sender<Ended>>,
    earlier: Earlier,
    /// How it ended, and how it was then.
    over: Option<(Ended, Snapshot)>,
}

impl Questions {
    pub(super) fn new(
        identity: Identity,
        front: GatewayFront,
        supervisor: mpsc::Sender<workers::Request>,
        logs: Arc<logs::Stats>,
    ) -> Self {
        let (waiting, earlier) = (Vec::new(), Earlier::default());
        Self { identity, front, supervisor, logs, waiting, earlier, over: None }
    }

    /// Answers for as long as it is polled.
    pub(super) async fn answer(&mut self, asked: &mut mpsc::Receiver<Request>) -> Infallible {
        while let Some(request) = asked.recv().await {
            match request {
                Request::Status(reply) => {
                    if let Some(status) = self.status().await {
                        let _asker_left = reply.send(status);
                    }
                }
                Request::Findings(reply) => {
                    if let Some(findings) = self.findings().await {
                        let _asker_left = reply.send(findings);
                    }
                }
                Request::Stop { haste, ended } => self.stop(haste, ended).await,
                Request::Reload { order, teller } => {
                    self.pass_on(workers::Request::Reload { order, teller }).await;
                }
                Request::Scale { workers, teller } => {
                    self.pass_on(workers::Request::Scale { workers, teller }).await;
                }
                Request::Profile { order, teller } => {
                    self.pass_on(workers::Request::Profile { order, teller }).await;
                }
                Request::Metrics { app, reply } => {
                    self.pass_on(workers::Request::Metrics { app, reply }).await;
                }
            }
        }
        std::future::pending().await
    }

    /// The supervisor has ended: tells everyone who waits how, and from now on everyone who asks how it was then.
    pub(super) fn conclude(&mut self, ended: Ended, last: Snapshot) {
        for waiting in self.waiting.drain(..) {
            let _asker_left = waiting.send(ended.clone());
        }
        self.over = Some((ended, last));
    }

    async fn stop(&mut self, haste: Haste, ended: oneshot::Sender<Ended>) {
        if let Some((how, _)) = &self.over {
            let _asker_left = ended.send(how.clone());
            return;
        }
        self.waiting.retain(|waiting| !waiting.is_closed());
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(ended);
        }
        let request = match haste {
            Haste::Drain => workers::Request::Stop,
            Haste::Now => workers::Request::StopNow,
        };
        self.pass_on(request).await;
    }

    async fn pass_on(&self, request: workers::Request) {
        let _supervisor_ended = self.supervisor.send(request).await;
    }

    async fn findings(&mut self) -> Option<Findings> {
        let now = self.status().await?;
        let date = observe::now() / 1_000_000_000;
        Some(findings::judge(&now, self.earlier.then(&now), date))
    }

    async fn status(&mut self) -> Option<Status> {
        let snapshot = match &self.over {
            Some((_, last)) => last.clone(),
            None => {
                let (reply, snapshot) = oneshot::channel();
                self.supervisor.send(workers::Request::Snapshot(reply)).await.ok()?;
                snapshot.await.ok()?
            }
        };
        let status = self.describe(&snapshot);
        self.earlier.note(&status);
        Some(status)
    }

    fn heavy_route(&self, route: HeavyRoute) -> status::HeavyRoute {
        let cost_ms = route.cost.as_secs_f64() * 1000.0;
        let known =
            status::HeavyRoute { cost_ms, is_lifted: route.is_lifted, ..status::HeavyRoute::default() };
        match self.front.incidents().usual(&route.name) {
            Some(Usual { place, call, at, hint }) => {
                status::HeavyRoute { route: route.name, place: Some(place), call, at, hint, ..known }
            }
            None => status::HeavyRoute { route: route.name, ..known },
        }
    }

    fn describe(&self, snapshot: &Snapshot) -> Status {
        let gateway = self.front.gateway();
        let stalls = self.front.incidents().by_worker();
        let routes = self.routes();
        Status {
            name: self.identity.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: state(snapshot),
            uptime_s: self.identity.started.elapsed().as_secs(),
            admin: self.identity.admin,
            listeners: gateway.endpoints().into_iter().map(listener).collect(),
            workers: snapshot.workers.iter().map(|worker| self.worker(worker, &stalls)).collect(),
            leaving: snapshot.leaving.iter().map(|worker| self.leaving(worker, &stalls)).collect(),
            generation: snapshot.generation,
            reload: snapshot.renewed.map(|renewed| status::Reload { renewed, of: snapshot.workers.len() }),
            incidents: self.front.incidents().status(),
            failures: http::failures(gateway.stats()),
            stops: status::Stops { asked: snapshot.stops.asked, killed: snapshot.stops.killed },
            setup: self.identity.setup,
            log_sinks: self.logs.sinks().iter().map(|sink| logs::SinkFigures::of(sink)).collect(),
            logs: status::Logs::read(&self.logs),
            memory: memory::describe(snapshot, &routes),
            routes,
            heavy_routes: gateway.heavy_routes().into_iter().map(|route| self.heavy_route(route)).collect(),
            downstreams: snapshot.downstreams.iter().map(downstream).collect(),
            context: status::Context { tax: snapshot.tax.as_ref().map(status::Tax::new) },
            pools: snapshot.pools.iter().map(pools::pool).collect(),
            traces: self.front.tracer().map(|tracer| tracer.stats().figures()),
            pool_queues: snapshot.queues.iter().map(pools::queue).collect(),
            requests: http::requests(gateway.stats()),
        }
    }

    fn routes(&self) -> Vec<status::Route> {
        let gateway = self.front.gateway();
        let mut routes = http::routes(gateway.stats(), &gateway.routes().table());
        let costs = gateway.route_costs();
        for route in &mut routes {
            let cost = costs.get(&route.route).map_or(0, |cost| cost.as_micros());
            route.loop_us = u64::try_from(cost).unwrap_or(u64::MAX);
        }
        routes
    }

    fn event_loop(&self, worker: &workers::Worker, stalls: &Stalls) -> status::EventLoop {
        let (stalls, stalled_ms) = stalls.get(&worker.id.index).copied().unwrap_or_default();
        status::EventLoop {
            busy_us: worker.memory.as_ref().map_or(0, |seen| seen.figures.busy_us),
            late_ms: self.front.late_ms(worker.id),
            stalls,
            stalled_ms,
        }
    }

    fn worker(&self, worker: &workers::Worker, stalls: &Stalls) -> status::Worker {
        let (in_flight, requests) = self.front.load(worker.id);
        status::Worker {
            id: worker.id.index,
            pid: worker.pid,
            node: worker.node.clone(),
            state: worker_state(worker),
            lane: self.front.lane(worker.id),
            in_flight,
            requests,
            restarts: worker.id.incarnation.saturating_sub(1),
            generation: worker.generation,
            uptime_s: worker.uptime.as_secs(),
            rss_bytes: worker.pid.map_or(0, |pid| proc::tree_usage(pid).rss_bytes),
            memory: worker
                .memory
                .as_ref()
                .map(|seen| status::WorkerMemory::new(seen, worker.leak.as_ref().map(words::leak))),
            event_loop: self.event_loop(worker, stalls),
            context_tax_per_mille: worker.tax_per_mille,
            logs: self.logs.worker_figures(worker.id.index),
            last_death: worker.last_death.as_ref().map(death),
        }
    }

    fn leaving(&self, worker: &workers::Worker, stalls: &Stalls) -> status::Worker {
        status::Worker { requests: self.front.requests_of(worker.id), ..self.worker(worker, stalls) }
    }
}

fn state(snapshot: &Snapshot) -> status::State {
    match snapshot.phase {
        Phase::Running if snapshot.was_ever_ready => status::State::Ready,
        Phase::Running => status::State::Starting,
        Phase::Announced { .. } | Phase::Draining { .. } | Phase::Stopping | Phase::Over => {
            status::State::Draining
        }
    }
}

fn worker_state(worker: &workers::Worker) -> status::WorkerState {
    match worker.state {
        State::Starting { .. } | State::Waiting { .. } if worker.is_failing => status::WorkerState::Failed,
        State::Held | State::Waiting { .. } | State::Stopped => status::WorkerState::Stopped,
        State::Starting { .. } => status::WorkerState::Starting,
        State::Ready { .. } => status::WorkerState::Ready,
        State::Draining(_) => status::WorkerState::Draining,
    }
}

fn downstream(seen: &Seen) -> status::Downstream {
    let caller = |Caller { route, seen, most, p99 }: &Caller| status::downstream::Caller {
        route: route.clone(),
        seen: *seen,
        most: *most,
        p99: *p99,
    };
    status::Downstream {
        origin: seen.name.clone(),
        enforced: seen.limit.enforce,
        concurrency: seen.limit.concurrency,
        adaptive: seen.limit.adaptive,
        rate: seen.limit.rate,
        per_request: seen.limit.per_request,
        lent: seen.lent,
        figures: status::Counted(seen.figures.clone()),
        durations: seen.figures.durations.to_vec(),
        callers: seen.callers.iter().map(caller).collect(),
        breaker: seen.breaker.as_ref().map(breaker),
        finding: seen.finding.clone(),
        hint: seen.hint.clone(),
    }
}

fn breaker(shown: &Shown) -> status::downstream::Breaker {
    let state = match shown.state {
        Position::Closed => "closed",
        Position::Open => "open",
        Position::HalfOpen => "half_open",
    };
    status::downstream::Breaker {
        enforced: shown.enforced,
        state: state.to_owned(),
        opened: shown.opened,
        why: shown.why.clone(),
        open_s: shown.open_since.map(|since| since.elapsed().as_secs()),
        routes: shown.routes.clone(),
        would_refuse: shown.would_refuse,
        would_fail: shown.would_fail,
    }
}

fn death(death: &workers::Death) -> status::Death {
    status::Death {
        reason: death.reason.clone(),
        age_s: death.at.elapsed().as_secs(),
        running: u32::try_from(death.left.running.len()).unwrap_or(u32::MAX),
        not_begun: death.left.not_begun,
    }
}

fn listener(endpoint: EndpointStatus) -> status::Listener {
    status::Listener {
        address: endpoint.address,
        protocol: match endpoint.protocol {
            Protocol::Http => status::Protocol::Http,
            Protocol::Tcp => status::Protocol::Tcp,
        },
        connections: endpoint.connections,
        requests: endpoint.requests,
    }
}
