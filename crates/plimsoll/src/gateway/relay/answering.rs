//! The answer's side of an exchange: interim heads, the final head, the body.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use plimsoll_wire::page;

use super::sending::Sending;
use super::{End, Relay};
use crate::gateway::buffer::Buffer;
use crate::gateway::claim::Claim;
use crate::gateway::connection::Connection;
use crate::gateway::context::Ids;
use crate::gateway::exchange::TOLD_FROM;
use crate::gateway::failure::Failure;
use crate::gateway::http1::body::Body;
use crate::gateway::http1::framing::Framing;
use crate::gateway::http1::head::Scan;
use crate::gateway::http1::request::{Persistence, Version};
use crate::gateway::http1::response::{HEAD_BYTES_MAX, Response};
use crate::gateway::pump::{Error, Finish};
use crate::gateway::stream::Socket as _;
use crate::gateway::tag::Tag;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    Head(Scan),
    Body,
    Done,
}

impl Answering {
    pub(super) fn start() -> Self {
        Self::Head(Scan::default())
    }
}

impl Relay<'_> {
    pub(super) fn poll_answering(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Answering::Head(scan) = self.answering {
            if let Some(end) = ready!(self.poll_head(cx, scan)) {
                return Poll::Ready(end);
            }
            self.answering = Answering::Body;
        }
        if self.answering == Answering::Done {
            return Poll::Pending;
        }
        if let Some(end) = ready!(self.poll_body(cx)) {
            return Poll::Ready(end);
        }
        self.answering = Answering::Done;
        Poll::Pending
    }

    /// Reads heads until the final one, passing interim ones on. `None`: the final head is in the buffer.
    fn poll_head(&mut self, cx: &mut Context<'_>, mut scan: Scan) -> Poll<Option<End>> {
        loop {
            if ready!(self.flush_interim(cx)).is_err() {
                return Poll::Ready(Some(End::ClientGone));
            }
            let filled = self.answer_buffer.as_ref().map(Buffer::filled).unwrap_or_default();
            if !filled.is_empty() {
                match Response::read(filled, &mut scan, self.request.method) {
                    Ok(Some(response)) if response.is_interim() => {
                        if let Poll::Ready(end) = self.take_interim(cx, &response) {
                            return Poll::Ready(Some(end));
                        }
                        scan = Scan::default();
                        self.answering = Answering::Head(scan);
                        continue;
                    }
                    Ok(Some(response)) if self.did_not_run(&response) => {
                        return Poll::Ready(Some(End::Unanswered));
                    }
                    Ok(Some(response)) => return Poll::Ready(self.begin_body(response)),
                    Ok(None) => self.answering = Answering::Head(scan),
                    Err(error) => {
                        tracing::warn!(worker = %self.link.worker.id, %error, "worker's answer refused");
                        return Poll::Ready(Some(self.fail(Failure::BadResponse)));
                    }
                }
            }
            match ready!(self.read_head(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Some(self.died())),
                Ok(_) => {}
            }
        }
    }

    fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.link.stream.poll_read_ready(cx).is_pending() {
            return Poll::Pending;
        }
        let buffer = self.answer_buffer.get_or_insert_with(|| self.connection.thread.pool.take());
        if buffer.is_full() {
            buffer.grow(HEAD_BYTES_MAX);
        }
        buffer.poll_read(cx, &mut self.link.stream)
    }

    /// The link ended before the head of an answer was whole.
    fn died(&self) -> End {
        let partly = self.answered || self.answer_buffer.as_ref().is_some_and(|buffer| !buffer.is_empty());
        match self.sending {
            _ if partly => self.fail(Failure::WorkerClosed),
            // The client went first, and the app gave up on it, as it would have without us.
            Sending::Closed | Sending::Leaving(_) => End::ClientGone,
            _ if self.flight.length > 0 => End::Unanswered,
            // A part of the body that is no longer here was sent, which only happens once it runs.
            _ if self.link.claim.is_some() => self.fail(Failure::WorkerDied),
            _ => self.fail(Failure::WorkerClosed),
        }
    }

    /// The agent found the request taken back (or a slot that makes no sense), and has not let the app see it.
    fn did_not_run(&self, response: &Response) -> bool {
        let was_claimed = self.link.claim.as_ref().is_none_or(Claim::was_claimed);
        response.status == page::MARKER_STATUS && !was_claimed && self.flight.length > 0
    }

    /// An interim head is passed on at once; the agent's own, which says that the request has begun, ends here.
    fn take_interim(&mut self, cx: &mut Context<'_>, response: &Response) -> Poll<End> {
        let is_agents = response.status == page::STARTED_STATUS && self.link.claim.is_some();
        if is_agents || self.request.version == Version::Http10 {
            if let Some(buffer) = &mut self.answer_buffer {
                buffer.consume(response.head_len);
            }
        } else {
            self.answered = true;
            self.answer_pump.ready = response.head_len;
        }
        // The rest of the body may have waited for this.
        self.poll_sending(cx)
    }

    fn flush_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.answer_pump.poll_flush(cx, &mut self.connection.client, &mut self.answer_buffer)
    }

    /// The final head is there: from now on everything that belongs to the answer simply passes.
    fn begin_body(&mut self, mut response: Response) -> Option<End> {
        self.answered = true;
        if let Some(claim) = self.link.claim.as_mut().filter(|claim| claim.was_ignored()) {
            if is_refusal(&response) {
                claim.settle();
                // Whatever the app wrote for it: the parser reads nothing more.
                response.persistence = Persistence::Close;
            } else {
                self.link.worker.ignores_claims();
            }
        }
        if response.status == 101 && !self.request.upgrade {
            return Some(self.fail(Failure::BadResponse));
        }
        let is_last = self.connection.is_last();
        let buffer = self.answer_buffer.as_mut()?;
        if is_last {
            say_close(buffer, &mut response);
        }
        if let Some(ids) = &self.connection.ids {
            tell_id(ids, buffer, &mut response);
        }
        let framing = if response.status == 101 { Framing::None } else { response.framing };
        let mut body = Body::from(framing);
        let rest = buffer.filled().get(response.head_len..).unwrap_or_default();
        let ready = match body.advance(rest) {
            Ok(count) => response.head_len + count,
            Err(_) => return Some(self.fail(Failure::BadResponse)),
        };
        if self.connection.thread.outcomes.is_wanted() {
            let head = buffer.filled().get(..response.head_len).unwrap_or_default();
            self.connection.answered_as = Some(Box::new(Tag::read(head)));
        }
        let Connection { thread, ids, .. } = &*self.connection;
        let may_be_told = thread.context.tracer().is_some() && {
            let now = *self.first_byte.insert(Instant::now());
            let answer = (response.status, body.is_done());
            thread.context.keeps(ids.as_deref(), answer, (&self.so_far, now)) || self.has_stalled(now)
        };
        if may_be_told || thread.access.keeps(response.status, body.is_done()) {
            self.keep_heads(response.head_len);
        }
        self.answer_pump.body = body;
        self.answer_pump.ready = ready;
        self.response = Some(response);
        self.release_flight();
        None
    }

    /// Whether the loop stood still in the request.
    fn has_stalled(&self, now: Instant) -> bool {
        let is_long = now.saturating_duration_since(self.so_far.started) >= TOLD_FROM;
        let running = self.link.claim.as_ref().filter(|_| is_long).and_then(Claim::running);
        running.is_some_and(|(_, _, is_stalled)| is_stalled)
    }

    /// For the access log and the span.
    fn keep_heads(&mut self, answer_len: usize) {
        let answer = self.answer_buffer.take();
        let head = answer.as_ref().and_then(|buffer| buffer.filled().get(..answer_len));
        let first_byte = self.first_byte.unwrap_or_else(Instant::now);
        self.keep_head().keep_answer(head.unwrap_or_default(), first_byte);
        self.answer_buffer = answer;
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let Connection { client, thread, .. } = &mut *self.connection;
        let ends = (&mut self.link.stream, client);
        let finish = ready!(self.answer_pump.poll(cx, ends, &mut self.answer_buffer, &thread.pool));
        Poll::Ready(match finish {
            Ok(Finish::BodyEnd) => None,
            Ok(Finish::SourceEnd) if self.answer_pump.body == Body::UntilClose => None,
            Ok(Finish::SourceEnd) | Err(Error::Source | Error::Framing(_)) => Some(End::Cut),
            Err(Error::Sink) => Some(End::ClientGone),
        })
    }
}

