//! Both directions of one exchange at once: the request ([`sending`]) and the answer ([`answering`]).
//!
//! Full duplex, because HTTP is: a worker may answer before it has read the body, ask for it with 100, or
//! stream both ways. The client's side is watched even when nothing more is due from it, so that the app hears
//! of a client that went away.

mod answering;
mod patience;
mod sending;
mod settle;

use std::task::{Context, Poll};
use std::time::Instant;

use super::access::Heads;
use super::buffer::Buffer;
use super::connection::Connection;
use super::context::SoFar;
use super::failure::Failure;
use super::flight::Flight;
use super::http1::body::Body;
use super::http1::request::{Persistence, Request};
use super::http1::response::Response;
use super::links::Link;
use super::pump::{Pump, Side};
use super::watch::{Phase, Time};
use answering::Answering;
use patience::{Look, Patience};
use plimsoll_wire::page::Revoked;
pub(super) use sending::LEAVING;
use sending::Sending;
pub(super) use settle::CLIENT_GONE;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// Nothing of an answer has reached the client, so the gateway can give one.
    Failed(Failure),
    /// The link ended before the first byte of an answer, or the agent said that the request did not run; all of
    /// the request is still here.
    Unanswered,
    /// It waited for too long, and was taken back for another worker.
    Moved,
    ClientGone,
    /// The client went away before the request had begun to run, and it was taken back: it never will.
    Revoked,
    /// The answer cannot be completed: the client must see that it is not whole.
    Cut,
}

pub(super) struct Relay<'a> {
    connection: &'a mut Connection,
    request: &'a Request,
    flight: &'a mut Flight,
    link: &'a mut Link,
    sending: Sending,
    request_pump: Pump,
    answering: Answering,
    answer_pump: Pump,
    answer_buffer: Option<Buffer>,
    response: Option<Response>,
    so_far: SoFar,
    first_byte: Option<Instant>,
    /// A byte of the app's has been read: from here on the request is not sent again.
    answered: bool,
    sent_at: Time,
    /// Progress at the last look, for the timeouts.
    seen: (u64, u64),
    moved_at: Time,
    patience: Patience,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        request: &'a Request,
        flight: &'a mut Flight,
        link: &'a mut Link,
        so_far: SoFar,
    ) -> Self {
        let now = connection.watch.now();
        connection.watch.set_deadline(Time::NEVER);
        Self {
            sending: Sending::Flight,
            request_pump: Pump::new(flight.rest, 0),
            answering: Answering::start(),
            answer_pump: Pump::new(Body::UntilClose, 0),
            answer_buffer: None,
            response: None,
            so_far,
            first_byte: None,
            answered: false,
            sent_at: now,
            seen: (0, 0),
            moved_at: now,
            patience: Patience::new(now),
            connection,
            request,
            flight,
            link,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.connection.watch.register(cx);
        if self.connection.watch.phase() == Phase::Aborting {
            return Poll::Ready(End::Cut);
        }
        if self.takes_offer() {
            return Poll::Ready(End::Moved);
        }
        // Once all is sent, the answer is what is waited for; with it there is no more to ask of the client.
        let is_answer_first = self.sending == Sending::Sent;
        if is_answer_first && let Poll::Ready(end) = self.poll_answer(cx) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_sending(cx) {
            return Poll::Ready(end);
        }
        if !is_answer_first && let Poll::Ready(end) = self.poll_answer(cx) {
            return Poll::Ready(end);
        }
        self.check_time()
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_answering(cx) {
            return Poll::Ready(end);
        }
        if self.answering == Answering::Done && !self.must_finish_body() {
            return Poll::Ready(End::Complete);
        }
        Poll::Pending
    }

    /// Another worker would take the request: does this one still not run it?
    fn takes_offer(&self) -> bool {
        let Some(claim) = self.link.claim.as_ref().filter(|claim| claim.has_offer()) else { return false };
        let stays = self.answered || !matches!(self.sending, Sending::Flight | Sending::Held | Sending::Sent);
        if !stays && claim.revoke() == Revoked::Yes {
            return true;
        }
        drop(claim.take_offer());
        false
    }

    /// The answer is complete: is it worth reading the rest of the request? Node does, so that the connection
    /// stays usable; not where the client was told to wait for a 100 that never came.
    fn must_finish_body(&self) -> bool {
        let refused = self.request.expects_continue && self.sending == Sending::Held;
        self.sending.is_unfinished() && !refused && !self.link_closes()
    }

    fn link_closes(&self) -> bool {
        self.response.as_ref().is_none_or(|response| response.persistence == Persistence::Close)
    }

    /// Copies the head of the request, which is about to be let go of, for its line in the access log and its span.
    fn keep_head(&mut self) -> &mut Heads {
        let Connection { heads, buffer, thread, ids, .. } = &mut *self.connection;
        let heads = heads.get_or_insert_with(|| thread.access.heads());
        let flight = buffer.as_ref().and_then(|buffer| buffer.filled().get(..self.flight.length));
        let head = flight.and_then(|flight| flight.get(..self.flight.head_len())).unwrap_or_default();
        heads.keep_request(head, ids.as_deref());
        heads
    }

    /// Somebody may want to know what was asked for.
    fn may_be_told(&self) -> bool {
        let Connection { thread, .. } = &*self.connection;
        thread.access.is_on() || thread.context.tracer().is_some()
    }

    /// The first flight will not be needed again.
    fn release_flight(&mut self) {
        self.connection.has_head = false;
        if let Some(buffer) = &mut self.connection.buffer {
            buffer.consume(std::mem::take(&mut self.flight.length));
        }
    }

    /// The gateway's own answer, unless the client has already seen a part of the worker's.
    fn fail(&self, failure: Failure) -> End {
        if self.response.is_some() { End::Cut } else { End::Failed(failure) }
    }

    /// Whoever keeps the other side waiting for too long loses the request.
    fn check_time(&mut self) -> Poll<End> {
        let config = &self.connection.thread.config;
        let now = self.connection.watch.now();
        let moved = (self.request_pump.moved, self.answer_pump.moved);
        let is_answered = moved.1 != self.seen.1;
        if moved != self.seen {
            self.seen = moved;
            self.moved_at = now;
        }
        let body_wait = self.waits_for_client();
        let look = Look { now, sent: moved.0, waits: body_wait, is_answered, rate: config.body_rate };
        let owes_since = self.patience.look(look);
        let write_wait = self.answering != Answering::Done && self.answer_pump.waits_for == Side::Sink;
        let head_wait = matches!(self.answering, Answering::Head(_));
        let within = |waits: bool, since: Time, limit: Option<std::time::Duration>| match limit {
            Some(limit) if waits => since.after(limit),
            _ => Time::NEVER,
        };
        let body = within(body_wait, owes_since, Some(config.body_timeout));
        let write = within(write_wait, self.moved_at, Some(config.write_timeout));
        let head = within(head_wait, self.sent_at, config.request_timeout);
        let leaving = self.sending.deadline();
        self.connection.watch.set_deadline(body.min(write).min(head).min(leaving));
        if now >= write {
            Poll::Ready(End::ClientGone)
        } else if now >= head {
            Poll::Ready(self.fail(Failure::RequestTimeout))
        } else if now >= body {
            Poll::Ready(self.fail(Failure::BodyTimeout))
        } else {
            Poll::Pending
        }
    }
}
