//! One client connection: idle → head → exchange → idle …, until one side has enough.
//!
//! ```text
//!            ┌────────────── kept alive ───────────────┐
//!            ▼                                         │
//!   idle ─► head ─► exchange ──────────────────────────┘
//!   (no      │          ├─► tunnel (after 101)
//!   buffer)  └─ refused ┴─► answer, linger, close
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use plimsoll_wire::names::PEER_HEADER;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::access::Heads;
use super::buffer::Buffer;
use super::context::Ids;
use super::endpoint::Endpoint;
use super::exchange;
use super::failure::Failure;
use super::http1::head::{Scan, leading_empty_lines};
use super::http1::request::Request;
use super::linger::linger;
use super::tag::Tag;
use super::thread::Thread;
use super::tunnel;
use super::watch::{Phase, Watch};
use crate::observe::http::Method;

pub(super) struct Connection {
    pub(super) client: TcpStream,
    /// Bytes of the client that nobody has taken yet. `None` while idle.
    pub(super) buffer: Option<Buffer>,
    pub(super) watch: Watch,
    pub(super) thread: Rc<Thread>,
    pub(super) endpoint: Rc<Endpoint>,
    /// The private header as far as it is the same for all requests: who the client is.
    pub(super) private: String,
    /// While the log wants to know: the ids in the head of the app's answer.
    pub(super) answered_as: Option<Box<Tag>>,
    /// By what the request is known that is served.
    pub(super) ids: Option<Box<Ids>>,
    /// What the access log will want to know of the request that is served.
    pub(super) heads: Option<Box<Heads>>,
    /// The head of that request still stands at the front of the buffer.
    pub(super) has_head: bool,
}

/// What the client's connection is good for after a request.
pub(super) enum After {
    KeepAlive,
    /// Everything was read: closing cannot destroy an answer on its way.
    Close,
    /// The client may still be sending: let it read the answer first.
    Linger,
    /// The gateway answers, and the connection ends with that.
    Fail(Failure, Method),
    Tunnel(Box<tunnel::Tunnel>),
}

#[expect(
    clippy::large_enum_variant,
    reason = "a request is what nearly always comes next: a box would be an allocation for each"
)]
enum Next {
    Request(Request),
    Refused(Failure),
    End,
}

impl Connection {
    pub(super) fn new(client: TcpStream, peer: &str, thread: &Rc<Thread>, endpoint: &Rc<Endpoint>) -> Self {
        thread.stats.connections_open.add(1);
        thread.stats.connections_total.add(1);
        endpoint.count_connection();
        Self {
            client,
            buffer: None,
            watch: thread.watches.add(),
            thread: Rc::clone(thread),
            endpoint: Rc::clone(endpoint),
            private: format!("{PEER_HEADER}: {peer}"),
            answered_as: None,
            ids: None,
            heads: None,
            has_head: false,
        }
    }

    /// Serves requests until the connection ends.
    pub(super) async fn serve(mut self) {
        loop {
            let after = match self.next_request().await {
                // Boxed: an idle connection must not carry the room that an exchange needs.
                Next::Request(request) => Box::pin(exchange::run(&mut self, &request)).await,
                Next::Refused(failure) => {
                    self.thread.access.note_refused(&self, failure);
                    After::Fail(failure, Method::Other)
                }
                Next::End => return,
            };
            match after {
                After::KeepAlive => {}
                After::Close => return,
                After::Linger => return Box::pin(linger(self)).await,
                After::Fail(failure, method) => {
                    return Box::pin(async {
                        self.fail(failure, method).await;
                        linger(self).await;
                    })
                    .await;
                }
                After::Tunnel(tunnel) => return Box::pin(tunnel.run(self)).await,
            }
        }
    }

    async fn next_request(&mut self) -> Next {
        let mut scan = Scan::default();
        let mut begun = false;
        let now = self.watch.now();
        self.watch.set_deadline(now.after(self.thread.config.idle_timeout));
        std::future::poll_fn(|cx| self.poll_request(cx, &mut scan, &mut begun)).await
    }

