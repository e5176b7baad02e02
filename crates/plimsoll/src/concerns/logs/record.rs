//! One line of log on its way from a worker's pipe to the sinks, and what a sink is.
//!
//! A record is made once, shared by reference count, and never changed: the line in it is what the worker wrote,
//! byte for byte. Whoever wants another form of it (JSON, OTLP, a colour) makes that from these fields.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ids::WorkerId;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
    /// The access log, written by the gateway.
    Gateway,
    /// What Plimsoll itself has to say.
    Plimsoll,
}

impl Stream {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Gateway => "gateway",
            Self::Plimsoll => "plimsoll",
        }
    }
}

/// How much a line matters; ordered, so that `level >= Level::Warn` reads as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// A place in a table of [`Level::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How the line is written, which is what a form that shows its fields must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Json,
    Logfmt,
    Plain,
}

/// One line, or several that belong together (a stack trace after its first line, joined by `\n`).
#[derive(Debug, Clone)]
pub struct Record {
    /// Absent for what the gateway and Plimsoll itself write.
    pub worker: Option<WorkerId>,
    pub pid: u32,
    pub stream: Stream,
    pub level: Level,
    /// Nanoseconds since the Unix epoch, when the line was read.
    pub at: u64,
    pub shape: Shape,
    /// Exactly as written, without the newline; any bytes. Of a sampled JSON line: with its weight put in.
    pub line: Bytes,
    /// The request it was written in, where that is known: see [`Self::request`].
    pub of_request: Option<RequestId>,
    pub trace: Option<[u8; 16]>,
    /// How many lines like it this one stands for: 1 unless it was sampled.
    pub weight: u32,
}

/// The id of a request: a place in the line that says it, which costs nothing, or bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    Within(Range<u32>),
    Apart(Bytes),
}

impl RequestId {
    /// `None`: the place is no place in any line.
    #[must_use]
    pub fn within(place: Range<usize>) -> Option<Self> {
        Some(Self::Within(u32::try_from(place.start).ok()?..u32::try_from(place.end).ok()?))
    }
}

impl Record {
    /// The id of the request it was written in.
    #[must_use]
    pub fn request(&self) -> Option<&[u8]> {
        match self.of_request.as_ref()? {
            RequestId::Apart(id) => Some(id),
            RequestId::Within(place) => self.line.get(place.start as usize..place.end as usize),
        }
    }

    /// With bytes of its own, so that it does not keep the piece alive that it was read in.
    #[must_use]
    pub fn detached(self) -> Self {
        let of_request = match self.of_request {
            Some(RequestId::Apart(id)) => Some(RequestId::Apart(Bytes::copy_from_slice(&id))),
            within => within,
        };
        Self { line: Bytes::copy_from_slice(&self.line), of_request, ..self }
    }
}

/// Where kept lines go. Each sink has a queue of its own, and none can hold up another, or the pipeline.
pub trait Sink: Send {
    fn name(&self) -> &str;

    /// Takes records in order. Never blocks: a sink whose queue is full drops, debug first and errors last, and
    /// counts what it dropped by level and reason.
    fn offer(&self, records: &[Arc<Record>]);

    /// The end: what is queued is delivered until `deadline`, the rest dropped and counted. Never blocks.
    fn close(&self, deadline: Instant);

    /// Waits until it has ended, or `deadline`.
    fn wait(&self, deadline: Instant);
}
