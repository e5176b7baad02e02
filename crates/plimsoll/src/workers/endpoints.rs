//! The public addresses of the app: which server of which worker stands behind which.
//!
//! The same host and port of all workers is one endpoint. The first server binds it through the gateway, the
//! others get the same answer. A worker's death closes nothing; an app that closes its server everywhere does.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll_wire::message::ServerKind;

use super::channel::Listen;
use super::front::{Bind, Front, Target};
use crate::ids::{EndpointId, WorkerId};
use crate::sys::errno;
use crate::sys::page::Page;

/// Addresses of one instance, and servers behind one of them: an app that opens more is out of control.
const ENDPOINTS_MAX: usize = 64;
const SERVERS_MAX: usize = 1024;

/// One `listen` of one process of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerKey {
    pub worker: WorkerId,
    pub channel: u32,
    pub server: u32,
}

/// What `server.address()` must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    pub address: String,
    pub port: u16,
    pub family: &'static str,
    /// Where clients really connect.
    pub public: SocketAddr,
    pub is_new: bool,
}

#[derive(Debug)]
struct Endpoint {
    id: EndpointId,
    bind: Bind,
    kind: ServerKind,
    public: SocketAddr,
    /// `--listen` stands for it: other hosts at the app's port are the same endpoint.
    is_overridden: bool,
    /// Who asked for it first.
    creator: WorkerId,
    servers: Vec<Server>,
}

/// What an endpoint is made of.
#[derive(Debug, Clone)]
struct Asked {
    bind: Bind,
    kind: ServerKind,
    creator: WorkerId,
}

#[derive(Debug)]
struct Server {
    key: ServerKey,
    asked: SocketAddr,
    path: PathBuf,
    page: Option<Arc<Page>>,
}

/// Whether IPv6 was asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// IPv4 alone will do on a host that has nothing else.
    Any,
    Named,
}

#[derive(Debug, Default)]
pub(super) struct Endpoints {
    list: Vec<Endpoint>,
    /// Workers that are to take over from others and get no traffic yet.
    held: BTreeSet<WorkerId>,
    next: u32,
    /// `--listen`, for the first HTTP endpoint.
    listen: Option<SocketAddr>,
}

impl Endpoints {
    pub(super) fn new(listen: Option<SocketAddr>) -> Self {
        Self { listen, ..Self::default() }
    }

    /// A worker without agent serves at `target`, behind `address`.
    ///
    /// # Errors
    /// As the gateway gives them.
    pub(super) fn open_plain(
        &mut self,
        worker: WorkerId,
        address: SocketAddr,
        target: SocketAddr,
        front: &impl Front,
    ) -> io::Result<SocketAddr> {
        let id = match self.list.first() {
            Some(endpoint) => endpoint.id,
            None => {
                let bind = Bind { address, ipv6_only: false, backlog: 0 };
                let asked = Asked { bind, kind: ServerKind::Http, creator: worker };
                self.bind(asked, None, Family::Any, front)?
            }
        };
        front.add(id, worker, Target::Tcp(target));
        Ok(self.list.first().map_or(address, |endpoint| endpoint.public))
    }