/// What Node cannot read it refuses by itself, before anybody could claim it, and reads no more from the link: the request
/// never runs, and the answer is no sign of a process without the agent. An app that answers in its place (`clientError`)
/// need not say that it closes the connection, as that of fastify does not.
fn is_refusal(response: &Response) -> bool {
    matches!(response.status, 400 | 408 | 413 | 414 | 431)
        || (400..500).contains(&response.status) && response.persistence == Persistence::Close
}

/// The client is told by which id its request is known, unless the app tells it.
fn tell_id(ids: &Ids, buffer: &mut Buffer, response: &mut Response) {
    if response.has_request_id || response.status == 101 || ids.echo().is_empty() {
        return;
    }
    let end = response.head_len - 2;
    buffer.splice(end..end, ids.echo());
    response.head_len += ids.echo().len();
}

/// While draining, the client is told not to come back on this connection.
fn say_close(buffer: &mut Buffer, response: &mut Response) {
    const CLOSE: &[u8] = b"Connection: close\r\n";
    if response.persistence == Persistence::Close || response.status == 101 {
        return;
    }
    let end = response.head_len - 2;
    let line = response.connection_line.clone().unwrap_or(end..end);
    response.head_len = response.head_len - line.len() + CLOSE.len();
    buffer.splice(line, CLOSE);
    response.persistence = Persistence::Close;
}
