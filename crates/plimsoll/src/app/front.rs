//! Joins the supervisor's view of the gateway with the gateway.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use plimsoll_wire::message::ServerKind;

use crate::gateway::{self, Gateway, Load, Protocol};
use crate::ids::{EndpointId, WorkerId};
use crate::workers::{Bind, Front, Target};

/// The gateway, and the load of each worker in it. Cheap to clone; lives on the main thread only.
#[derive(Debug, Clone)]
pub(super) struct GatewayFront {
    gateway: Gateway,
    loads: Rc<RefCell<Loads>>,
}

#[derive(Debug, Default)]
struct Loads {
    workers: BTreeMap<WorkerId, Arc<Load>>,
    /// Requests of the workers that are gone, by place.
    past: BTreeMap<u16, u64>,
}

impl GatewayFront {
    pub(super) fn new(gateway: Gateway) -> Self {
        Self { gateway, loads: Rc::default() }
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Requests in flight at the worker, and requests that its place has served since the start.
    pub(super) fn load(&self, worker: WorkerId) -> (u32, u64) {
        let loads = self.loads.borrow();
        let past = loads.past.get(&worker.index).copied().unwrap_or(0);
        let now = loads.workers.get(&worker);
        now.map_or((0, past), |load| (load.in_flight(), past + load.requests()))
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
            Target::Unix(path) => gateway::Target::Unix(path),
            Target::Tcp(address) => gateway::Target::Tcp(address),
        };
        self.gateway.add_worker(endpoint, worker, &target, &load);
    }

    fn remove(&self, endpoint: EndpointId, worker: WorkerId) {
        self.gateway.remove_worker(endpoint, worker);
    }

    fn forget(&self, worker: WorkerId) {
        let mut loads = self.loads.borrow_mut();
        if let Some(load) = loads.workers.remove(&worker) {
            *loads.past.entry(worker.index).or_default() += load.requests();
        }
    }

    fn drain(&self) {
        self.gateway.drain();
    }

    fn abort(&self) {
        self.gateway.abort();
    }

    fn connections_open(&self) -> u64 {
        self.gateway.connections_open()
    }

    fn requests_total(&self) -> u64 {
        self.gateway.stats().iter().map(|thread| thread.requests_total.get()).sum()
    }
}
