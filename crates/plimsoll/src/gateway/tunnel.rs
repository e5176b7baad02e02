//! Bytes both ways until both sides are done: upgraded connections (WebSocket and any other protocol) and
//! connections that are passed through (the app's own TLS, HTTP/2). Half-closes are passed on as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::buffer::Buffer;
use super::connection::Connection;
use super::http1::body::Body;
use super::links::Link;
use super::pump::{Error, Finish, Pump};
use super::watch::{Phase, Time};

pub(super) struct Tunnel {
    link: Link,
    /// Client to worker; its buffer is the connection's.
    up: Direction,
    down: Direction,
    down_buffer: Option<Buffer>,
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
    fn new(ready: usize) -> Self {
        Self { pump: Pump::new(Body::UntilClose, ready), state: State::Moving }
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

/// A socket failed: nothing more can pass, in either direction.
struct Broken;

impl Tunnel {
    /// `from_client` and `from_worker` bytes are already in the buffers.
    pub(super) fn new(
        mut link: Link,
        from_client: usize,
        from_worker: usize,
        down_buffer: Option<Buffer>,
    ) -> Self {
        link.becomes_tunnel();
        Self { link, up: Direction::new(from_client), down: Direction::new(from_worker), down_buffer }
    }

    pub(super) async fn run(mut self, mut connection: Connection) {
        connection.watch.set_deadline(Time::NEVER);
        std::future::poll_fn(|cx| self.poll(cx, &mut connection)).await;
        let stats = &connection.thread.stats;
        stats.bytes_from_clients.add(self.up.pump.moved);
        stats.bytes_to_clients.add(self.down.pump.moved);
    }

    fn poll(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        connection.watch.register(cx);
        if connection.watch.phase() == Phase::Aborting || self.advance(cx, connection).is_err() {
            return Poll::Ready(());
        }
        self.up.end(cx, &mut self.link.stream);
        self.down.end(cx, &mut connection.client);
        if self.up.state == State::Done && self.down.state == State::Done {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn advance(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Result<(), Broken> {
        let Connection { client, buffer, thread, .. } = connection;
        if self.up.state == State::Moving {
            let ends = (&mut *client, &mut self.link.stream);
            let poll = self.up.pump.poll(cx, ends, buffer, &thread.pool);
            self.up.settle(poll)?;
        }
        if self.down.state == State::Moving {
            let ends = (&mut self.link.stream, client);
            let poll = self.down.pump.poll(cx, ends, &mut self.down_buffer, &thread.pool);
            self.down.settle(poll)?;
        }
        Ok(())
    }
}
