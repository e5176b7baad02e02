//! The request's side of an exchange.
//!
//! ```text
//!  Flight ──► Held ──► Streaming ──► Sent ──► (next request, or the end)
//!  (first     (rest    (the rest       │
//!   bytes)     waits)   of the body)   └─ client closed ──► Leaving ──► Closed
//!    └──────────────────────┴─ the worker takes no more ──► Refused
//! ```
//!
//! The rest of a body is sent on only when the request has begun to run: until then nothing may leave that could
//! not be sent again to another worker.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use plimsoll_wire::page::Revoked;
use tokio::io::AsyncWrite;

use super::{End, Relay};
use crate::gateway::buffer::Buffer;
use crate::gateway::claim::Claim;
use crate::gateway::connection::Connection;
use crate::gateway::failure::Failure;
use crate::gateway::flight::is_too_large;
use crate::gateway::pump::{Error, Finish, Side};
use crate::gateway::watch::Time;

/// A client that closes its side may still wait for an answer (`nc`, some health checks), or be gone; only its
/// reset would tell. If the worker has not begun within this time, it is held to be gone.
pub(in crate::gateway) const LEAVING: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// The first flight is being sent.
    Flight,
    /// It has been sent, and may be needed again; more of the body is to come.
    Held,
    Streaming,
    /// All sent. What comes now is the next request, or the end.
    Sent,
    /// The client closed its side before the request had begun to run.
    Leaving(Time),
    /// The client will send no more, and the worker has been told.
    Closed,
    /// The worker takes no more; its answer may be there already.
    Refused,
}

impl Sending {
    pub(super) fn is_unfinished(self) -> bool {
        matches!(self, Self::Flight | Self::Held | Self::Streaming)
    }

    pub(super) fn deadline(self) -> Time {
        match self {
            Self::Leaving(deadline) => deadline,
            _ => Time::NEVER,
        }
    }
}

impl Relay<'_> {
    pub(super) fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            match self.sending {
                Sending::Flight => {
                    self.sending = match ready!(self.poll_flight(cx)) {
                        Ok(()) if self.flight.is_complete() => Sending::Sent,
                        Ok(()) => Sending::Held,
                        Err(_) if self.flight.sent == 0 => return Poll::Ready(End::Unanswered),
                        Err(_) => Sending::Refused,
                    };
                }
                Sending::Held => {
                    if !self.may_stream() || self.connection.client.poll_read_ready(cx).is_pending() {
                        return Poll::Pending;
                    }
                    if self.may_be_told() {
                        self.keep_head();
                    }
                    self.release_flight();
                    self.sending = Sending::Streaming;
                }
                Sending::Streaming => return self.poll_stream(cx),
                Sending::Sent => return self.poll_client(cx),
                Sending::Leaving(deadline) => return self.poll_leaving(cx, deadline),
                Sending::Closed | Sending::Refused => return Poll::Pending,
            }
        }
    }

    fn poll_flight(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let filled = self.connection.buffer.as_ref().map(Buffer::filled).unwrap_or_default();
        let flight = filled.get(..self.flight.length).unwrap_or_default();
        while let Some(rest) = flight.get(self.flight.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.link.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.flight.sent += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// More of the body could be sent, if the client would.
    pub(super) fn waits_for_client(&self) -> bool {
        match self.sending {
            Sending::Held => self.may_stream(),
            Sending::Streaming => self.request_pump.waits_for == Side::Source,
            _ => false,
        }
    }

    /// Without a claim nobody will tell that the request has begun, and a body that waited for that would wait
    /// for ever.
    fn may_stream(&self) -> bool {
        self.answered || self.link.claim.as_ref().is_none_or(Claim::has_started)
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Connection { client, buffer, thread, .. } = &mut *self.connection;
        let ends = (client, &mut self.link.stream);
        let poll = self.request_pump.poll(cx, ends, buffer, &thread.pool);
        if is_too_large(self.request.framing, &self.request_pump.body, thread.config.body_bytes_max) {
            return Poll::Ready(self.fail(Failure::BodyTooLarge));
        }
        match ready!(poll) {
            Ok(Finish::BodyEnd) => {
                self.sending = Sending::Sent;
                self.poll_client(cx)
            }
            Ok(Finish::SourceEnd) => self.stop_sending(cx),
            Err(Error::Source) => Poll::Ready(End::ClientGone),
            Err(Error::Sink) => {
                self.sending = Sending::Refused;
                Poll::Pending
            }
            Err(Error::Framing(error)) => {
                tracing::debug!(peer = self.connection.peer(), %error, "request body refused");
                Poll::Ready(self.fail(Failure::BadRequest))
            }
        }
    }

    /// Nothing more is due from the client, but it may send its next request, or go.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // A full buffer of requests to come is enough; the rest waits in the kernel.
        while !self.connection.buffer.as_ref().is_some_and(Buffer::is_full) {
            match ready!(self.connection.poll_read(cx)) {
                Ok(0) if self.has_started() => return self.stop_sending(cx),
                Ok(0) => {
                    let deadline = self.connection.watch.now().after(LEAVING);
                    self.sending = Sending::Leaving(deadline);
                    return Poll::Pending;
                }
                Ok(_) => {}
                Err(_) => return Poll::Ready(self.leave()),
            }
        }
        Poll::Pending
    }

    fn has_started(&self) -> bool {
        self.link.claim.as_ref().is_none_or(Claim::has_started)
    }

    fn poll_leaving(&mut self, cx: &mut Context<'_>, deadline: Time) -> Poll<End> {
        if self.has_started() {
            self.stop_sending(cx)
        } else if self.connection.watch.now() >= deadline {
            match self.leave() {
                // It has begun just now: the worker is told, and decides.
                End::ClientGone => self.stop_sending(cx),
                end => Poll::Ready(end),
            }
        } else {
            Poll::Pending
        }
    }

    /// Nobody waits for the answer: what has not begun to run, never shall.
    fn leave(&self) -> End {
        match self.link.claim.as_ref().map(Claim::revoke) {
            Some(Revoked::Yes) => End::Revoked,
            Some(Revoked::Started) | None => End::ClientGone,
        }
    }

    /// The client closed its side. The worker is told just that, and decides as it would without us.
    fn stop_sending(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.sending = Sending::Closed;
        // A shutdown does not wait, and one that fails means that the worker has gone first.
        let _shut = Pin::new(&mut self.link.stream).poll_shutdown(cx);
        Poll::Pending
    }
}
