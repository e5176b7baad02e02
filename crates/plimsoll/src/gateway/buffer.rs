//! Byte buffers that are borrowed for as long as bytes are in them, and no longer: an idle connection holds
//! none. One [`Pool`] per gateway thread.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use tokio::io::{AsyncRead, ReadBuf};

/// Size of a fresh buffer: a whole request with a usual head, or a pipe-sized piece of a body.
pub(super) const SIZE: usize = 16 * 1024;
/// Size for a body that fills a buffer at once: fewer system calls per megabyte.
pub(super) const LARGE: usize = 128 * 1024;
/// Buffers kept for the next borrower: at most 4 MiB of small and 1 MiB of large ones per thread.
const SMALL_KEPT_MAX: usize = 256;
const LARGE_KEPT_MAX: usize = 8;
/// Beyond what a patch needs.
const SLACK: usize = 512;

/// The free buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Pool {
    small: RefCell<Vec<Box<[u8]>>>,
    large: RefCell<Vec<Box<[u8]>>>,
    borrowed: Cell<usize>,
}

impl Pool {
    pub(super) fn take(self: &Rc<Self>) -> Buffer {
        self.take_from(&self.small, SIZE)
    }

    pub(super) fn take_large(self: &Rc<Self>) -> Buffer {
        self.take_from(&self.large, LARGE)
    }

    /// How many buffers have bytes in them.
    pub(super) fn borrowed(&self) -> usize {
        self.borrowed.get()
    }

    fn take_from(self: &Rc<Self>, free: &RefCell<Vec<Box<[u8]>>>, size: usize) -> Buffer {
        let bytes = free.borrow_mut().pop().unwrap_or_else(|| vec![0; size].into_boxed_slice());
        self.borrowed.set(self.borrowed.get() + 1);
        Buffer { bytes, start: 0, end: 0, pool: Rc::clone(self) }
    }
}

/// Bytes that came and have not gone yet.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    pool: Rc<Pool>,
}

impl Buffer {
    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the first `count` bytes: they went where they had to go.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// No more can be read without [`Self::grow`], also after moving what is there to the front.
    pub(super) fn is_full(&self) -> bool {
        self.end - self.start == self.bytes.len()
    }

    /// Doubles the capacity, up to `max`.
    pub(super) fn grow(&mut self, max: usize) {
        let capacity = (self.bytes.len() * 2).min(max).max(self.bytes.len());
        let mut grown = vec![0; capacity].into_boxed_slice();
        let length = self.end - self.start;
        if let (Some(to), Some(from)) = (grown.get_mut(..length), self.bytes.get(self.start..self.end)) {
            to.copy_from_slice(from);
        }
        self.bytes = grown;
        self.start = 0;
        self.end = length;
    }

    /// Puts `patch` in the place of `range` of what is filled.
    pub(super) fn splice(&mut self, range: std::ops::Range<usize>, patch: &[u8]) {
        let length = self.end - self.start;
        let patched = length - range.len() + patch.len();
        if self.start + patched > self.bytes.len() {
            // With room for more: who reads on wants to see whether anything comes.
            self.grow((patched + SLACK).max(self.bytes.len()));
        }
        let at = self.start + range.start;
        self.bytes.copy_within(self.start + range.end..self.end, at + patch.len());
        if let Some(to) = self.bytes.get_mut(at..at + patch.len()) {
            to.copy_from_slice(patch);
        }
        self.end = self.start + patched;
    }

    /// Reads once into the free space; 0 is the end of the stream. The buffer must not be full.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        debug_assert!(!self.is_full(), "reading into a full buffer looks like the end of the stream");
        let mut free = ReadBuf::new(self.bytes.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(cx, &mut free))?;
        let count = free.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.borrowed.set(self.pool.borrowed.get() - 1);
        // Odd sizes are not kept: one large head must not cost memory for ever.
        let (free, max) = match self.bytes.len() {
            SIZE => (&self.pool.small, SMALL_KEPT_MAX),
            LARGE => (&self.pool.large, LARGE_KEPT_MAX),
            _ => return,
        };
        let mut free = free.borrow_mut();
        if free.len() < max {
            free.push(mem::take(&mut self.bytes));
        }
    }
}
