//! The pipeline of the log: from the workers' pipes to the sinks, without ever making the app wait.
//!
//! ```text
//!  pipes ─► drain ─► ring ─► processor ─┬─► sinks (each with a queue and a thread of its own)
//!           one      16 MiB   split,    ├─► recent (for `plimsoll logs`)
//!           thread            keep      └─► stats
//! ```
//!
//! The drain moves bytes and does nothing else; it takes no lock that is held for longer than a push. What the
//! processor cannot keep up with fills the ring, and then is dropped and counted. What a sink cannot keep up with is
//! dropped and counted by the sink. So memory is bounded, and nothing behind the pipe is ever waited for by the app.

mod access;
mod drain;
mod filter;
mod follow;
mod fullness;
pub mod look;
mod outcomes;
mod processor;
mod recent;
mod ring;
mod sinks;
mod source;
mod stats;
mod tail;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use self::access::{AccessLog, Lines};
use self::drain::Drain;
pub use self::filter::{PATH, Shown};
pub(super) use self::follow::answer;
pub use self::outcomes::{Heard, Outcomes, Told};
use self::processor::Processor;
pub use self::recent::Recent;
use self::ring::{Item, Ring};
use self::sinks::Standard;
pub use self::sinks::{Identity, SinkFigures};
pub use self::source::{Tap, pipe};
pub use self::stats::{Stats, WorkerFigures};
pub use self::tail::Tail;
use crate::concerns::logs::record::{Level, Sink, Stream};
use crate::concerns::logs::{Mode, Rules};
use crate::config;
use crate::ids::WorkerId;
use crate::observe::now;
use crate::observe::slow::Slow;

/// Packing takes a few hundred kilobytes of it; what is not touched costs nothing.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// The running pipeline; whoever holds it ends it.
#[derive(Debug)]
pub struct Pipeline {
    capture: Capture,
    recent: Arc<Recent>,
    closed: mpsc::Receiver<()>,
    deadline: mpsc::Sender<Instant>,
}

/// Takes pipes in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Capture {
    drain: Arc<Drain>,
    standard: Standard,
    stats: Arc<Stats>,
}

/// Takes in what Plimsoll itself says, once there is a pipeline. Cheap to clone; never waits.
#[derive(Debug, Clone, Default)]
pub struct Mirror(Arc<OnceLock<Arc<Ring>>>);

impl Pipeline {
    /// Starts the threads. What is kept goes to our own stdout and stderr, and to the sinks of the settings.
    ///
    /// # Errors
    /// A thread could not be made, or the system is out of file descriptors.
    pub fn start(settings: &config::Logs, identity: &Identity, heard: Heard) -> io::Result<Self> {
        let stats = Arc::<Stats>::default();
        let standard = Standard::start(&settings.standard, &stats)?;
        let mut all: Vec<Box<dyn Sink>> = vec![Box::new(standard.clone())];
        all.extend(sinks::start(&settings.sinks, identity, &stats)?);
        Self::start_with(settings, all, standard, stats, heard)
    }

    /// As [`Pipeline::start`], without our own streams and with `more` sinks: for measuring.
    ///
    /// # Errors
    /// As [`Pipeline::start`].
    pub fn start_alone(settings: &config::Logs, more: Vec<Box<dyn Sink>>) -> io::Result<Self> {
        let stats = Arc::<Stats>::default();
        let standard = Standard::start(&settings.standard, &stats)?;
        let identity = Identity { service: String::new(), host: String::new() };
        let mut all = sinks::start(&settings.sinks, &identity, &stats)?;
        all.extend(more);
        Self::start_with(settings, all, standard, stats, Outcomes::channel(&Slow::default()).1)
    }

