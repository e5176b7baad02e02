//! What workers print: one small thread per pipe, which reads whatever comes and passes it on in whole lines.
//!
//! The reader of our own stdout may be slow or gone; then this thread waits or throws away, never the
//! supervisor. It ends when the last process that holds the pipe's other end has ended.

mod lines;
mod tail;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread, read};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use self::lines::Lines;
pub(super) use self::tail::Tail;
use crate::sys::output::Target;

/// Node writes at once what the pipe has room for, and loses the rest on `process.exit()`: 84 of 400 KB
/// arrived with the usual 64 KB, all of it with this.
const PIPE_BYTES: usize = 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;
const STACK_BYTES: usize = 128 * 1024;

/// One pipe of a worker and the thread that reads it.
#[derive(Debug)]
pub(super) struct Pump {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    pipe: OwnedFd,
    /// Between reading and having passed on.
    busy: AtomicBool,
}

/// A pipe for a worker: our end and the worker's.
///
/// # Errors
/// As `pipe(2)` gives them.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    // The user's share of pipe memory may be used up: then it is the usual size.
    let _usual_size = fcntl_setpipe_size(&theirs, PIPE_BYTES);
    Ok((ours, theirs))
}

impl Pump {
    /// # Errors
    /// The thread could not be made.
    pub(super) fn start(name: String, pipe: OwnedFd, target: Target, tail: Tail) -> io::Result<Self> {
        let shared = Arc::new(Shared { pipe, busy: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || run(&own, &mut Output { target, tail, broken: false }))?;
        Ok(Self { shared, thread })
    }

    /// Everything that was written to the pipe up to now has been passed on. Once the worker has ended, this
    /// stays true, unless processes that it left behind go on writing.
    pub(super) fn is_settled(&self) -> bool {
        // The order matters: the thread is busy from before it takes bytes out of the pipe until it has
        // passed them on, so an empty pipe and then an idle thread mean that nothing is under way.
        let is_empty = ioctl_fionread(&self.shared.pipe).map_or(true, |bytes| bytes == 0);
        self.thread.is_finished() || (is_empty && !self.shared.busy.load(Ordering::SeqCst))
    }
}

fn run(shared: &Shared, output: &mut Output) {
    let mut lines = Lines::default();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        if let Err(error) = poll(&mut [PollFd::new(&shared.pipe, PollFlags::IN)], None)
            && error != Errno::INTR
        {
            break;
        }
        shared.busy.store(true, Ordering::SeqCst);
        match read(&shared.pipe, &mut chunk) {
            Ok(0) => break,
            Ok(length) => lines.feed(chunk.get(..length).unwrap_or_default(), |bytes| output.pass_on(bytes)),
            Err(Errno::INTR) => {}
            Err(_broken) => break,
        }
        shared.busy.store(false, Ordering::SeqCst);
    }
    lines.end(|bytes| output.pass_on(bytes));
}

/// Where the lines go.
struct Output {
    target: Target,
    tail: Tail,
    /// Nobody reads our stream any more; the worker must not suffer from that.
    broken: bool,
}

impl Output {
    fn pass_on(&mut self, bytes: &[u8]) {
        self.tail.push(bytes);
        if !self.broken {
            self.broken = self.target.write_all(bytes).is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_passed_on_before_a_pump_is_settled() {
        let (ours, theirs) = pipe().unwrap();
        let tail = Tail::default();
        let pump = Pump::start("test".into(), ours, Target::Stderr, tail.clone()).unwrap();
        rustix::io::write(&theirs, b"first\nhalf").unwrap();
        while !pump.is_settled() {
            thread::yield_now();
        }
        assert_eq!(tail.last_lines(9), ["first"], "the unfinished line waits");
        drop(theirs);
        pump.thread.join().unwrap();
        assert_eq!(tail.last_lines(9), ["first", "half"]);
    }
}
