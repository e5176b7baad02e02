//! The sink that is always there: our own stdout and stderr, as the workers wrote to theirs, byte for byte unless
//! another format is asked for.
//!
//! Each of the two has a queue and a thread of its own, because the reader of the one may be stuck while that of the
//! other is not.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::format::Format;
use super::{rank_of, spawn};
use crate::concerns::logs::record::{Record, Sink, Stream};
use crate::config;
use crate::observe::logs::stats::Stats;
use crate::observe::ship::queue::{Limits, Queue};
use crate::observe::ship::until::Until;
use crate::observe::ship::{Outlet, Shipper, Trouble};
use crate::sys::output::Target;

/// Written at once: enough to make the call cheap, and less than readers have room for.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(in crate::observe::logs) struct Standard {
    stdout: Arc<Queue<Record>>,
    stderr: Arc<Queue<Record>>,
}

impl Standard {
    pub(in crate::observe::logs) fn start(settings: &config::Standard, stats: &Stats) -> io::Result<Self> {
        let start = |name: &str, target: Target| {
            let queue = Arc::new(Queue::new(rank_of(settings.level), settings.queue_bytes, stats.sink(name)));
            let format = Format::on(settings.format, target);
            let outlet = Ours { target, format, text: Vec::new(), written: 0 };
            let shipper = Shipper::new(Arc::clone(&queue), Box::new(outlet));
            spawn(name, move || shipper.run()).map(|()| queue)
        };
        Ok(Self { stdout: start("stdout", Target::Stdout)?, stderr: start("stderr", Target::Stderr)? })
    }

    /// How many records the queue of this stream has been offered.
    pub(in crate::observe::logs) fn offered(&self, stream: Stream) -> u64 {
        self.queue(stream).map_or(0, |queue| queue.offered())
    }

    /// As many records as that have been dealt with.
    pub(in crate::observe::logs) fn has_written(&self, stream: Stream, mark: u64) -> bool {
        self.queue(stream).is_none_or(|queue| queue.is_done_up_to(mark))
    }

    /// What Plimsoll itself says is written by `cli::logging`.
    fn queue(&self, stream: Stream) -> Option<&Arc<Queue<Record>>> {
        match stream {
            Stream::Stdout | Stream::Gateway => Some(&self.stdout),
            Stream::Stderr => Some(&self.stderr),
            Stream::Plimsoll => None,
        }
    }
}

impl Sink for Standard {
    fn name(&self) -> &str {
        "stdout"
    }

    fn offer(&self, records: &[Arc<Record>]) {
        for queue in [&self.stdout, &self.stderr] {
            let is_own =
                |record: &&Arc<Record>| self.queue(record.stream).is_some_and(|own| Arc::ptr_eq(own, queue));
            queue.offer(records.iter().filter(is_own));
        }
    }

    fn close(&self, deadline: Instant) {
        self.stdout.close(deadline);
        self.stderr.close(deadline);
    }

    fn wait(&self, deadline: Instant) {
        self.stdout.tell_what_is_lost(deadline);
        self.stderr.tell_what_is_lost(deadline);
    }
}

struct Ours {
    target: Target,
    format: Format,
    text: Vec<u8>,
    /// Of the current batch: so many bytes have left. They do not leave again when the rest is tried once more.
    written: usize,
}

impl Outlet<Record> for Ours {
    fn deliver(&mut self, batch: &[Arc<Record>], _until: &Until) -> Result<(), Trouble> {
        self.text.clear();
        batch.iter().for_each(|record| self.format.write(record, &mut self.text));
        self.target.write_rest(&self.text, &mut self.written).map_err(|error| trouble(&error))?;
        self.written = 0;
        Ok(())
    }

    fn limits(&self) -> Limits {
        Limits { bytes: WRITE_BYTES, within: Duration::ZERO }
    }
}

/// Nobody reads the stream any more, or it was closed before we began: the workers must not suffer from that. All
/// else, such as the full disk that it is on, may be over in a moment.
fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::BrokenPipe => Trouble::Gone,
        _ if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => Trouble::Gone,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Trouble::later(error, "make room where it is redirected to")
        }
        _ => Trouble::later(error, "see where it is redirected to"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stream_that_nobody_reads_any_more_is_gone() {
        for (errno, is_gone) in [
            (Errno::PIPE, true),
            (Errno::BADF, true),
            (Errno::NOSPC, false),
            (Errno::DQUOT, false),
            (Errno::IO, false),
        ] {
            assert_eq!(trouble(&errno.into()) == Trouble::Gone, is_gone, "{errno}");
        }
    }
}