    fn start_with(
        settings: &config::Logs,
        sinks: Vec<Box<dyn Sink>>,
        standard: Standard,
        stats: Arc<Stats>,
        heard: Heard,
    ) -> io::Result<Self> {
        let ring = Arc::new(Ring::new(settings.buffer_bytes));
        let recent = Arc::<Recent>::default();
        let (deadline, told) = mpsc::channel();
        let (done, closed) = mpsc::channel();
        let drain = Arc::new(Drain::new(Arc::clone(&ring))?);
        let processor = Processor::new(processor::Parts {
            rules: rules(settings),
            line_max: settings.line_bytes_max,
            ring,
            sinks,
            standard: standard.clone(),
            recent: Arc::clone(&recent),
            stats: Arc::clone(&stats),
            heard,
        });
        let own = Arc::clone(&drain);
        spawn("logs-drain", move || own.run())?;
        spawn("logs", move || {
            processor.run(&told);
            let _nobody_waits = done.send(());
        })?;
        let capture = Capture { drain, standard, stats };
        Ok(Self { capture, recent, closed, deadline })
    }

    #[must_use]
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    #[must_use]
    pub fn recent(&self) -> &Arc<Recent> {
        &self.recent
    }

    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.capture.stats
    }

    /// From now on what Plimsoll itself says is in the log as well.
    pub fn reflect(&self, mirror: &Mirror) {
        // A second pipeline of one process would be in a test: the first one has it.
        let _first = mirror.0.set(Arc::clone(self.capture.drain.ring()));
    }

    /// From now on the access log has somewhere to go.
    pub fn take_access(&self, access: &AccessLog) {
        access.connect(self.capture.drain.ring());
        self.capture.stats.watch_access(access);
    }

    /// What Plimsoll says last, after the pipeline has ended, is to be in the log as well.
    pub fn last_word(&self, level: Level, message: &str) {
        let line = Bytes::from(format!("plimsoll: {message}"));
        let _full = self.capture.drain.ring().push(Item::Own { level, at: now(), line });
    }

    /// The end: what is in the pipes is read, and everything delivered until `deadline`. Blocks until then at most.
    pub fn close(self, deadline: Instant) {
        let _processor_ended = self.deadline.send(deadline);
        self.capture.drain.close();
        // The sinks keep to the deadline; a little more is for the threads to say so.
        let within = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(200);
        let _stuck = self.closed.recv_timeout(within);
    }
}

impl Capture {
    /// From now on what comes through `pipe` is read. `tail` keeps the last of it.
    ///
    /// # Errors
    /// The system is out of memory, or of epoll entries for this user.
    pub fn adopt(
        &self,
        worker: WorkerId,
        pid: u32,
        stream: Stream,
        pipe: OwnedFd,
        tail: Tail,
    ) -> io::Result<Tap> {
        let source = self.drain.adopt(
            source::Origin { worker, pid, stream },
            pipe,
            tail,
            self.stats.worker(worker),
        )?;
        Ok(Tap::new(source, self.standard.clone()))
    }
}

impl Mirror {
    pub fn say(&self, level: Level, line: &[u8]) {
        let Some(ring) = self.0.get() else { return };
        // The time that stands before it on stderr is a field of the record here.
        let start = memchr::memmem::find(line, b"plimsoll: ").unwrap_or(0);
        let line = without_colour(line.get(start..).unwrap_or_default().trim_ascii_end());
        // When the ring is full it is written to stderr all the same, by its own queue.
        let _dropped = ring.push(Item::Own { level, at: now(), line });
    }
}

/// Colours are for the terminal that stderr is; a file or a collector would keep their codes.
fn without_colour(line: &[u8]) -> Bytes {
    let mut pieces = line.split(|byte| *byte == 0x1b);
    let mut bare = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        // `[31m`: parameters, and the letter that ends them.
        let end = piece
            .strip_prefix(b"[")
            .and_then(|rest| rest.iter().position(|byte| (0x40..0x7f).contains(byte)));
        bare.extend_from_slice(end.map_or(piece, |end| piece.get(end + 2..).unwrap_or_default()));
    }
    bare.into()
}

fn rules(settings: &config::Logs) -> Rules {
    Rules {
        mode: match settings.mode {
            config::LogsMode::Enforce => Mode::Enforce,
            config::LogsMode::Observe => Mode::Observe,
        },
        rate: settings.rate.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)),
        sample: settings.sample,
    }
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(run).map(drop)
}