    /// A server of the app asks for its address. `directory` is the only place where its socket may be: the
    /// gateway must not be talked into connecting elsewhere. `page` is where its requests are claimed.
    ///
    /// # Errors
    /// The libuv name of the error that the app must see.
    pub(super) fn open(
        &mut self,
        key: ServerKey,
        listen: &Listen,
        directory: &Path,
        page: Option<Arc<Page>>,
        front: &impl Front,
    ) -> Result<Bound, &'static str> {
        if listen.port == 0 || listen.path.parent() != Some(directory) {
            return Err("EINVAL");
        }
        let asked = asked_address(listen).ok_or("EADDRNOTAVAIL")?;
        let (id, is_new) = match self.find(asked, listen)? {
            Some(id) => (id, false),
            None => {
                let created = self.create(key.worker, asked, listen, front);
                (created.map_err(|error| errno::name(&error))?, true)
            }
        };
        let endpoint = self.list.iter_mut().find(|endpoint| endpoint.id == id).ok_or("EINVAL")?;
        let is_taken = endpoint.servers.iter().any(|own| own.key.worker == key.worker && own.asked == asked);
        if is_taken {
            return Err("EADDRINUSE");
        }
        if endpoint.servers.len() >= SERVERS_MAX {
            return Err("EMFILE");
        }
        let is_first = endpoint.servers.iter().all(|other| other.key.worker != key.worker);
        let server = Server { key, asked, path: listen.path.clone(), page };
        if is_first && !self.held.contains(&key.worker) {
            front.add(id, key.worker, server.target());
        }
        endpoint.servers.push(server);
        Ok(endpoint.answer(listen, is_new))
    }

    /// The endpoint that stands for this address already.
    fn find(&self, asked: SocketAddr, listen: &Listen) -> Result<Option<EndpointId>, &'static str> {
        let same = |endpoint: &&Endpoint| {
            let is_at_port = endpoint.is_overridden && listen.kind == ServerKind::Http;
            endpoint.bind.address.port() == asked.port()
                && (is_at_port
                    || endpoint.bind.address == asked && endpoint.bind.ipv6_only == listen.ipv6_only)
        };
        match self.list.iter().find(same) {
            Some(endpoint) if endpoint.kind != listen.kind => Err("EADDRINUSE"),
            found => Ok(found.map(|endpoint| endpoint.id)),
        }
    }

    fn create(
        &mut self,
        creator: WorkerId,
        asked: SocketAddr,
        listen: &Listen,
        front: &impl Front,
    ) -> io::Result<EndpointId> {
        let bind = Bind { address: asked, ipv6_only: listen.ipv6_only, backlog: listen.backlog };
        let is_overridden = listen.kind == ServerKind::Http && !self.list.iter().any(|one| one.is_overridden);
        let public = self.listen.filter(|_| is_overridden);
        let asked = Asked { bind, kind: listen.kind, creator };
        // An app that names `::` gets the error, as without us.
        let family = if listen.host.is_empty() || public.is_some() { Family::Any } else { Family::Named };
        self.bind(asked, public, family, front)
    }

    /// Binds through the gateway: at `public` where that is given, else at the address itself. Where there is no
    /// IPv6, every address is every IPv4 one; the key stays what was asked for, so that the other workers find
    /// this endpoint.
    fn bind(
        &mut self,
        asked: Asked,
        public: Option<SocketAddr>,
        family: Family,
        front: &impl Front,
    ) -> io::Result<EndpointId> {
        if self.list.len() >= ENDPOINTS_MAX {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let id = EndpointId(self.next);
        let Asked { bind, kind, creator } = asked;
        let at = match public {
            // What the app wants of the two families is meant for its own address.
            Some(address) => Bind { address, ipv6_only: false, ..bind },
            None => bind.clone(),
        };
        let bound = front.listen(id, &at, kind).or_else(|error| {
            let instead = errno::without_ipv6(at.address, &error).filter(|_| family == Family::Any);
            let address = instead.ok_or(error)?;
            front.listen(id, &Bind { address, ..at }, kind)
        })?;
        self.next = self.next.wrapping_add(1);
        let is_overridden = self.listen.is_some() && public == self.listen;
        self.list.push(Endpoint {
            id,
            bind,
            kind,
            public: bound,
            is_overridden,
            creator,
            servers: Vec::new(),
        });
        Ok(id)
    }

    /// The app closed a server.
    pub(super) fn close(&mut self, key: ServerKey, front: &impl Front) {
        let Some(endpoint) = self.list.iter_mut().find(|one| one.servers.iter().any(|own| own.key == key))
        else {
            return;
        };
        endpoint.remove(front, &self.held, |own| own == key);
        if endpoint.servers.is_empty() {
            let id = endpoint.id;
            front.close(id);
            self.list.retain(|one| one.id != id);
        }
    }

    /// A process of a worker is gone, its listening sockets stay.
    pub(super) fn lose_channel(&mut self, worker: WorkerId, channel: u32, front: &impl Front) {
        for endpoint in &mut self.list {
            endpoint.remove(front, &self.held, |own| own.worker == worker && own.channel == channel);
        }
    }

    /// A worker is gone.
    pub(super) fn lose_worker(&mut self, worker: WorkerId, front: &impl Front) {
        self.retire(worker, front);
        if self.held.remove(&worker) {
            // It never served: an address that nobody else has asked for was a mistake of its version.
            self.close_where(front, |endpoint| endpoint.creator == worker);
        }
        front.forget(worker);
    }

    /// A worker gets nothing new.
    pub(super) fn retire(&mut self, worker: WorkerId, front: &impl Front) {
        for endpoint in &mut self.list {
            endpoint.servers.retain(|own| own.key.worker != worker);
            front.remove(endpoint.id, worker);
        }
    }

    /// A worker that is to start gets no traffic before [`Endpoints::admit`].
    pub(super) fn hold(&mut self, worker: WorkerId) {
        self.held.insert(worker);
    }

    /// A worker that was held gets traffic wherever it listens.
    pub(super) fn admit(&mut self, worker: WorkerId, front: &impl Front) {
        if !self.held.remove(&worker) {
            return;
        }
        for endpoint in &self.list {
            if let Some(server) = endpoint.servers.iter().find(|own| own.key.worker == worker) {
                front.add(endpoint.id, worker, server.target());
            }
        }
    }

    /// `new` listens wherever `old` does.
    pub(super) fn covers(&self, new: WorkerId, old: WorkerId) -> bool {
        let has = |endpoint: &Endpoint, worker| endpoint.servers.iter().any(|own| own.key.worker == worker);
        self.list.iter().all(|endpoint| !has(endpoint, old) || has(endpoint, new))
    }

    /// All workers are of one version and serve: an address that none of them listens at was given up.
    pub(super) fn close_unserved(&mut self, front: &impl Front) {
        self.close_where(front, |_| true);
    }

    fn close_where(&mut self, front: &impl Front, is_meant: impl Fn(&Endpoint) -> bool) {
        self.list.retain(|endpoint| {
            let stays = !endpoint.servers.is_empty() || !is_meant(endpoint);
            if !stays {
                front.close(endpoint.id);
            }
            stays
        });
    }

    /// The worker has a server open.
    pub(super) fn has_worker(&self, worker: WorkerId) -> bool {
        self.list.iter().any(|endpoint| endpoint.servers.iter().any(|own| own.key.worker == worker))
    }
}