    fn poll_request(&mut self, cx: &mut Context<'_>, scan: &mut Scan, begun: &mut bool) -> Poll<Next> {
        loop {
            match self.read_head(scan) {
                Ok(Some(request)) => return Poll::Ready(Next::Request(request)),
                Ok(None) => {}
                Err(failure) => return Poll::Ready(Next::Refused(failure)),
            }
            let has_begun = self.buffer.as_ref().is_some_and(|buffer| !buffer.is_empty());
            if has_begun && !*begun {
                *begun = true;
                let now = self.watch.now();
                self.watch.set_deadline(now.after(self.thread.config.header_timeout));
            }
            if let Some(end) = self.ends_idle(has_begun) {
                return Poll::Ready(end);
            }
            self.watch.register(cx);
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Next::End),
                Ok(_) => {}
            }
        }
    }

    fn read_head(&mut self, scan: &mut Scan) -> Result<Option<Request>, Failure> {
        let Some(buffer) = &mut self.buffer else { return Ok(None) };
        if *scan == Scan::default() {
            buffer.consume(leading_empty_lines(buffer.filled()));
        }
        // A lone CR may be half of one more empty line.
        if buffer.is_empty() || buffer.filled() == b"\r" {
            return Ok(None);
        }
        Request::read(buffer.filled(), scan, &self.thread.limits).map_err(|refusal| {
            tracing::debug!(peer = self.peer(), reason = %refusal, "request refused");
            Failure::from(refusal)
        })
    }

    /// Whether waiting for (more of) a request is over.
    fn ends_idle(&self, has_begun: bool) -> Option<Next> {
        if self.watch.phase() == Phase::Aborting || (self.is_last() && !has_begun) {
            return Some(Next::End);
        }
        match (self.watch.is_expired(), has_begun) {
            (true, true) => Some(Next::Refused(Failure::HeaderTimeout)),
            (true, false) => Some(Next::End),
            (false, _) => None,
        }
    }

    /// Who the client is and where it came in, as the agent gets it.
    pub(super) fn peer(&self) -> &str {
        self.private.get(PEER_HEADER.len() + 2..).unwrap_or_default()
    }

    /// No further request is taken on this connection.
    pub(super) fn is_last(&self) -> bool {
        self.watch.phase() >= Phase::Draining || self.endpoint.is_closed()
    }

    /// Reads more of what the client sends; the buffer is borrowed only when something is there.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.client.poll_read_ready(cx).is_pending() {
            if self.buffer.as_ref().is_some_and(Buffer::is_empty) {
                self.buffer = None;
            }
            return Poll::Pending;
        }
        let buffer = self.buffer.get_or_insert_with(|| self.thread.pool.take());
        if buffer.is_full() {
            buffer.grow(self.thread.limits.head_bytes_max);
        }
        let count = ready!(buffer.poll_read(cx, &mut self.client))?;
        self.thread.stats.bytes_from_clients.add(count as u64);
        Poll::Ready(Ok(count))
    }

    /// Sends the gateway's own answer, as far as the client takes it in time.
    async fn fail(&mut self, failure: Failure, method: Method) {
        self.thread.stats.record_failure(failure.code());
        let id = self.ids.as_deref().map(Ids::echo).unwrap_or_default();
        let bytes = failure.response(method, id);
        let now = self.watch.now();
        self.watch.set_deadline(now.after(self.thread.config.write_timeout));
        let mut rest = bytes.as_slice();
        std::future::poll_fn(|cx| {
            self.watch.register(cx);
            while !rest.is_empty() {
                if self.watch.is_expired() || self.watch.phase() == Phase::Aborting {
                    break;
                }
                match ready!(Pin::new(&mut self.client).poll_write(cx, rest)) {
                    Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                    _ => break,
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Who waits for the last connection to end may end the log next.
        if self.thread.stats.connections_open.get() == 1 {
            self.thread.access.hand_over_last();
        }
        self.thread.stats.connections_open.sub(1);
        self.endpoint.connection_ended();
    }
}

/// The value of the private header: who the client is and where it came in.
pub(super) fn peer_text(client: SocketAddr, local: SocketAddr) -> String {
    format!("{} {} {} {}", client.ip(), client.port(), local.ip(), local.port())
}
