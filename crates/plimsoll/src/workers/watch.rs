//! Watches a command that has just started, to find out what it is.
//!
//! Node with our agent leaves its presence file before it runs a line of the app; anything else can only be
//! seen by its port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Event;
use crate::ids::WorkerId;

/// How often the presence file is looked for: this long the other workers start later than the first.
const PRESENCE_EVERY: Duration = Duration::from_millis(5);
/// The port is tried on each tenth look.
const LOOKS_PER_TRY: u32 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is Node, and the agent was loaded.
    Presence,
    /// The port of `PORT` answers.
    Port,
}

/// What to look for.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub worker: WorkerId,
    /// Where the presence file would be.
    pub presence: Option<PathBuf>,
    pub port: Option<u16>,
}

/// The address at which a command without agent serves.
pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Looks until something is seen, and says what. Ends when it is aborted, or nobody listens.
pub(super) async fn run(watch: Watch, events: mpsc::Sender<Event>) {
    let seen = look(&watch).await;
    let _supervisor_ended = events.send(Event::Seen { worker: watch.worker, seen }).await;
}

async fn look(watch: &Watch) -> Seen {
    let mut looks: u32 = 0;
    loop {
        if watch.presence.as_ref().is_some_and(|path| path.exists()) {
            return Seen::Presence;
        }
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_PER_TRY) && answers(watch.port).await {
            // The file is older than the port, if there is one: look again, now that the port is known.
            let is_node = watch.presence.as_ref().is_some_and(|path| path.exists());
            return if is_node { Seen::Presence } else { Seen::Port };
        }
        sleep(PRESENCE_EVERY).await;
    }
}

/// Something accepts connections at this port of the loopback.
pub(super) async fn answers(port: Option<u16>) -> bool {
    let Some(port) = port else { return false };
    matches!(timeout(CONNECT_TIMEOUT, TcpStream::connect(local(port))).await, Ok(Ok(_)))
}
