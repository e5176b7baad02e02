//! Both directions of one exchange at once: the rest of the request up, the answer down.
//!
//! Full duplex, because HTTP is: a worker may answer before it has read the body, ask for it with 100, or
//! stream both ways. The client's side is watched even when nothing more is due from it, so that the app hears
//! at once of a client that went away.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::buffer::Buffer;
use super::connection::{After, Connection};
use super::exchange::Flight;
use super::failure::Failure;
use super::http1::body::Body;
use super::http1::framing::Framing;
use super::http1::head::Scan;
use super::http1::request::{Persistence, Request, Version};
use super::http1::response::{HEAD_BYTES_MAX, Response};
use super::links::Link;
use super::pump::{Error, Finish, Pump, Side};
use super::stream::Socket;
use super::tunnel::Tunnel;
use super::watch::{Phase, Time};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// Nothing of an answer has reached the client, so the gateway can give one.
    Failed(Failure),
    /// The link ended before the first byte of an answer.
    LinkDied,
    ClientGone,
    /// The answer cannot be completed: the client must see that it is not whole.
    Cut,
}

/// The request's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Up {
    /// The first flight may be needed again; nothing more of the body has come.
    Held,
    Streaming,
    /// All sent. What comes now is the next request, or the end.
    Sent,
    /// The client will send no more, and the worker has been told.
    Closed,
}

/// The answer's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    Head(Scan),
    Body,
    Done,
}

pub(super) struct Relay<'a> {
    connection: &'a mut Connection,
    request: &'a Request,
    link: &'a mut Link,
    flight: Flight,
    up: Up,
    up_pump: Pump,
    down: Down,
    down_pump: Pump,
    down_buffer: Option<Buffer>,
    response: Option<Response>,
    /// A byte of the worker's has been read: from here on there is no second try.
    answered: bool,
    sent_at: Time,
    /// Progress at the last look, for the timeouts.
    seen: (u64, u64),
    moved_at: Time,
}

/// A finished exchange, before the link's fate is known.
pub(super) struct Settled {
    after: After,
    status: u16,
    link: LinkFate,
}

enum LinkFate {
    Keep(Time),
    Drop,
    /// Becomes a tunnel, with these bytes and buffer.
    Upgrade {
        from_client: usize,
        from_worker: usize,
        buffer: Option<Buffer>,
    },
}

