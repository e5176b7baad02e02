//! The thread that empties the workers' pipes into the ring. It does nothing else.
//!
//! One thread for all pipes: it copies gigabytes a second, so there is nothing to share out, and a worker that is
//! started or ends makes no thread. After a read that found little, it lets more come for a millisecond before it
//! looks again: the pipe has room for far more than that, and an app that prints line by line would otherwise pay for
//! a wake-up with each. A pipe through which much comes is not even watched: since Linux has epoll, a pipe that somebody
//! watches wakes the watcher with every write, and the app pays for that, some hundred nanoseconds a line.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, ioctl_fionbio, read, write};

use super::ring::{Item, Ring};
use super::source::{Origin, Source};
use super::stats::WorkerStats;
use super::tail::Tail;
use crate::concerns::logs::Gap;
use crate::observe::now;

const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 64;
/// As many as empty a pipe of the largest size that is asked for, if each gives a page.
const LAST_READS: usize = 256;
/// The id of no source: somebody wants the drain to end.
const WAKE: u64 = 0;
/// In one read: then it is worth not to watch the pipe, but to look at it each millisecond.
const MUCH_BYTES: usize = 4096;
/// It is watched again after so many looks that found less.
const LOOKS_MAX: u32 = 4;
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const GATHER: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

#[derive(Debug)]
pub(super) struct Drain {
    epoll: OwnedFd,
    wake: OwnedFd,
    /// Those whose pipe has not ended.
    sources: Mutex<HashMap<u64, Arc<Source>>>,
    last_id: AtomicU64,
    is_closing: AtomicBool,
    ring: Arc<Ring>,
}

/// A pipe through which so much comes that it is looked at without being watched.
struct Unwatched {
    source: Arc<Source>,
    /// Those in a row that found little.
    looks: u32,
}

