//! A link in a trunk: what a connected socket is, for those who read and write.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Release, SeqCst};
use std::task::{Context, Poll, Waker};

use plimsoll_wire::trunk::{BASE, SENT, SIDE, TAKEN, link_state};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::memory::Ring;
use super::{End, Trunk};

/// Leaves the link when it is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct RingStream {
    trunk: Rc<Trunk>,
    link: usize,
    /// Bytes so far; both wrap. The trunk says the same, but others can write there.
    sent: u32,
    taken: u32,
    /// Of our ring: see the agreement.
    base: u32,
}

/// What there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Bytes(usize),
    End,
    Nothing,
    /// More than the ring holds.
    Nonsense,
}

impl RingStream {
    pub(super) fn new(trunk: Rc<Trunk>, link: usize) -> Self {
        Self { trunk, link, sent: 0, taken: 0, base: 0 }
    }

    /// Bytes, an end, or an error.
    pub(in crate::gateway) fn is_readable(&self) -> bool {
        self.look() != Found::Nothing
    }

    /// The worker has left the link: it reads nothing more from it.
    pub(in crate::gateway) fn is_left(&self) -> bool {
        let side = self.trunk.memory.link(self.link, SIDE).map_or(0, |(_, theirs)| theirs.load(Acquire));
        side & link_state::GONE != 0
    }

    pub(in crate::gateway) fn poll_read_ready(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.is_readable() {
            return Poll::Ready(Ok(()));
        }
        self.wait(cx, |end| &mut end.reader);
        Poll::Pending
    }

    fn look(&self) -> Found {
        let Some((_, side)) = self.trunk.memory.link(self.link, SIDE) else { return Found::Nonsense };
        // Who ends has sent everything before.
        let ends = side.load(Acquire) & (link_state::ENDED | link_state::GONE) != 0;
        let is_over = ends || self.trunk.is_over.get();
        match self.trunk.memory.link(self.link, SENT).map(|(_, theirs)| theirs.load(Acquire)) {
            None => Found::Nonsense,
            Some(sent) => match sent.wrapping_sub(self.taken) as usize {
                0 if is_over => Found::End,
                0 => Found::Nothing,
                count if count > Ring::Answers.size() => Found::Nonsense,
                count => Found::Bytes(count),
            },
        }
    }

    /// Bytes that there is room for.
    ///
    /// # Errors
    /// The worker has left, or says what cannot be.
    fn room(&self) -> io::Result<usize> {
        if self.is_left() || self.trunk.is_over.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = self.trunk.memory.link(self.link, TAKEN).map_or(0, |(_, theirs)| theirs.load(SeqCst));
        let lies = self.sent.wrapping_sub(taken) as usize;
        Ring::Requests.size().checked_sub(lies).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn wait(&self, cx: &Context<'_>, which: impl FnOnce(&mut End) -> &mut Option<Waker>) {
        if let Some(end) = self.trunk.ends.borrow_mut().get_mut(self.link) {
            let waker = which(end);
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }

    /// What the worker may be waiting for.
    fn is_waited_for(&self) -> bool {
        let side = self.trunk.memory.link(self.link, SIDE).map_or(0, |(_, theirs)| theirs.load(SeqCst));
        side & link_state::FULL != 0
    }

    fn set(&self, bit: u32) {
        if let Some((ours, _)) = self.trunk.memory.link(self.link, SIDE) {
            ours.fetch_or(bit, SeqCst);
        }
    }

    fn unset(&self, bit: u32) {
        if let Some((ours, _)) = self.trunk.memory.link(self.link, SIDE)
            && ours.load(Acquire) & bit != 0
        {
            ours.fetch_and(!bit, SeqCst);
        }
    }
}

impl AsyncRead for RingStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.look() {
            Found::Nonsense => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            Found::End => Poll::Ready(Ok(())),
            Found::Nothing => {
                this.wait(cx, |end| &mut end.reader);
                Poll::Pending
            }
            Found::Bytes(count) => {
                let unfilled = buffer.initialize_unfilled();
                let count = count.min(unfilled.len());
                let part = unfilled.get_mut(..count).unwrap_or_default();
                let base =
                    this.trunk.memory.link(this.link, BASE).map_or(0, |(_, theirs)| theirs.load(Acquire));
                let position = this.taken.wrapping_sub(base);
                this.trunk.memory.take(this.link, Ring::Answers, position, part);
                buffer.advance(count);
                this.taken = this.taken.wrapping_add(u32::try_from(count).unwrap_or(0));
                if let Some((ours, _)) = this.trunk.memory.link(this.link, TAKEN) {
                    ours.store(this.taken, SeqCst);
                }
                if this.is_waited_for() {
                    this.trunk.tell(this.link);
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for RingStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What was answered meanwhile is taken along: a thread that always has something to do never sleeps.
        this.trunk.collect();
        let mut room = this.room()?;
        if room == 0 {
            this.set(link_state::FULL);
            room = this.room()?;
            if room == 0 {
                this.wait(cx, |end| &mut end.writer);
                return Poll::Pending;
            }
        }
        this.unset(link_state::FULL);
        let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        if room == Ring::Requests.size()
            && let Some((ours, _)) = this.trunk.memory.link(this.link, BASE)
        {
            this.base = this.sent;
            ours.store(this.base, Release);
        }
        let position = this.sent.wrapping_sub(this.base);
        this.trunk.memory.put(this.link, Ring::Requests, position, part);
        this.sent = this.sent.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        if let Some((ours, _)) = this.trunk.memory.link(this.link, SENT) {
            ours.store(this.sent, Release);
        }
        this.trunk.tell(this.link);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.set(link_state::ENDED);
        this.trunk.tell(this.link);
        Poll::Ready(Ok(()))
    }
}

impl Drop for RingStream {
    fn drop(&mut self) {
        self.trunk.leave(self.link);
    }
}
