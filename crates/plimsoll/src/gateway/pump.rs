//! Moves one body in one direction, with back-pressure: nothing is read before what was read has gone.
//!
//! The same pump serves request bodies, response bodies, upgraded connections and bytes that are passed
//! through; what differs is the [`Body`] that tells it where to stop. While it waits for its source it holds
//! no buffer.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::buffer::{Buffer, LARGE, Pool};
use super::http1::body::Body;
use super::http1::chunked;
use super::stream::Socket;
use super::trunk;

/// Bytes after which others have their turn: a source that is filled as fast as it is emptied never makes a pump wait, and who has
/// waited for as long as this takes (a tenth of a millisecond) does not notice.
const TURN: u64 = 2 * LARGE as u64;

#[derive(Debug)]
pub(super) struct Pump {
    pub(super) body: Body,
    /// Bytes at the front of the buffer that may be sent.
    pub(super) ready: usize,
    /// Bytes sent so far: progress for timeouts, traffic for metrics.
    pub(super) moved: u64,
    pub(super) waits_for: Side,
    /// The last read filled its buffer: there is more where that came from.
    in_bulk: bool,
}

/// What a pump that does not move is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Sink,
}

#[derive(Debug)]
pub(super) enum Finish {
    /// The body ended; what is left in the buffer comes after it.
    BodyEnd,
    /// The source ended: the end of a body that has no other, too early for every other.
    SourceEnd,
}

#[derive(Debug)]
pub(super) enum Error {
    Source,
    Sink,
    Framing(chunked::Error),
}

impl Pump {
    /// `ready` bytes at the front of the buffer have already been found to belong to this message.
    pub(super) fn new(body: Body, ready: usize) -> Self {
        Self { body, ready, moved: 0, waits_for: Side::Source, in_bulk: false }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        (source, sink): (&mut impl Socket, &mut (impl AsyncWrite + Unpin)),
        buffer: &mut Option<Buffer>,
        pool: &Rc<Pool>,
    ) -> Poll<Result<Finish, Error>> {
        let begun = self.moved;
        loop {
            ready!(self.poll_flush(cx, sink, buffer))?;
            if self.body.is_done() {
                return Poll::Ready(Ok(Finish::BodyEnd));
            }
            if self.moved - begun >= TURN {
                return let_others(cx);
            }
            if source.poll_read_ready(cx).is_pending() {
                *buffer = None;
                return Poll::Pending;
            }
            let bytes = self.borrow(buffer, pool);
            let count = ready!(bytes.poll_read(cx, source)).map_err(|_| Error::Source)?;
            self.in_bulk = bytes.is_full();
            if count == 0 {
                return Poll::Ready(Ok(Finish::SourceEnd));
            }
            self.ready = self.body.advance(bytes.filled()).map_err(Error::Framing)?;
        }
    }

    fn borrow<'b>(&self, buffer: &'b mut Option<Buffer>, pool: &Rc<Pool>) -> &'b mut Buffer {
        if self.in_bulk && buffer.as_ref().is_none_or(|buffer| buffer.capacity() < LARGE) {
            *buffer = None;
        }
        buffer.get_or_insert_with(|| if self.in_bulk { pool.take_large() } else { pool.take() })
    }

    /// Sends what is ready.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut (impl AsyncWrite + Unpin),
        buffer: &mut Option<Buffer>,
    ) -> Poll<Result<(), Error>> {
        let Some(bytes) = buffer else { return Poll::Ready(Ok(())) };
        while self.ready > 0 {
            self.waits_for = Side::Sink;
            let part = bytes.filled().get(..self.ready).unwrap_or_default();
            let count = ready!(Pin::new(&mut *sink).poll_write(cx, part)).map_err(|_| Error::Sink)?;
            if count == 0 {
                return Poll::Ready(Err(Error::Sink));
            }
            bytes.consume(count);
            self.ready -= count;
            self.moved += count as u64;
        }
        self.waits_for = Side::Source;
        Poll::Ready(Ok(()))
    }
}

/// The task goes on when all that can run has run, and the events that came meanwhile are known.
fn let_others<T>(cx: &mut Context<'_>) -> Poll<T> {
    trunk::collect();
    let _pending = pin!(tokio::task::yield_now()).poll(cx);
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{Join, Repeat, Sink, join, repeat, sink};

    use super::*;

    /// Has always more, and takes everything.
    impl Socket for Join<Repeat, Sink> {
        fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn others_have_their_turn_while_there_is_always_more() {
        let total = 10 * TURN;
        let (pool, mut buffer) = (Rc::default(), None);
        let mut pump = Pump::new(Body::Length(total), 0);
        let (mut source, mut target) = (join(repeat(0), sink()), sink());
        let mut turns = 0;
        let finish = std::future::poll_fn(|cx| {
            let before = pump.moved;
            let poll = pump.poll(cx, (&mut source, &mut target), &mut buffer, &pool);
            assert!(pump.moved - before < TURN + LARGE as u64);
            turns += 1;
            poll
        });
        assert!(matches!(finish.await, Ok(Finish::BodyEnd)));
        assert!(turns >= 9 && pump.moved == total);
    }
}
