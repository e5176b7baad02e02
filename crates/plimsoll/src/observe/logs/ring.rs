//! Bytes between the drain and the processor: bounded, and full means dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use bytes::Bytes;

use super::access::Chunk;
use super::source::Source;
use crate::concerns::logs::Gap;
use crate::concerns::logs::record::Level;

/// What a chunk takes beside its bytes.
const ITEM_BYTES: usize = 128;
/// Taken out at once; more would hold memory that the ring counts as free.
const TAKEN_MAX: usize = 16;

#[derive(Debug)]
pub(super) enum Item {
    Chunk {
        source: Arc<Source>,
        /// Nanoseconds since the epoch.
        at: u64,
        bytes: Bytes,
        /// Bytes before it were dropped.
        after: Option<Gap>,
    },
    /// The pipe has ended.
    End(Arc<Source>),
    /// A line of Plimsoll itself.
    Own { level: Level, at: u64, line: Bytes },
    /// Lines of the access log.
    Access(Chunk),
}

impl Item {
    fn size(&self) -> usize {
        ITEM_BYTES
            + match self {
                Self::Chunk { bytes, .. } => bytes.len(),
                Self::Own { line, .. } => line.len(),
                Self::Access(chunk) => chunk.bytes(),
                Self::End(_) => 0,
            }
    }
}

#[derive(Debug)]
pub(super) struct Ring {
    state: Mutex<State>,
    filled: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    is_closed: bool,
    /// The processor sleeps.
    is_waiting: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Some,
    /// Nothing came in time.
    Nothing,
    Closed,
}

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), bytes_max }
    }

    /// `Err`: there is no room. The end of a pipe always has room.
    pub(super) fn push(&self, item: Item) -> Result<(), Item> {
        self.push_into(self.state(), item)
    }

    /// As [`Ring::push`]; `Err` also where somebody else is at it now.
    pub(super) fn try_push(&self, item: Item) -> Result<(), Item> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(item),
        };
        self.push_into(state, item)
    }

    fn push_into(&self, mut state: MutexGuard<'_, State>, item: Item) -> Result<(), Item> {
        let size = item.size();
        if state.is_closed || (state.bytes + size > self.bytes_max && !matches!(item, Item::End(_))) {
            return Err(item);
        }
        state.bytes += size;
        state.items.push_back(item);
        let is_waiting = std::mem::take(&mut state.is_waiting);
        drop(state);
        if is_waiting {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves the oldest items into `taken`, which is empty. `None`: wait for as long as it takes.
    pub(super) fn take(&self, within: Option<Duration>, taken: &mut Vec<Item>) -> Taken {
        let mut state = self.state();
        while state.items.is_empty() {
            if state.is_closed {
                return Taken::Closed;
            }
            state.is_waiting = true;
            state = match within {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(within) => {
                    let (mut state, timeout) =
                        self.filled.wait_timeout(state, within).unwrap_or_else(PoisonError::into_inner);
                    state.is_waiting = false;
                    if timeout.timed_out() && state.items.is_empty() && !state.is_closed {
                        return Taken::Nothing;
                    }
                    state
                }
            };
        }
        let count = state.items.len().min(TAKEN_MAX);
        taken.extend(state.items.drain(..count));
        Taken::Some
    }

    /// What was taken has been dealt with.
    pub(super) fn release(&self, taken: &mut Vec<Item>) {
        let size: usize = taken.iter().map(Item::size).sum();
        taken.clear();
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(size);
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Nothing comes any more; what is there is still taken.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
    }

    /// A thread that panicked here has left whole items behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
