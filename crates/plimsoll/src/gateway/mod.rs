//! PLACE 1: between the client and the workers.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::config;
use crate::ids::{EndpointId, WorkerId};
use crate::observe::http::ThreadStats;

/// What a gateway and the supervisor both know of a worker. Written by the gateway, read by both.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    requests: AtomicU64,
}

impl Load {
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// How a worker's server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The agent's Unix socket; the peer header is understood there.
    Unix(PathBuf),
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
    stats: Arc<[Arc<ThreadStats>]>,
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
    pub fn start(config: &config::Gateway) -> io::Result<Self> {
        Ok(Self { stats: (0..config.threads).map(|_| Arc::default()).collect() })
    }

    /// Binds an endpoint's listening socket and accepts on it at once. Returns the address really bound.
    ///
    /// # Errors
    /// As `bind(2)` and `listen(2)` give them.
    pub fn listen(&self, _id: EndpointId, bind: &Bind, _protocol: Protocol) -> io::Result<SocketAddr> {
        Ok(bind.address)
    }

    /// Closes an endpoint's listening socket: the app closed its server everywhere.
    pub fn close(&self, _id: EndpointId) {}

    /// `worker` serves `endpoint` from now on.
    pub fn add_worker(&self, _endpoint: EndpointId, _worker: WorkerId, _target: Target, _load: Arc<Load>) {}

    /// `worker` gets no new request for `endpoint`; its idle links are closed, its busy ones when their
    /// request is done.
    pub fn remove_worker(&self, _endpoint: EndpointId, _worker: WorkerId) {}

    /// Stops accepting, closes idle clients, ends the others after their request.
    pub fn drain(&self) {}

    /// Connections of clients that are still open (HTTP and passed-through ones).
    #[must_use]
    pub fn connections_open(&self) -> u64 {
        self.stats.iter().map(|stats| stats.connections_open.get()).sum()
    }

    /// Cuts whatever is still open.
    pub fn abort(&self) {}

    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        Vec::new()
    }

    #[must_use]
    pub fn stats(&self) -> &[Arc<ThreadStats>] {
        &self.stats
    }
}
