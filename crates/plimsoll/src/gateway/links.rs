//! Links: kept-alive connections to workers, one pool per worker and gateway thread.
//!
//! A link carries one request at a time. Only the gateway closes an idle one (the agent keeps Node from doing
//! so), and one that died all the same shows as readable before it is taken: it is passed over.

use std::io;
use std::os::unix::net::UnixStream as Std;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use super::claim::Claim;
use super::endpoint::Worker;
use super::stream::Stream;
use super::tenure::Tenure;
use super::trunk::Trunk;
use super::unclaimed::Grant;
use super::unix::UnixStream;
use super::watch::Time;
use super::{Load, Target};

/// How often a full accept queue of the worker is tried again, and how long between two tries.
const CONNECT_TRIES: u32 = 200;
const CONNECT_PAUSE: Duration = Duration::from_millis(5);

/// A link nobody uses now.
#[derive(Debug)]
pub(super) struct Idle {
    stream: Stream,
    claim: Option<Claim>,
    pub(super) since: Time,
}

/// A link that has carried a request before may have died of old age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    Fresh,
    Reused,
}

/// A link in use. Counts in its worker's load until it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) stream: Stream,
    pub(super) worker: Rc<Worker>,
    pub(super) age: Age,
    /// `None`: nobody can tell whether a request has begun to run.
    pub(super) claim: Option<Claim>,
    /// Room that was kept for the request, until it is sent.
    pub(super) grant: Option<Grant>,
    /// The request is heavy, and has the worker to itself until its answer has come.
    pub(super) tenure: Option<Tenure>,
    counted: Counted,
}

impl Link {
    /// An idle link of `worker`, or a fresh one.
    ///
    /// # Errors
    /// The worker cannot be connected to.
    pub(super) async fn take(worker: &Rc<Worker>, now: Time) -> io::Result<Self> {
        if let Some(link) = Self::take_idle(worker) {
            return Ok(link);
        }
        Self::open(worker, now).await
    }

    /// An idle link, if there is one.
    pub(super) fn take_idle(worker: &Rc<Worker>) -> Option<Self> {
        loop {
            let Idle { stream, claim, .. } = worker.idle.borrow_mut().pop()?;
            // Readable while idle: closed, or an answer nobody asked for (Node's 408). Either way of no use.
            if !stream.is_readable() {
                return Some(Self::new(stream, worker, claim, Age::Reused));
            }
        }
    }

    /// A fresh link.
    ///
    /// # Errors
    /// The worker cannot be connected to.
    pub(super) async fn open(worker: &Rc<Worker>, now: Time) -> io::Result<Self> {
        match worker.trunk().and_then(Trunk::open) {
            Some(stream) => Self::opened(Ok(Stream::Ring(stream)), worker, now),
            None => Self::open_socket(worker, now).await,
        }
    }

    /// A fresh link that is a socket: those of a trunk are few, and not for what lasts.
    ///
    /// # Errors
    /// The worker cannot be connected to.
    pub(super) async fn open_socket(worker: &Rc<Worker>, now: Time) -> io::Result<Self> {
        Self::opened(connect(&worker.target).await, worker, now)
    }

    fn opened(stream: io::Result<Stream>, worker: &Rc<Worker>, now: Time) -> io::Result<Self> {
        let mut link = Self::opened_unclaimed(stream, worker, now)?;
        link.claim = worker.claim();
        Ok(link)
    }

    fn opened_unclaimed(stream: io::Result<Stream>, worker: &Rc<Worker>, now: Time) -> io::Result<Self> {
        match stream {
            Ok(stream) => {
                worker.note_success();
                Ok(Self::new(stream, worker, None, Age::Fresh))
            }
            Err(error) => {
                worker.note_failure(now);
                Err(error)
            }
        }
    }

    /// Whether the worker still listens. Nothing is sent; a full accept queue is that of a living process.
    pub(super) async fn is_heard(worker: &Worker, now: Time) -> bool {
        match connect(&worker.target).await {
            Ok(_) => {
                worker.note_success();
                true
            }
            Err(error) => {
                worker.note_failure(now);
                error.kind() == io::ErrorKind::WouldBlock
            }
        }
    }

    fn new(stream: Stream, worker: &Rc<Worker>, claim: Option<Claim>, age: Age) -> Self {
        Self {
            stream,
            claim,
            age,
            grant: None,
            tenure: None,
            counted: Counted::request(&worker.load),
            worker: Rc::clone(worker),
        }
    }

