//! The public addresses of the app: which server of which worker stands behind which.
//!
//! The same host and port of all workers is one endpoint. The first server binds it through the gateway, the
//! others get the same answer. A worker's death closes nothing; an app that closes its server everywhere does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use plimsoll_wire::message::ServerKind;

use super::channel::Listen;
use super::front::{Bind, Front, Target};
use crate::ids::{EndpointId, WorkerId};
use crate::sys::errno;

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
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    key: ServerKey,
    asked: SocketAddr,
    path: PathBuf,
}

#[derive(Debug, Default)]
pub(super) struct Endpoints {
    list: Vec<Endpoint>,
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
                self.bind(bind, ServerKind::Http, None, front)?
            }
        };
        front.add(id, worker, Target::Tcp(target));
        Ok(self.list.first().map_or(address, |endpoint| endpoint.public))
    }

    /// A server of the app asks for its address. `directory` is the only place where its socket may be: the
    /// gateway must not be talked into connecting elsewhere.
    ///
    /// # Errors
    /// The libuv name of the error that the app must see.
    pub(super) fn open(
        &mut self,
        key: ServerKey,
        listen: &Listen,
        directory: &Path,
        front: &impl Front,
    ) -> Result<Bound, &'static str> {
        if listen.port == 0 || listen.path.parent() != Some(directory) {
            return Err("EINVAL");
        }
        let asked = asked_address(listen).ok_or("EADDRNOTAVAIL")?;
        let (id, is_new) = match self.find(asked, listen)? {
            Some(id) => (id, false),
            None => (self.create(asked, listen, front).map_err(|error| errno::name(&error))?, true),
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
        endpoint.servers.push(Server { key, asked, path: listen.path.clone() });
        if is_first {
            front.add(id, key.worker, Target::Unix(listen.path.clone()));
        }
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

    fn create(&mut self, asked: SocketAddr, listen: &Listen, front: &impl Front) -> io::Result<EndpointId> {
        let bind = Bind { address: asked, ipv6_only: listen.ipv6_only, backlog: listen.backlog };
        let is_overridden = listen.kind == ServerKind::Http && !self.list.iter().any(|one| one.is_overridden);
        let public = self.listen.filter(|_| is_overridden);
        match self.bind(bind.clone(), listen.kind, public, front) {
            // As Node does where a host has no IPv6. The key stays what was asked for, so that the other
            // workers find this endpoint.
            Err(error) if listen.host.is_empty() && public.is_none() && errno::means_no_ipv6(&error) => {
                let everywhere = (Ipv4Addr::UNSPECIFIED, asked.port()).into();
                self.bind(bind, listen.kind, Some(everywhere), front)
            }
            other => other,
        }
    }

    /// Binds through the gateway: at `public` where that is given, else at the address itself.
    fn bind(
        &mut self,
        bind: Bind,
        kind: ServerKind,
        public: Option<SocketAddr>,
        front: &impl Front,
    ) -> io::Result<EndpointId> {
        if self.list.len() >= ENDPOINTS_MAX {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let id = EndpointId(self.next);
        let at = Bind { address: public.unwrap_or(bind.address), ..bind };
        let bound = front.listen(id, &at, kind)?;
        self.next = self.next.wrapping_add(1);
        let is_overridden = self.listen.is_some() && public == self.listen;
        self.list.push(Endpoint { id, bind, kind, public: bound, is_overridden, servers: Vec::new() });
        Ok(id)
    }

    /// The app closed a server.
    pub(super) fn close(&mut self, key: ServerKey, front: &impl Front) {
        let Some(endpoint) = self.list.iter_mut().find(|one| one.servers.iter().any(|own| own.key == key))
        else {
            return;
        };
        endpoint.remove(front, |own| own == key);
        if endpoint.servers.is_empty() {
            let id = endpoint.id;
            front.close(id);
            self.list.retain(|one| one.id != id);
        }
    }

    /// A process of a worker is gone, its listening sockets stay.
    pub(super) fn lose_channel(&mut self, worker: WorkerId, channel: u32, front: &impl Front) {
        for endpoint in &mut self.list {
            endpoint.remove(front, |own| own.worker == worker && own.channel == channel);
        }
    }

    /// A worker is gone.
    pub(super) fn lose_worker(&mut self, worker: WorkerId, front: &impl Front) {
        for endpoint in &mut self.list {
            endpoint.servers.retain(|own| own.key.worker != worker);
            front.remove(endpoint.id, worker);
        }
        front.forget(worker);
    }

    /// The worker has a server open.
    pub(super) fn has_worker(&self, worker: WorkerId) -> bool {
        self.list.iter().any(|endpoint| endpoint.servers.iter().any(|own| own.key.worker == worker))
    }
}

impl Endpoint {
    fn remove(&mut self, front: &impl Front, is_gone: impl Fn(ServerKey) -> bool) {
        let gone: Vec<WorkerId> =
            self.servers.iter().filter(|own| is_gone(own.key)).map(|own| own.key.worker).collect();
        self.servers.retain(|own| !is_gone(own.key));
        for worker in gone {
            match self.servers.iter().find(|own| own.key.worker == worker) {
                Some(other) => front.add(self.id, worker, Target::Unix(other.path.clone())),
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
