//! One request and its answer: choose a worker, send the first flight, relay, settle.
//!
//! The *first flight* is the head and as much of the body as came with it. It stays in the connection's buffer
//! until the worker has answered, so it can be sent a second time where the first link died of old age.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Instant;

use tokio::io::AsyncWrite;

use super::Target;
use super::buffer::Buffer;
use super::connection::{After, Connection};
use super::failure::Failure;
use super::http1::body::Body;
use super::http1::framing::Framing;
use super::http1::request::Request;
use super::links::Link;
use super::relay::{End, Relay};
use super::seek::{self, Purpose};
use super::watch::Phase;

/// What was sent, or may be sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    /// Bytes of the connection's buffer: head and what is there of the body.
    pub(super) length: usize,
    /// The body after those bytes.
    pub(super) rest: Body,
}

/// Serves one request whose head stands at the front of the connection's buffer.
pub(super) async fn run(connection: &mut Connection, request: &Request) -> After {
    let started = Instant::now();
    let thread = Rc::clone(&connection.thread);
    thread.stats.requests_active.add(1);
    thread.stats.requests_total.add(1);
    connection.endpoint.count_request();
    let (after, status) = match serve(connection, request).await {
        Ok((after, status)) => (after, status),
        Err(failure) => (After::Fail(failure, request.method), failure.status()),
    };
    thread.stats.requests_active.sub(1);
    thread.stats.record(request.method, status, started.elapsed());
    after
}

async fn serve(connection: &mut Connection, request: &Request) -> Result<(After, u16), Failure> {
    let mut link = seek::link(connection, Purpose::Request).await?;
    let flight = first_flight(connection, request, &link.worker.target)?;
    loop {
        let mut sent = 0;
        let end = match send(connection, flight, &mut link, &mut sent).await {
            Ok(()) => {
                let mut relay = Relay::new(connection, request, flight, &mut link);
                let end = std::future::poll_fn(|cx| relay.poll(cx)).await;
                match relay.settle(end) {
                    Ok(settled) => return Ok(settled.finish(link)),
                    Err(end) => end,
                }
            }
            Err(end) => end,
        };
        // `LinkDied` is the one end that a second try can mend.
        let may_run_again = sent == 0 || request.idempotent;
        if end != End::LinkDied || !link.reused || !may_run_again {
            return match end {
                End::Failed(failure) => Err(failure),
                End::LinkDied => Err(Failure::WorkerClosed),
                End::ClientGone | End::Cut | End::Complete => Ok((After::Close, 0)),
            };
        }
        connection.thread.stats.requests_retried.add(1);
        link = seek::link(connection, Purpose::SecondTry).await?;
    }
}

/// Which bytes go at once.
fn first_flight(connection: &mut Connection, request: &Request, target: &Target) -> Result<Flight, Failure> {
    let body_max = connection.thread.config.body_bytes_max;
    if let (Framing::Length(length), Some(max)) = (request.framing, body_max)
        && length > max
    {
        return Err(Failure::BodyTooLarge);
    }
    let Some(buffer) = &mut connection.buffer else { return Err(Failure::BadRequest) };
    let mut rest = Body::from(request.framing);
    let body = rest
        .advance(buffer.filled().get(request.head_len..).unwrap_or_default())
        .map_err(|_| Failure::BadRequest)?;
    let head = match target {
        Target::Unix(_) => sign(buffer, request, connection.private.as_bytes()),
        Target::Tcp(_) => request.head_len,
    };
    Ok(Flight { length: head + body, rest })
}

/// Puts our own header at the end of the head, in the place of whatever the client sent under its name.
fn sign(buffer: &mut Buffer, request: &Request, private: &[u8]) -> usize {
    // The empty line that ends the head is part of what is put in.
    buffer.splice(request.head_len - 2..request.head_len, private);
    let mut length = request.head_len - 2 + private.len();
    if let Some(forged) = request.forged.clone() {
        length -= forged.len();
        buffer.splice(forged, b"");
    }
    length
}

/// Sends the first flight, in one system call as a rule.
async fn send(connection: &Connection, flight: Flight, link: &mut Link, sent: &mut usize) -> Result<(), End> {
    let filled = connection.buffer.as_ref().map(Buffer::filled).unwrap_or_default();
    let bytes = filled.get(..flight.length).unwrap_or_default();
    std::future::poll_fn(|cx| {
        connection.watch.register(cx);
        if connection.watch.phase() == Phase::Aborting {
            return Poll::Ready(Err(End::Cut));
        }
        while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut link.stream).poll_write(cx, rest)) {
                Ok(count) if count > 0 => *sent += count,
                _ => return Poll::Ready(Err(End::LinkDied)),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