    /// It is one of a trunk.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.stream, Stream::Ring(_))
    }

    /// A link for a passed-through connection, bound to a name that tells the agent who the client is. Nothing is claimed on it.
    ///
    /// # Errors
    /// The worker cannot be connected to.
    pub(super) fn open_named(worker: &Rc<Worker>, peer: &str, now: Time) -> io::Result<Self> {
        let stream = match &worker.target {
            Target::Unix { path, .. } => connect_unix(path, Some(peer)).and_then(UnixStream::new),
            Target::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        Self::opened_unclaimed(stream.map(Stream::Unix), worker, now)
    }

    /// The link was upgraded: open for long, and no sign of a busy worker. The request that asked for it is over, and the agent
    /// claims nothing more on the link: the slot is for others.
    pub(super) fn becomes_tunnel(&mut self) {
        if let Some(mut claim) = self.claim.take() {
            claim.settle();
        }
        self.tenure = None;
        self.counted = Counted::tunnel(&self.worker.load);
    }

    /// The worker has died over the link's request.
    pub(super) fn abandon(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.abandon();
        }
    }

    /// Nobody looks at the slot of its request any more.
    pub(super) fn settle(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.settle();
        }
    }

    /// Gives the link back for the next request.
    pub(super) fn keep(mut self, now: Time) {
        self.settle();
        // One that was opened before the trunk was ready has done its work.
        let is_socket = matches!(self.stream, Stream::Unix(_));
        let is_outdated = is_socket && self.worker.trunk().is_some_and(|trunk| trunk.has_room());
        if !self.worker.retired.get() && !is_outdated {
            self.worker.idle.borrow_mut().push(Idle { stream: self.stream, claim: self.claim, since: now });
        }
    }
}

async fn connect(target: &Target) -> io::Result<Stream> {
    match target {
        Target::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Target::Unix { path, .. } => {
            // A full accept queue of a Unix socket answers EAGAIN at once and offers no event to wait for.
            for _ in 1..CONNECT_TRIES {
                match connect_unix(path, None) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(CONNECT_PAUSE).await;
                    }
                    done => return done.and_then(UnixStream::new).map(Stream::Unix),
                }
            }
            connect_unix(path, None).and_then(UnixStream::new).map(Stream::Unix)
        }
    }
}

/// `sun_path` of sockaddr_un.
const NAME_MAX: usize = 108;
/// Distinguishes connections with equal addresses; names in the abstract space must be unique.
static NAMES: AtomicU64 = AtomicU64::new(0);

/// Connects at once or not at all, as Unix sockets do. `peer` is put into our own address, where the agent can
/// read it.
pub(super) fn connect_unix(path: &Path, peer: Option<&str>) -> io::Result<Std> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None)?;
    if let Some(peer) = peer {
        let serial = NAMES.fetch_add(1, Ordering::Relaxed);
        socket.bind(&socket2::SockAddr::unix(name_of(peer, serial))?)?;
    }
    socket.connect(&socket2::SockAddr::unix(path)?)?;
    Ok(socket.into())
}

/// A leading NUL makes it a name of the abstract space: no file, and gone with the socket.
fn name_of(peer: &str, serial: u64) -> String {
    let name = format!("\0plimsoll/{}-{serial}/{peer}", std::process::id());
    if name.len() <= NAME_MAX {
        return name;
    }
    // Two long addresses: with their ports they are a name that no other connection has.
    format!("\0plimsoll/{}/{peer}", serial % 100_000)
}

/// Counts one request, or one upgraded connection, in its worker's load for as long as it lasts.
#[derive(Debug)]
enum Counted {
    Request(Arc<Load>),
    Tunnel(Arc<Load>),
}

impl Counted {
    fn request(load: &Arc<Load>) -> Self {
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        load.requests.fetch_add(1, Ordering::Relaxed);
        Self::Request(Arc::clone(load))
    }

    fn tunnel(load: &Arc<Load>) -> Self {
        load.tunnels.fetch_add(1, Ordering::Relaxed);
        Self::Tunnel(Arc::clone(load))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        match self {
            Self::Request(load) => load.in_flight.fetch_sub(1, Ordering::Relaxed),
            Self::Tunnel(load) => load.tunnels.fetch_sub(1, Ordering::Relaxed),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_addresses_fit_into_a_name() {
        let long =
            "2001:0db8:1111:2222:3333:4444:5555:6666 65535 2001:0db8:aaaa:bbbb:cccc:dddd:eeee:ffff 65535";
        for peer in [long, "10.0.0.7 50000 10.0.0.1 3000"] {
            for serial in [0, 99_999, 100_000, u64::MAX] {
                let name = name_of(peer, serial);
                assert!(socket2::SockAddr::unix(&name).is_ok(), "{name}");
                assert_eq!(name.splitn(3, '/').nth(2), Some(peer));
            }
        }
    }
}
