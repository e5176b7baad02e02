//! Connections whose bytes are not ours to read: the app's own TLS, and HTTP/2.

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::links::Link;
use super::tunnel::Tunnel;

/// Connects the client to a worker and moves bytes until both are done. A client that finds no worker is
/// closed: in a protocol that is not ours there is nothing to say.
pub(super) async fn run(connection: Connection) {
    match open(&connection.endpoint, &connection).await {
        Some(link) => Tunnel::new(link, 0, 0, None).run(connection).await,
        None => connection.thread.stats.record_failure("no_worker"),
    }
}

async fn open(endpoint: &Endpoint, connection: &Connection) -> Option<Link> {
    let waiting = async {
        loop {
            let arrival = endpoint.arrival.notified();
            if let Some(worker) = endpoint.choose(connection.watch.now()) {
                match Link::open_named(&worker, connection.peer()) {
                    Ok(link) => return link,
                    Err(error) => {
                        worker.note_failure(connection.watch.now());
                        tracing::debug!(worker = %worker.id, %error, "worker cannot be connected to");
                    }
                }
                tokio::time::sleep(super::watch::TICK).await;
            } else {
                arrival.await;
            }
        }
    };
    tokio::time::timeout(connection.thread.config.hold, waiting).await.ok()
}
