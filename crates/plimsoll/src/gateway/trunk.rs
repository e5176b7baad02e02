//! Trunks: links in shared memory (`plimsoll_wire::trunk` has the agreement).
//!
//! A thread has one trunk with each server of each worker that can have one. Links are opened in it without a system call, bytes
//! go both ways without one, and who sleeps is woken once for all that came since. Where there is no trunk, or it has no link
//! left, a link is a socket.
//!
//! Nobody waits on a trunk's own descriptor: a worker's bell only ends the thread's sleep. Whenever the thread has nothing left
//! to do ([`before_sleep`]), each time something is sent, and at its regular looks, as a busy one never has nothing to do, it looks at the bits of
//! its trunks and wakes the tasks whose links they name.

mod memory;
mod ring;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as Std;
use std::rc::{Rc, Weak};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::task::Waker;

use plimsoll_wire::trunk::{
    self as wire, BASE, BITS, GATEWAY_SLEEPS, LINKS, MAGIC, SENT, SIDE, STATE, TAKEN, TO_GATEWAY, TO_WORKER,
    WORKER_SLEEPS, link_state, state,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use self::memory::Memory;
pub(super) use self::ring::RingStream;
use super::inquest::DEATH_THROES;
use super::unix::UnixStream;
use crate::sys::readiness;
use crate::sys::shared;

thread_local! {
    /// Those of this thread.
    static TRUNKS: RefCell<Vec<Weak<Trunk>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(super) struct Trunk {
    memory: Memory,
    worker_bell: OwnedFd,
    /// Registered, so that it ends the thread's sleep; never read, as each ringing of it is an event.
    _bell: AsyncFd<OwnedFd>,
    ends: RefCell<Box<[End]>>,
    /// The worker has let go of it, or is gone.
    is_over: Cell<bool>,
    line: RefCell<Option<AbortHandle>>,
}

/// Our end of a link.
#[derive(Debug, Default)]
struct End {
    used: Used,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Used {
    #[default]
    No,
    Yes,
    /// We have left it, the worker has not.
    Leaving,
}

impl Trunk {
    /// Offers a trunk to whoever listens behind `connection`, which nothing has been sent on.
    ///
    /// # Errors
    /// The memory or a descriptor could not be had, or not be sent.
    pub(super) fn offer(connection: Std) -> io::Result<Rc<Self>> {
        let (memory, file) = Memory::create()?;
        let words = [MAGIC, u32::from(plimsoll_wire::VERSION), u32::try_from(LINKS).unwrap_or(0)];
        for (index, word) in words.into_iter().enumerate() {
            memory.word(index).into_iter().for_each(|at| at.store(word, Relaxed));
        }
        let (worker_bell, bell) = (shared::bell()?, shared::bell()?);
        shared::hand_over(&connection, &[file.as_fd(), worker_bell.as_fd(), bell.as_fd()])?;
        let trunk = Rc::new(Self {
            memory,
            worker_bell,
            _bell: readiness::register(bell, Interest::READABLE)?,
            ends: RefCell::new((0..LINKS).map(|_| End::default()).collect()),
            is_over: Cell::new(false),
            line: RefCell::default(),
        });
        let line = UnixStream::new(connection)?;
        let ends = Rc::downgrade(&trunk);
        let watch = async move {
            // Nothing is ever said on it, so what comes is its end.
            let _end = poll_fn(|cx| line.poll_read_ready(cx)).await;
            let Some(trunk) = ends.upgrade() else { return };
            trunk.is_over.set(true);
            // What is sent elsewhere now must not find the socket that the process is about to close.
            tokio::time::sleep(DEATH_THROES).await;
            trunk.end();
        };
        *trunk.line.borrow_mut() = Some(tokio::task::spawn_local(watch).abort_handle());
        TRUNKS.with_borrow_mut(|all| {
            all.retain(|one| one.strong_count() > 0);
            all.push(Rc::downgrade(&trunk));
        });
        Ok(trunk)
    }

    /// The worker takes links.
    fn is_ready(&self) -> bool {
        let says = self.memory.word(STATE).map(|word| word.load(Acquire));
        !self.is_over.get() && says == Some(state::TAKES_LINKS)
    }

    /// Another link can be opened.
    pub(super) fn has_room(&self) -> bool {
        self.is_ready() && self.ends.borrow().iter().any(|end| end.used == Used::No)
    }

    /// A fresh link; `None` where the worker takes none, or has as many as there can be.
    pub(super) fn open(self: &Rc<Self>) -> Option<RingStream> {
        if !self.is_ready() {
            return None;
        }
        let index = self.ends.borrow().iter().position(|end| end.used == Used::No)?;
        if let Some(end) = self.ends.borrow_mut().get_mut(index) {
            *end = End { used: Used::Yes, ..End::default() };
        }
        // The worker has left the link, or was never in it. It may still look at the bit that told of our leaving: it reads its own
        // side first and ours then, so that ours must not say anything old once its own does not say that it has gone.
        let (side, their_side) = self.memory.link(index, SIDE)?;
        side.store(0, Relaxed);
        their_side.store(0, Release);
        for word in [SENT, TAKEN, BASE] {
            let (ours, theirs) = self.memory.link(index, word)?;
            theirs.store(0, Relaxed);
            ours.store(0, Relaxed);
        }
        side.store(link_state::OPEN, Release);
        self.tell(index);
        Some(RingStream::new(Rc::clone(self), index))
    }

    /// Something about the link is new.
    fn tell(&self, link: usize) {
        let (Some(bits), Some(sleeps)) =
            (self.memory.word(TO_WORKER + link / 32), self.memory.word(WORKER_SLEEPS))
        else {
            return;
        };
        if wire::tell(bits, link, sleeps) {
            shared::ring(&self.worker_bell);
        }
    }

    /// Looks at what the worker has told.
    fn collect(&self) -> bool {
        let mut found = false;
        for index in 0..BITS {
            let mut bits = self.memory.word(TO_GATEWAY + index).map_or(0, wire::hear);
            while bits != 0 {
                self.heed(index * 32 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
                found = true;
            }
        }
        found
    }

    fn heed(&self, link: usize) {
        let mut ends = self.ends.borrow_mut();
        let Some(end) = ends.get_mut(link) else { return };
        if end.used == Used::Leaving {
            self.free_if_left(link, end);
            return;
        }
        let waiting = [end.reader.take(), end.writer.take()];
        drop(ends);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// The worker has left the link as well: others may have it.
    fn free_if_left(&self, link: usize, end: &mut End) {
        let says = self.memory.link(link, SIDE).map_or(0, |(_, theirs)| theirs.load(Acquire));
        if says & link_state::GONE != 0 {
            end.used = Used::No;
            self.memory.forget(link);
        }
    }

    /// We have left the link.
    fn leave(&self, link: usize) {
        if let Some((ours, _)) = self.memory.link(link, SIDE) {
            ours.fetch_or(link_state::GONE, SeqCst);
        }
        self.tell(link);
        if let Some(end) = self.ends.borrow_mut().get_mut(link) {
            *end = End { used: Used::Leaving, ..End::default() };
            self.free_if_left(link, end);
        }
    }

    /// Whoever waits finds that it is over.
    fn end(&self) {
        let mut ends = self.ends.borrow_mut();
        let waiting: Vec<Waker> =
            ends.iter_mut().flat_map(|end| [end.reader.take(), end.writer.take()]).flatten().collect();
        drop(ends);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn sleeps(&self) -> Option<&AtomicU32> {
        self.memory.word(GATEWAY_SLEEPS)
    }
}

impl Drop for Trunk {
    /// The connection goes with the task that watches it, and tells the worker.
    fn drop(&mut self) {
        if let Some(line) = self.line.get_mut() {
            line.abort();
        }
    }
}

/// The thread has nothing to do; whether that has changed.
pub(super) fn collect() -> bool {
    let mut found = false;
    each(|trunk| found |= trunk.collect());
    found
}

/// The thread is about to sleep: workers ring from now on.
pub(super) fn before_sleep() {
    each(|trunk| trunk.sleeps().into_iter().for_each(wire::doze));
    collect();
}

/// Workers need not ring.
pub(super) fn after_sleep() {
    each(|trunk| trunk.sleeps().into_iter().for_each(|word| word.store(0, SeqCst)));
}

fn each(mut act: impl FnMut(&Trunk)) {
    // Tasks that are woken run later, so that nobody opens or drops a trunk meanwhile.
    TRUNKS.with_borrow(|all| all.iter().filter_map(Weak::upgrade).for_each(|trunk| act(&trunk)));
}

#[cfg(test)]
mod tests;
