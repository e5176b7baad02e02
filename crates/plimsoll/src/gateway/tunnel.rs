//! Bytes both ways until both sides are done: upgraded connections (WebSocket and any other protocol) and
//! connections that are passed through (the app's own TLS, HTTP/2). Half-closes are passed on as they come.
//!
//! While the gateway drains, a WebSocket gets a close frame with 1001 between two frames of the app's. The client
//! answers it, the app hears the client's answer and ends its side: both see an orderly close, and neither needs
//! to know of us.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::buffer::Buffer;
use super::connection::Connection;
use super::http1::body::Body;
use super::http1::websocket::{Frames, GOING_AWAY};
use super::links::Link;
use super::pump::{Error, Finish, Pump};
use super::watch::{Phase, Time};

pub(super) struct Tunnel {
    link: Link,
    /// Client to worker; its buffer is the connection's.
    to_worker: Direction,
    to_client: Direction,
    to_client_buffer: Option<Buffer>,
    farewell: Farewell,
}

/// How far the end of a WebSocket has come that the gateway asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Unsaid,
    /// The close frame is being sent; what the app still says is thrown away.
    Said,
}

struct Direction {
    pump: Pump,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Moving,
    /// The source has ended; the sink is to be told.
    Ending,
    Done,
}

impl Direction {
    fn new(body: Body, ready: usize) -> Self {
        Self { pump: Pump::new(body, ready), state: State::Moving }
    }

    /// Takes the outcome of one poll of the pump.
    fn settle(&mut self, poll: Poll<Result<Finish, Error>>) -> Result<(), Broken> {
        match poll {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(_)) => {
                self.state = State::Ending;
                Ok(())
            }
            Poll::Ready(Err(_)) => Err(Broken),
        }
    }

    fn end(&mut self, cx: &mut Context<'_>, sink: &mut (impl AsyncWrite + Unpin)) {
        if self.state == State::Ending && Pin::new(sink).poll_shutdown(cx).is_ready() {
            self.state = State::Done;
        }
    }
}

/// What was switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    WebSocket,
    Other,
}

/// A socket failed: nothing more can pass, in either direction.
struct Broken;

impl Tunnel {
    /// Bytes that came before are already in the connection's buffer and in `to_client_buffer`.
    pub(super) fn new(
        mut link: Link,
        protocol: Protocol,
        from_client: usize,
        to_client_buffer: Option<Buffer>,
    ) -> Self {
        link.becomes_tunnel();
        let mut body = match protocol {
            Protocol::WebSocket => Body::WebSocket(Frames::default()),
            Protocol::Other => Body::UntilClose,
        };
        let from_worker = to_client_buffer.as_ref().map(Buffer::filled).unwrap_or_default();
        // Neither of the two bodies can be broken or end.
        let ready = body.advance(from_worker).unwrap_or_default();
        let to_worker = Direction::new(Body::UntilClose, from_client);
        Self {
            link,
            to_worker,
            to_client: Direction::new(body, ready),
            to_client_buffer,
            farewell: Farewell::Unsaid,
        }
    }

    pub(super) async fn run(mut self, mut connection: Connection) {
        connection.watch.set_deadline(Time::NEVER);
        std::future::poll_fn(|cx| self.poll(cx, &mut connection)).await;
        let stats = &connection.thread.stats;
        stats.bytes_from_clients.add(self.to_worker.pump.moved);
        stats.bytes_to_clients.add(self.to_client.pump.moved);
    }

    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        connection.watch.register(cx);
        if connection.watch.phase() == Phase::Aborting || self.advance(cx, connection).is_err() {
            return Poll::Ready(());
        }
        let must_end = connection.watch.closes_upgraded() || self.link.worker.closes_upgraded.get();
        if must_end && self.say_farewell(cx, connection).is_err() {
            return Poll::Ready(());
        }
        self.to_worker.end(cx, &mut self.link.stream);
        self.to_client.end(cx, &mut connection.client);
        let is_over = self.to_worker.state == State::Done && self.to_client.state == State::Done;
        if is_over || self.is_abandoned(connection) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// The worker has closed its end, the client was told, and does not close its own. Then nothing can pass any more, and the kernel
    /// would give up such a connection of the worker's own after a minute.
    fn is_abandoned(&self, connection: &Connection) -> bool {
        if self.to_client.state != State::Done {
            return false;
        }
        let Connection { watch, thread, .. } = connection;
        if watch.is_expired() && self.link.stream.is_hung_up() {
            return true;
        }
        if !watch.has_deadline() || watch.is_expired() {
            watch.set_deadline(watch.now().after(thread.config.write_timeout));
        }
        false
    }

    fn advance(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Result<(), Broken> {
        let Connection { client, buffer, thread, .. } = connection;
        if self.to_worker.state == State::Moving {
            let ends = (&mut *client, &mut self.link.stream);
            let poll = self.to_worker.pump.poll(cx, ends, buffer, &thread.pool);
            self.to_worker.settle(poll)?;
        }
        if self.farewell == Farewell::Said {
            return self.finish_farewell(cx, connection);
        }
        let Connection { client, thread, .. } = connection;
        if self.to_client.state == State::Moving {
            let ends = (&mut self.link.stream, client);
            let poll = self.to_client.pump.poll(cx, ends, &mut self.to_client_buffer, &thread.pool);
            self.to_client.settle(poll)?;
        }
        Ok(())
    }

    /// Between two frames of the app's, and with all of them on their way.
    fn say_farewell(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Result<(), Broken> {
        let Body::WebSocket(frames) = self.to_client.pump.body else { return Ok(()) };
        let may_speak = frames.at_boundary() && self.to_client.pump.ready == 0;
        if self.farewell == Farewell::Said || !may_speak || self.to_client.state != State::Moving {
            return Ok(());
        }
        self.farewell = Farewell::Said;
        let buffer = self.to_client_buffer.get_or_insert_with(|| connection.thread.pool.take());
        buffer.splice(0..0, &GOING_AWAY);
        self.to_client.pump.ready = GOING_AWAY.len();
        self.finish_farewell(cx, connection)
    }

    /// Sends the close frame; afterwards waits for the app to end its side.
    fn finish_farewell(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Result<(), Broken> {
        let sent = self.to_client.pump.poll_flush(cx, &mut connection.client, &mut self.to_client_buffer);
        match sent {
            Poll::Pending => return Ok(()),
            Poll::Ready(Err(_)) => return Err(Broken),
            Poll::Ready(Ok(())) => {}
        }
        while self.to_client.state == State::Moving {
            let buffer = self.to_client_buffer.get_or_insert_with(|| connection.thread.pool.take());
            buffer.consume(usize::MAX);
            match buffer.poll_read(cx, &mut self.link.stream) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => self.to_client.state = State::Ending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Broken),
            }
        }
        Ok(())
    }
}
