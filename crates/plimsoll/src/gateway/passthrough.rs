//! Connections whose bytes are not ours to read: the app's own TLS, and HTTP/2.

use super::connection::Connection;
use super::seek::{Lost, Purpose, Seek};
use super::tunnel::{Protocol, Tunnel};

/// Connects the client to a worker and moves bytes until both are done. A client that finds no worker is
/// closed: in a protocol that is not ours there is nothing to say.
pub(super) async fn run(mut connection: Connection) {
    let purpose = Purpose::Passthrough;
    match (Seek { connection: &mut connection, purpose, is_complete: false, kept: None })
        .wait_for_link()
        .await
    {
        Ok(link) => Tunnel::new(link, Protocol::Other, 0, None).run(connection).await,
        Err(Lost::ClientGone) => {}
        Err(Lost::Failed(failure)) => connection.thread.stats.record_failure(failure.code()),
    }
}