impl Server {
    fn target(&self) -> Target {
        Target::Unix { path: self.path.clone(), page: self.page.clone() }
    }
}

impl Endpoint {
    fn remove(&mut self, front: &impl Front, held: &BTreeSet<WorkerId>, is_gone: impl Fn(ServerKey) -> bool) {
        let gone: Vec<WorkerId> =
            self.servers.iter().filter(|own| is_gone(own.key)).map(|own| own.key.worker).collect();
        self.servers.retain(|own| !is_gone(own.key));
        for worker in gone {
            match self.servers.iter().find(|own| own.key.worker == worker) {
                _ if held.contains(&worker) => {}
                Some(other) => front.add(self.id, worker, other.target()),
                None => front.remove(self.id, worker),
            }
        }
    }

    /// What the app sees is what it asked for, wherever `--listen` puts its clients; only where there is no
    /// IPv6 it sees what it would have seen then.
    fn answer(&self, listen: &Listen, is_new: bool) -> Bound {
        let fell_back = listen.host.is_empty() && !self.is_overridden && self.public.is_ipv4();
        let (address, is_ipv4) = match (fell_back, listen.host.as_str()) {
            (true, _) => (Ipv4Addr::UNSPECIFIED.to_string(), true),
            (false, "") => (Ipv6Addr::UNSPECIFIED.to_string(), false),
            (false, host) => (host.to_owned(), !host.contains(':')),
        };
        let family = if is_ipv4 { "IPv4" } else { "IPv6" };
        Bound { address, port: listen.port, family, public: self.public, is_new }
    }
}

fn asked_address(listen: &Listen) -> Option<SocketAddr> {
    if listen.host.is_empty() {
        return Some((Ipv6Addr::UNSPECIFIED, listen.port).into());
    }
    listen.host.parse::<IpAddr>().ok().map(|ip| (ip, listen.port).into())
}

#[cfg(test)]
mod tests;
