//! Connections whose bytes are not ours to read: the app's own TLS, and HTTP/2.

use super::connection::Connection;
use super::seek::{self, Purpose};
use super::tunnel::{Protocol, Tunnel};

/// Connects the client to a worker and moves bytes until both are done. A client that finds no worker is
/// closed: in a protocol that is not ours there is nothing to say.
pub(super) async fn run(connection: Connection) {
    match seek::link(&connection, Purpose::Passthrough).await {
        Ok(link) => Tunnel::new(link, Protocol::Other, 0, None).run(connection).await,
        Err(failure) => connection.thread.stats.record_failure(failure.code()),
    }
}
