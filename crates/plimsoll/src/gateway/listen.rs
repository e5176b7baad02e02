//! Listening sockets: opened once, shared by all gateway threads, closed only with the app's server or at the
//! end. (Handing over by SO_REUSEPORT would lose the connections that wait in the old socket's queue.)

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use super::Bind;
use super::connection::{Connection, peer_text};
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::passthrough;
use super::thread::Thread;
use crate::observe::http::Method;

/// Where the app gives no backlog; the kernel cuts it to its `somaxconn`.
const BACKLOG: i32 = 4096;
/// What of an answer may wait in the kernel for a client to take it; twice what is moved at once, so that a fast client
/// never waits for us. Without a bound the kernel takes megabytes for a client that reads nothing; a thousand of those, and
/// copying it holds up all others.
const UNSENT_BYTES_MAX: u32 = 256 * 1024;
/// A client that has gone without a word is found within two minutes. Apps ask for it by `socket.setKeepAlive`, which does
/// not reach the client's connection; the kernel's timers cost nothing.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(6);
/// Rest after an accept that failed for want of descriptors or memory: the connection stays in the queue, and
/// asking again at once would only burn CPU.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Binds and listens, as Node does: `SO_REUSEADDR`, dual-stack on `::` unless told otherwise.
///
/// # Errors
/// As `bind(2)` and `listen(2)` give them.
pub(super) fn bind(bind: &Bind) -> io::Result<TcpListener> {
    let domain = Domain::for_address(bind.address);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(bind.ipv6_only)?;
    }
    // Accepted sockets inherit it. Where it cannot be had all works as well, with more memory.
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    socket.bind(&bind.address.into())?;
    // Node's own default of 511 stands for "not asked for"; a gateway takes what the kernel allows.
    let backlog = i32::try_from(bind.backlog).unwrap_or(BACKLOG);
    socket.listen(if matches!(backlog, 0 | 511) { BACKLOG } else { backlog })?;
    Ok(socket.into())
}

/// Accepts until the task is aborted.
pub(super) async fn accept(listener: tokio::net::TcpListener, thread: Rc<Thread>, endpoint: Rc<Endpoint>) {
    loop {
        match listener.accept().await {
            Ok((client, address)) => {
                // Nothing can be done about a client that is gone already.
                let Ok(local) = client.local_addr() else { continue };
                // An answer leaves when it is written, not when an ACK comes.
                let _ = client.set_nodelay(true);
                let peer = peer_text(address, local);
                admit(client, &peer, &thread, &endpoint);
            }
            Err(error) if is_exhausted(&error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            // The connection was reset while it waited in the queue.
            Err(_) => {}
        }
    }
}

fn admit(client: TcpStream, peer: &str, thread: &Rc<Thread>, endpoint: &Rc<Endpoint>) {
    if thread.stats.connections_open.get() >= thread.connections_max {
        thread.stats.connections_refused.add(1);
        thread.stats.record_failure(Failure::ConnectionsExhausted.code());
        // One try is all it gets: waiting for it would make it a connection.
        let _ = client.try_write(&Failure::ConnectionsExhausted.response(Method::Other, b""));
        let _ = SockRef::from(&client).shutdown(std::net::Shutdown::Write);
        return;
    }
    let connection = Connection::new(client, peer, thread, endpoint);
    thread.wake_ticker();
    match endpoint.protocol {
        super::Protocol::Http => tokio::task::spawn_local(connection.serve()),
        super::Protocol::Tcp => tokio::task::spawn_local(passthrough::run(connection)),
    };
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn a_client_that_reads_nothing_is_given_little_by_the_kernel_and_one_that_has_gone_is_found() {
        let asked = Bind { address: (Ipv4Addr::LOCALHOST, 0).into(), ipv6_only: false, backlog: 0 };
        let listener = bind(&asked).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    }
}