impl Settled {
    pub(super) fn finish(self, link: Link) -> (After, u16) {
        match self.link {
            LinkFate::Keep(now) => link.keep(now),
            LinkFate::Drop => drop(link),
            LinkFate::Upgrade { from_client, from_worker, buffer } => {
                let tunnel = Tunnel::new(link, from_client, from_worker, buffer);
                return (After::Tunnel(Box::new(tunnel)), self.status);
            }
        }
        (self.after, self.status)
    }
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        connection: &'a mut Connection,
        request: &'a Request,
        flight: Flight,
        link: &'a mut Link,
    ) -> Self {
        let now = connection.watch.now();
        connection.watch.set_deadline(Time::NEVER);
        Self {
            up: if flight.rest.is_done() { Up::Sent } else { Up::Held },
            up_pump: Pump::new(flight.rest, 0),
            down: Down::Head(Scan::default()),
            down_pump: Pump::new(Body::UntilClose, 0),
            down_buffer: None,
            response: None,
            answered: false,
            sent_at: now,
            seen: (0, 0),
            moved_at: now,
            connection,
            request,
            link,
            flight,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.connection.watch.register(cx);
        if self.connection.watch.phase() == Phase::Aborting {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(end) = self.poll_up(cx) {
            return Poll::Ready(end);
        }
        if let Poll::Ready(end) = self.poll_down(cx) {
            return Poll::Ready(end);
        }
        if self.down == Down::Done && !self.must_finish_body() {
            return Poll::Ready(End::Complete);
        }
        self.check_time()
    }

    /// The answer is complete: is it worth reading the rest of the request? Node does, so that the connection
    /// stays usable; not where the client was told to wait for a 100 that never came.
    fn must_finish_body(&self) -> bool {
        let unfinished = matches!(self.up, Up::Held | Up::Streaming);
        let refused = self.request.expects_continue && self.up == Up::Held;
        unfinished && !refused && !self.link_closes()
    }

    fn link_closes(&self) -> bool {
        self.response.as_ref().is_none_or(|response| response.persistence == Persistence::Close)
    }

    // ---- up ----

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.up == Up::Held {
            if self.connection.client.poll_read_ready(cx).is_pending() {
                return Poll::Pending;
            }
            self.release_flight();
            self.up = Up::Streaming;
        }
        match self.up {
            Up::Streaming => self.poll_stream(cx),
            Up::Sent => self.poll_client(cx),
            Up::Held | Up::Closed => Poll::Pending,
        }
    }

    /// The first flight will not be needed again.
    fn release_flight(&mut self) {
        if let Some(buffer) = &mut self.connection.buffer {
            buffer.consume(std::mem::take(&mut self.flight.length));
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Connection { client, buffer, thread, .. } = &mut *self.connection;
        let ends = (client, &mut self.link.stream);
        let finish = ready!(self.up_pump.poll(cx, ends, buffer, &thread.pool));
        match finish {
            Ok(Finish::BodyEnd) => {
                self.up = Up::Sent;
                self.poll_client(cx)
            }
            Ok(Finish::SourceEnd) => self.close_up(cx),
            Err(Error::Source) => Poll::Ready(End::ClientGone),
            // The worker takes no more; its answer may still be on the way.
            Err(Error::Sink) => {
                self.up = Up::Closed;
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
                Ok(0) => return self.close_up(cx),
                Ok(_) => {}
                Err(_) => return Poll::Ready(End::ClientGone),
            }
        }
        Poll::Pending
    }

    /// The client closed its side. The worker is told just that, and decides as it would without us.
    fn close_up(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.up = Up::Closed;
        match Pin::new(&mut self.link.stream).poll_shutdown(cx) {
            Poll::Ready(Err(_)) | Poll::Pending | Poll::Ready(Ok(())) => Poll::Pending,
        }
    }

    // ---- down ----

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Down::Head(scan) = self.down {
            if let Some(end) = ready!(self.poll_head(cx, scan)) {
                return Poll::Ready(end);
            }
            self.down = Down::Body;
        }
        if self.down == Down::Done {
            return Poll::Pending;
        }
        if let Some(end) = ready!(self.poll_body(cx)) {
            return Poll::Ready(end);
        }
        self.down = Down::Done;
        Poll::Pending
    }

    /// Reads heads until the final one, passing interim ones on. `None`: the final head is in the buffer.
    fn poll_head(&mut self, cx: &mut Context<'_>, mut scan: Scan) -> Poll<Option<End>> {
        loop {
            if ready!(self.flush_interim(cx)).is_err() {
                return Poll::Ready(Some(End::ClientGone));
            }
            let filled = self.down_buffer.as_ref().map(Buffer::filled).unwrap_or_default();
            if !filled.is_empty() {
                match Response::read(filled, &mut scan, self.request.method) {
                    Ok(Some(response)) if response.is_interim() => {
                        self.pass_interim(&response);
                        scan = Scan::default();
                        self.down = Down::Head(scan);
                        continue;
                    }
                    Ok(Some(response)) => return Poll::Ready(self.begin_body(response)),
                    Ok(None) => self.down = Down::Head(scan),
                    Err(error) => {
                        tracing::warn!(worker = %self.link.worker.id, %error, "worker's answer refused");
                        return Poll::Ready(Some(self.fail(Failure::BadResponse)));
                    }
                }
            }
            match ready!(self.read_head(cx)) {
                Ok(0) | Err(_) if self.answered => {
                    return Poll::Ready(Some(self.fail(Failure::WorkerClosed)));
                }
                Ok(0) | Err(_) => return Poll::Ready(Some(self.died())),
                Ok(_) => self.answered = true,
            }
        }
    }

    fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        if self.link.stream.poll_read_ready(cx).is_pending() {
            return Poll::Pending;
        }
        let buffer = self.down_buffer.get_or_insert_with(|| self.connection.thread.pool.take());
        if buffer.is_full() {
            buffer.grow(HEAD_BYTES_MAX);
        }
        buffer.poll_read(cx, &mut self.link.stream)
    }

    /// The link ended without a byte. Only a request that is still all here can be sent again.
    fn died(&self) -> End {
        if self.flight.length > 0 && matches!(self.up, Up::Held | Up::Sent) {
            End::LinkDied
        } else if self.up == Up::Closed {
            // The client went first, and the app gave up on it, as it would have without us.
            End::ClientGone
        } else {
            End::Failed(Failure::WorkerClosed)
        }
    }

    fn pass_interim(&mut self, response: &Response) {
        if self.request.version == Version::Http11 {
            self.down_pump.ready = response.head_len;
        } else if let Some(buffer) = &mut self.down_buffer {
            buffer.consume(response.head_len);
        }
    }

    fn flush_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.down_pump.poll_flush(cx, &mut self.connection.client, &mut self.down_buffer)
    }

    /// The final head is there: from now on everything that belongs to the answer simply passes.
    fn begin_body(&mut self, mut response: Response) -> Option<End> {
        if response.status == 101 && !self.request.upgrade {
            return Some(self.fail(Failure::BadResponse));
        }
        self.release_flight();
        let is_last = self.connection.is_last();
        let buffer = self.down_buffer.as_mut()?;
        if is_last {
            say_close(buffer, &mut response);
        }
        let framing = if response.status == 101 { Framing::None } else { response.framing };
        let mut body = Body::from(framing);
        let rest = buffer.filled().get(response.head_len..).unwrap_or_default();
        let ready = match body.advance(rest) {
            Ok(count) => response.head_len + count,
            Err(_) => return Some(self.fail(Failure::BadResponse)),
        };
        self.down_pump.body = body;
        self.down_pump.ready = ready;
        self.response = Some(response);
        None
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        let Connection { client, thread, .. } = &mut *self.connection;
        let ends = (&mut self.link.stream, client);
        let finish = ready!(self.down_pump.poll(cx, ends, &mut self.down_buffer, &thread.pool));
        Poll::Ready(match finish {
            Ok(Finish::BodyEnd) => None,
            Ok(Finish::SourceEnd) if self.down_pump.body == Body::UntilClose => None,
            Ok(Finish::SourceEnd) | Err(Error::Source | Error::Framing(_)) => Some(End::Cut),
            Err(Error::Sink) => Some(End::ClientGone),
        })
    }

    // ---- the end ----

    /// The gateway's own answer, unless the client has already seen a part of the worker's.
    fn fail(&self, failure: Failure) -> End {
        if self.response.is_some() { End::Cut } else { End::Failed(failure) }
    }

    /// Whoever keeps the other side waiting for too long loses the request.
    fn check_time(&mut self) -> Poll<End> {
        let config = &self.connection.thread.config;
        let now = self.connection.watch.now();
        let moved = (self.up_pump.moved, self.down_pump.moved);
        if moved != self.seen {
            self.seen = moved;
            self.moved_at = now;
        }
        let body_wait = matches!(self.up, Up::Held | Up::Streaming) && self.up_pump.waits_for == Side::Source;
        let write_wait = self.down != Down::Done && self.down_pump.waits_for == Side::Sink;
        let body = if body_wait { self.moved_at.after(config.body_timeout) } else { Time::NEVER };
        let write = if write_wait { self.moved_at.after(config.write_timeout) } else { Time::NEVER };
        let head = match (self.down, config.request_timeout) {
            (Down::Head(_), Some(limit)) => self.sent_at.after(limit),
            _ => Time::NEVER,
        };
        self.connection.watch.set_deadline(body.min(write).min(head));
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

    /// Books the exchange; `Err` hands back an end that has no answer yet.
    pub(super) fn settle(self, end: End) -> Result<Settled, End> {
        let stats = &self.connection.thread.stats;
        stats.bytes_to_clients.add(self.down_pump.moved);
        stats.bytes_from_clients.add(self.up_pump.moved);
        let status = self.response.as_ref().map_or(0, |response| response.status);
        match end {
            End::Complete => {}
            End::Cut => {
                stats.record_failure("cut");
                return Ok(Settled { after: After::Close, status, link: LinkFate::Drop });
            }
            End::ClientGone => {
                return Ok(Settled { after: After::Close, status: 499, link: LinkFate::Drop });
            }
            End::Failed(_) | End::LinkDied => return Err(end),
        }
        if status == 101 {
            return Ok(self.upgrade(status));
        }
        let link = if self.link_is_reusable() {
            LinkFate::Keep(self.connection.watch.now())
        } else {
            LinkFate::Drop
        };
        Ok(Settled { after: self.after(), status, link })
    }

    fn link_is_reusable(&self) -> bool {
        let nothing_left = self.down_buffer.as_ref().is_none_or(Buffer::is_empty);
        self.up == Up::Sent && nothing_left && !self.link_closes()
    }

    fn upgrade(self, status: u16) -> Settled {
        let from_client = self.connection.buffer.as_ref().map_or(0, |buffer| buffer.filled().len());
        let from_worker = self.down_buffer.as_ref().map_or(0, |buffer| buffer.filled().len());
        let link = LinkFate::Upgrade { from_client, from_worker, buffer: self.down_buffer };
        Settled { after: After::Close, status, link }
    }

    fn after(&self) -> After {
        let offered_switch = self.request.upgrade && self.connection.buffer.is_some();
        match self.up {
            Up::Closed => After::Close,
            Up::Held | Up::Streaming => After::Linger,
            // Bytes after an offer to switch may be of either protocol: they are not read as HTTP.
            Up::Sent if offered_switch => After::Linger,
            Up::Sent if self.link_closes() || self.request.persistence == Persistence::Close => After::Linger,
            Up::Sent => After::KeepAlive,
        }
    }
}

/// While draining, the client is told not to come back on this connection.
fn say_close(buffer: &mut Buffer, response: &mut Response) {
    if response.persistence == Persistence::Close || response.status == 101 {
        return;
    }
    const CLOSE: &[u8] = b"Connection: close\r\n";
    let end = response.head_len - 2;
    let line = response.connection_line.clone().unwrap_or(end..end);
    response.head_len = response.head_len - line.len() + CLOSE.len();
    buffer.splice(line, CLOSE);
    response.persistence = Persistence::Close;
}
