//! What the supervisor needs of the gateway. `app` joins the two.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use plimsoll_wire::message::{FromAgent, ServerKind};
use plimsoll_wire::spans::Span;

use crate::concerns::event_loop::incident::Ordered;
use crate::ids::{EndpointId, WorkerId};
use crate::sys::page::Page;

/// The address of an endpoint, as the app asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub address: SocketAddr,
    pub ipv6_only: bool,
    /// 0: the app gave none.
    pub backlog: u32,
}

/// Where a worker takes what arrives at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Unix {
        path: PathBuf,
        /// Where its requests are claimed; `None`: they are not.
        page: Option<Arc<Page>>,
    },
    Tcp(SocketAddr),
}

/// The gateway as the supervisor sees it. All calls return at once.
pub trait Front {
    /// # Errors
    /// As `bind(2)` and `listen(2)` give them.
    fn listen(&self, endpoint: EndpointId, bind: &Bind, kind: ServerKind) -> io::Result<SocketAddr>;
    fn close(&self, endpoint: EndpointId);
    /// The worker serves the endpoint at `target` from now on; a target that it had there before is replaced.
    fn add(&self, endpoint: EndpointId, worker: WorkerId, target: Target);
    fn remove(&self, endpoint: EndpointId, worker: WorkerId);
    /// The worker is gone for good.
    fn forget(&self, worker: WorkerId);
    fn drain(&self);
    fn abort(&self);
    /// The worker has neither a request in flight nor an upgraded connection.
    fn is_idle(&self, worker: WorkerId) -> bool;
    /// Requests that this process has served.
    fn requests_of(&self, worker: WorkerId) -> u64;
    /// From now on `work_came` ends with the next request that is sent to a worker.
    fn expect_work(&self);
    fn work_came(&self) -> impl Future<Output = ()>;
    fn connections_open(&self) -> u64;
    /// Requests and upgraded connections under way.
    fn in_flight(&self) -> u64;
    /// Requests that are over, since the start.
    fn requests_ended(&self) -> u64;
    /// What the watchdog that speaks on this channel of a worker said: one of `Stalled`, `Resumed`, `Busy` and
    /// `Glimpsed`. A stall
    /// that is not followed by its `Resumed` ended with the process. `ordered`: the loop stands still because we told it to.
    fn stall(&self, worker: WorkerId, channel: u32, report: &FromAgent, ordered: Option<Ordered>);
    /// A request of the worker has written so large a body in one go.
    fn large_body(&self, worker: WorkerId, slot: u16, word: u32, bytes: u64);
    /// `GET /orders/:id`: the route of a request that runs in the worker, known by its slot and word.
    fn route_of(&self, worker: WorkerId, slot: u16, word: u32) -> Option<String>;
    /// Requests of each route since the start, over all workers.
    fn requests_by_route(&self) -> Vec<(String, u64)>;
    /// The route of a request by its method and path, as far as it is known.
    fn find_route(&self, method: &str, path: &str) -> Option<String>;
    /// What a traced request has waited for.
    fn span(&self, worker: WorkerId, span: Span);
    /// What a framework calls the route of a path.
    fn route(&self, method: &str, path: &str, route: &str);
    /// A process of the worker is stopped, and has been since then.
    fn stopped(&self, worker: WorkerId, since: Instant);
    /// It runs again.
    fn runs(&self, worker: WorkerId, stopped_since: Instant);
}

/// What a watchdog said, as it was said.
pub(super) fn describe_stall(worker: WorkerId, report: &FromAgent) {
    match report {
        FromAgent::Stalled { stall, at_ms, running, stack, late } => {
            let place = if *late { "near" } else { "in" };
            let frame =
                stack.lines().next().map_or("an unknown place", |line| line.trim_start_matches("    at "));
            tracing::debug!(%worker, stall, at_ms, ?running, "the event loop stands still {place} {frame}");
        }
        FromAgent::Resumed { stall, total_ms, gc_ms, cpu_ms, delayed_ms, answered } => {
            tracing::debug!(%worker, stall, total_ms, gc_ms, cpu_ms, delayed_ms, ?answered, "the event loop turns again");
        }
        FromAgent::Busy { slot, word, ms } => {
            tracing::debug!(%worker, slot, word, ms, "a request kept the event loop busy");
        }
        FromAgent::Glimpsed { slot, word, stack, .. } => {
            let frame = stack.lines().next().unwrap_or_default().trim_start();
            tracing::debug!(%worker, slot, word, "a request keeps the event loop busy {frame}");
        }
        _ => {}
    }
}
