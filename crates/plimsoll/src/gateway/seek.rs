//! Finds a link to the best worker, and waits for one where there is none: while workers start, or after a
//! crash, a request is held, not refused. Nothing of it has been sent yet, so any method can wait.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::connection::Connection;
use super::endpoint::Worker;
use super::failure::Failure;
use super::links::Link;

/// Between two tries to connect to a worker that does not accept: it has just died, and the supervisor will say
/// so in a moment.
const PAUSE: Duration = Duration::from_millis(5);

/// What the link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One request; a link that others used before will do.
    Request,
    /// One request whose first link died of old age.
    SecondTry,
    /// A connection that is passed through.
    Passthrough,
}

/// # Errors
/// No worker came within `gateway.hold`.
pub(super) async fn link(connection: &Connection, purpose: Purpose) -> Result<Link, Failure> {
    if let Some(worker) = choose(connection)
        && let Ok(link) = open(connection, &worker, purpose).await
    {
        return Ok(link);
    }
    tokio::time::timeout(connection.thread.config.hold, wait(connection, purpose))
        .await
        .map_err(|_| Failure::NoWorker)
}

async fn wait(connection: &Connection, purpose: Purpose) -> Link {
    loop {
        let arrival = connection.endpoint.arrival.notified();
        let Some(worker) = choose(connection) else {
            arrival.await;
            continue;
        };
        match open(connection, &worker, purpose).await {
            Ok(link) => return link,
            Err(error) => {
                tracing::debug!(worker = %worker.id, %error, "worker cannot be connected to");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn choose(connection: &Connection) -> Option<Rc<Worker>> {
    connection.endpoint.choose(connection.watch.now())
}

async fn open(connection: &Connection, worker: &Rc<Worker>, purpose: Purpose) -> io::Result<Link> {
    let now = connection.watch.now();
    match purpose {
        Purpose::Request => Link::take(worker, now).await,
        Purpose::SecondTry => Link::open(worker, now).await,
        Purpose::Passthrough => Link::open_named(worker, connection.peer(), now),
    }
}