impl Drain {
    pub(super) fn new(ring: Arc<Ring>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake,
            sources: Mutex::default(),
            last_id: AtomicU64::new(WAKE),
            is_closing: AtomicBool::new(false),
            ring,
        })
    }

    pub(super) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    pub(super) fn adopt(
        &self,
        origin: Origin,
        pipe: OwnedFd,
        tail: Tail,
        stats: Arc<WorkerStats>,
    ) -> io::Result<Arc<Source>> {
        // Our end alone: the worker's waits for room, or does not, as Node likes it.
        ioctl_fionbio(&pipe, true)?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let source = Arc::new(Source::new(id, origin, pipe, tail, stats));
        self.sources().insert(id, Arc::clone(&source));
        if let Err(error) = epoll::add(&self.epoll, &source.pipe, EventData::new_u64(id), EventFlags::IN) {
            self.sources().remove(&id);
            return Err(error.into());
        }
        Ok(source)
    }

    /// Makes the thread read what is left in the pipes, and end.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        // A counter that is full wakes as well.
        let _ = write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn run(&self) {
        let mut buffer = vec![0; READ_BYTES];
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        let mut unwatched: Vec<Unwatched> = Vec::new();
        while !self.is_closing.load(Ordering::SeqCst) {
            events.clear();
            let within = if unwatched.is_empty() { None } else { Some(&AT_ONCE) };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), within) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_broken) => break,
            }
            let mut is_full = false;
            unwatched.retain_mut(|one| {
                let length = self.read_once(&one.source, &mut buffer);
                is_full |= length == buffer.len();
                one.looks = if length >= MUCH_BYTES { 0 } else { one.looks + 1 };
                !one.source.is_ended.load(Ordering::SeqCst)
                    && (one.looks <= LOOKS_MAX || !self.watch(&one.source))
            });
            for event in &events {
                let Some(source) = self.sources().get(&event.data.u64()).cloned() else { continue };
                let length = self.read_once(&source, &mut buffer);
                is_full |= length == buffer.len();
                if length >= MUCH_BYTES && epoll::delete(&self.epoll, &source.pipe).is_ok() {
                    unwatched.push(Unwatched { source, looks: 0 });
                }
            }
            if !is_full {
                self.gather();
            }
        }
        self.finish(&mut buffer);
    }

    /// Whether the pipe is watched from now on.
    fn watch(&self, source: &Source) -> bool {
        epoll::add(&self.epoll, &source.pipe, EventData::new_u64(source.id), EventFlags::IN).is_ok()
    }

    /// Lets more come, unless somebody wants the end.
    fn gather(&self) {
        let _woken_or_not = poll(&mut [PollFd::new(&self.wake, PollFlags::IN)], Some(&GATHER));
    }

    /// Moves what one read gives; how much that was.
    fn read_once(&self, source: &Arc<Source>, buffer: &mut [u8]) -> usize {
        source.is_busy.store(true, Ordering::SeqCst);
        let length = match read(&source.pipe, &mut *buffer) {
            Ok(0) => {
                self.end(source);
                0
            }
            Ok(length) => {
                self.pass_on(source, buffer.get(..length).unwrap_or_default());
                length
            }
            Err(Errno::INTR | Errno::AGAIN) => 0,
            Err(_broken) => {
                self.end(source);
                0
            }
        };
        source.is_busy.store(false, Ordering::SeqCst);
        // Most reads find little: only after a full one is it worth asking how much there was.
        if length == buffer.len() && source.waiting_bytes() + length as u64 >= source.full_bytes {
            source.stats.pipe_full.fetch_add(1, Ordering::Relaxed);
        }
        length
    }

    fn pass_on(&self, source: &Arc<Source>, bytes: &[u8]) {
        source.tail.push(bytes);
        source.stats.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let item = Item::Chunk {
            source: Arc::clone(source),
            at: now(),
            bytes: Bytes::copy_from_slice(bytes),
            after: source.missing.take(),
        };
        // Counted before it can be handled.
        source.moved.fetch_add(1, Ordering::SeqCst);
        if self.ring.push(item).is_err() {
            source.moved.fetch_sub(1, Ordering::SeqCst);
            source.missing.note(Gap::after(bytes));
            let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
            source.stats.lost_lines.fetch_add(lines, Ordering::Relaxed);
            source.stats.lost_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    }

    fn end(&self, source: &Arc<Source>) {
        let _gone_already = epoll::delete(&self.epoll, &source.pipe);
        self.sources().remove(&source.id);
        source.moved.fetch_add(1, Ordering::SeqCst);
        if self.ring.push(Item::End(Arc::clone(source))).is_err() {
            source.moved.fetch_sub(1, Ordering::SeqCst);
        }
        source.is_ended.store(true, Ordering::SeqCst);
    }

    /// The end of all: what is in the pipes now is the last.
    fn finish(&self, buffer: &mut [u8]) {
        let sources: Vec<Arc<Source>> = self.sources().values().cloned().collect();
        for source in sources {
            // Processes that were left behind may go on writing: not longer than a full pipe.
            for _ in 0..LAST_READS {
                if source.waiting_bytes() == 0 || self.read_once(&source, buffer) == 0 {
                    break;
                }
            }
            if !source.is_ended.load(Ordering::SeqCst) {
                self.end(&source);
            }
        }
        self.ring.close();
    }

    /// A thread that panicked here has left a whole table behind: there is nothing to repair.
    fn sources(&self) -> MutexGuard<'_, HashMap<u64, Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concerns::logs::record::Stream;
    use crate::ids::WorkerId;
    use crate::observe::logs::source::pipe;

    #[test]
    fn after_what_found_no_room_it_is_known_whether_a_whole_line_comes() {
        let ring = Arc::new(Ring::new(1000));
        let drain = Drain::new(Arc::clone(&ring)).unwrap();
        let origin = Origin { worker: WorkerId { index: 0, incarnation: 0 }, pid: 7, stream: Stream::Stdout };
        let (ours, _theirs) = pipe().unwrap();
        let source = drain.adopt(origin, ours, Tail::default(), Arc::default()).unwrap();
        let large = "x".repeat(1000);
        for (end, expected) in [("\n", Gap::AtNewline), ("", Gap::InLine)] {
            drain.pass_on(&source, format!("{large}{end}").as_bytes());
            drain.pass_on(&source, b"next\n");
            drain.pass_on(&source, b"and next\n");
            let mut taken = Vec::new();
            ring.take(None, &mut taken);
            let gaps: Vec<_> = taken
                .iter()
                .map(|item| match item {
                    Item::Chunk { after, .. } => *after,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(gaps, [Some(expected), None]);
            ring.release(&mut taken);
        }
        assert_eq!(source.stats.lost_lines.load(Ordering::Relaxed), 1);
    }
}
