//! One pipe of a worker, as the drain, the processor and the supervisor share it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use rustix::io::ioctl_fionread;
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};

use super::sinks::Standard;
use super::stats::WorkerStats;
use super::tail::Tail;
use crate::concerns::logs::Gap;
use crate::concerns::logs::record::Stream;
use crate::ids::WorkerId;

/// Node writes at once what the pipe has room for, and loses the rest on `process.exit()`: 84 of 400 KB
/// arrived with the usual 64 KB, all of it with this.
const PIPE_BYTES: usize = 1024 * 1024;

/// Who writes into a pipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) worker: WorkerId,
    pub(super) pid: u32,
    pub(super) stream: Stream,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: u64,
    pub(super) origin: Origin,
    pub(super) pipe: OwnedFd,
    /// More bytes than this in the pipe, and the worker has begun to queue or to wait.
    pub(super) full_bytes: u64,
    pub(super) tail: Tail,
    pub(super) stats: Arc<WorkerStats>,
    /// Between reading and having passed on to the ring.
    pub(super) is_busy: AtomicBool,
    /// The last process that held the other end has closed it.
    pub(super) is_ended: AtomicBool,
    pub(super) missing: Missing,
    /// Items that the drain passed on, and those that the processor has dealt with.
    pub(super) moved: AtomicU64,
    pub(super) handled: AtomicU64,
    /// How much our own stream had been offered when the last of them was dealt with.
    pub(super) mark: AtomicU64,
}

/// What was dropped since the last chunk that was passed on.
#[derive(Debug, Default)]
pub(super) struct Missing(AtomicU8);

impl Missing {
    const NOTHING: u8 = 0;
    const AT_NEWLINE: u8 = 1;
    const IN_LINE: u8 = 2;

    pub(super) fn note(&self, gap: Gap) {
        let noted = match gap {
            Gap::AtNewline => Self::AT_NEWLINE,
            Gap::InLine => Self::IN_LINE,
        };
        self.0.store(noted, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Option<Gap> {
        match self.0.swap(Self::NOTHING, Ordering::Relaxed) {
            Self::NOTHING => None,
            Self::AT_NEWLINE => Some(Gap::AtNewline),
            _ => Some(Gap::InLine),
        }
    }
}

impl Source {
    pub(super) fn new(id: u64, origin: Origin, pipe: OwnedFd, tail: Tail, stats: Arc<WorkerStats>) -> Self {
        let size = fcntl_getpipe_size(&pipe).unwrap_or(PIPE_BYTES) as u64;
        Self {
            id,
            origin,
            pipe,
            // Small writes leave a little of each page unused.
            full_bytes: size / 8 * 7,
            tail,
            stats,
            is_busy: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            missing: Missing::default(),
            moved: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            mark: AtomicU64::new(0),
        }
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        ioctl_fionread(&self.pipe).unwrap_or(0)
    }
}

/// A pipe for a worker: our end and the worker's.
///
/// # Errors
/// As `pipe(2)` gives them.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    // The user's share of pipe memory may be used up: then it is as much as is allowed, or the usual size.
    let mut size = PIPE_BYTES;
    while fcntl_setpipe_size(&theirs, size).is_err() && size > 64 * 1024 {
        size /= 2;
    }
    Ok((ours, theirs))
}

/// A pipe that is being read, as the supervisor sees it.
#[derive(Debug)]
pub struct Tap {
    source: Arc<Source>,
    standard: Standard,
}

impl Tap {
    pub(super) fn new(source: Arc<Source>, standard: Standard) -> Self {
        Self { source, standard }
    }

    /// Everything that was written to the pipe up to now has come out at our own stream. Once the worker has ended,
    /// this stays true, unless processes that it left behind go on writing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        // The order matters: the drain is busy from before it takes bytes out of the pipe until they are counted as
        // moved, and the mark is set before they count as handled.
        let source = &self.source;
        let is_empty = source.is_ended.load(Ordering::SeqCst) || source.waiting_bytes() == 0;
        let is_moved = is_empty && !source.is_busy.load(Ordering::SeqCst);
        is_moved
            && source.handled.load(Ordering::SeqCst) >= source.moved.load(Ordering::SeqCst)
            && self.standard.has_written(source.origin.stream, source.mark.load(Ordering::SeqCst))
    }
}
