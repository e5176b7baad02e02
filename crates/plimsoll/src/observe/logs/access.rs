//! The access log, from the gateway's threads to the processor.
//!
//! A thread gathers its lines in [`Lines`] and hands them over many at once. Handing over never waits: when somebody
//! else is at the ring, or the ring is full, the lines stay where they are and are offered again with those that come.
//! A thread that has gathered too many loses them, and that is counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::ring::{Item, Ring};
use crate::concerns::logs::access::{Entry, Format, Wanted, Written};
use crate::concerns::logs::record::{Level, Record, RequestId, Stream};
use crate::config;
use crate::observe::units::Utc;

/// Of one thread; enough for the 100 ms that it gathers at most, at 10,000 requests a second.
const BYTES_MAX: usize = 512 * 1024;

/// Takes lines in. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct AccessLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wanted: Wanted,
    format: Format,
    ring: OnceLock<Arc<Ring>>,
    lost: AtomicU64,
}

/// Lines that one thread gathers.
#[derive(Debug, Default)]
pub struct Lines {
    text: Vec<u8>,
    places: Vec<Place>,
    /// The second in which the last one was written, as the format has it.
    second: u64,
    second_text: String,
}

#[derive(Debug)]
struct Place {
    end: usize,
    level: Level,
    /// Nanoseconds since the epoch.
    at: u64,
    written: Written,
}

/// Lines that were handed over.
#[derive(Debug)]
pub(super) struct Chunk {
    text: Bytes,
    places: Vec<Place>,
    /// They stay, whatever their number.
    pub(super) is_all: bool,
}

/// A line as the processor takes it.
pub(super) struct Line {
    pub(super) record: Record,
    pub(super) message: std::ops::Range<usize>,
    pub(super) is_traced: bool,
}

impl AccessLog {
    #[must_use]
    pub fn new(settings: &config::Logs) -> Self {
        let wanted = match settings.access {
            config::AccessMode::Off => Wanted::None,
            config::AccessMode::Errors => Wanted::Errors,
            config::AccessMode::Sample => Wanted::Sample,
            config::AccessMode::All => Wanted::All,
        };
        let format = match settings.access_format {
            config::AccessFormat::Json => Format::Json,
            config::AccessFormat::Combined => Format::Combined,
        };
        Self(Arc::new(Shared { wanted, format, ring: OnceLock::new(), lost: AtomicU64::new(0) }))
    }

    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.0.wanted
    }

    /// Notes a request that is over at `at`, in nanoseconds since the epoch; its time is filled in.
    pub fn note(&self, lines: &mut Lines, at: u64, entry: &Entry<'_>) {
        if lines.bytes() >= BYTES_MAX {
            self.0.lost.fetch_add(1, Relaxed);
            return;
        }
        let second = at / 1_000_000_000;
        if lines.second != second || lines.second_text.is_empty() {
            let utc = Utc::of(at);
            lines.second = second;
            lines.second_text = match self.0.format {
                Format::Json => utc.second(),
                Format::Combined => utc.common_log(),
            };
        }
        let milliseconds = u16::try_from(at / 1_000_000 % 1000).unwrap_or(0);
        let entry = Entry { second: &lines.second_text, milliseconds, ..*entry };
        let written = entry.write(self.0.format, &mut lines.text);
        lines.places.push(Place { end: lines.text.len(), level: entry.level, at, written });
    }

    /// Hands over what was gathered, if nobody is in the way.
    pub fn hand_over(&self, lines: &mut Lines) {
        self.push(lines, Ring::try_push);
    }

    /// As [`Self::hand_over`], waiting for somebody else's push at most: for lines after which none may come.
    pub fn hand_over_last(&self, lines: &mut Lines) {
        self.push(lines, Ring::push);
    }

    fn push(&self, lines: &mut Lines, push: fn(&Ring, Item) -> Result<(), Item>) {
        let Some(ring) = self.0.ring.get().filter(|_| !lines.is_empty()) else { return };
        let (bytes, count) = (lines.text.len(), lines.places.len());
        let chunk = Chunk {
            text: std::mem::take(&mut lines.text).into(),
            places: std::mem::take(&mut lines.places),
            is_all: self.0.wanted == Wanted::All,
        };
        if let Err(Item::Access(chunk)) = push(ring, Item::Access(chunk)) {
            lines.take_back(chunk);
        } else {
            // The next ones are about as many.
            lines.text.reserve(bytes);
            lines.places.reserve(count);
        }
    }

    /// From now on lines have somewhere to go.
    pub(super) fn connect(&self, ring: &Arc<Ring>) {
        // A second pipeline of one process would be in a test: the first one has it.
        let _first = self.0.ring.set(Arc::clone(ring));
    }

    /// Lines that were lost because they were not taken in time.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }
}

impl Lines {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// With what is noted beside the text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + self.places.len() * size_of::<Place>()
    }

    fn take_back(&mut self, chunk: Chunk) {
        self.text = chunk.text.try_into_mut().map_or_else(|text| text.to_vec(), Vec::from);
        self.places = chunk.places;
    }
}

impl Chunk {
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.places.len() * size_of::<Place>()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        let mut start = 0;
        // Asked once: it is a system call.
        let pid = std::process::id();
        self.places.iter().map(move |place| {
            let whole = self.text.slice(start..place.end);
            let line = whole.slice(..place.written.length);
            start = place.end;
            let record = Record {
                worker: None,
                pid,
                stream: Stream::Gateway,
                level: place.level,
                at: place.at,
                shape: place.written.shape,
                of_request: place.written.request.clone().and_then(|id| {
                    match id.end <= place.written.length {
                        true => RequestId::within(id),
                        false => Some(RequestId::Apart(whole.slice(id))),
                    }
                }),
                trace: place.written.trace,
                line,
                weight: 1,
            };
            Line { record, message: place.written.message.clone(), is_traced: place.written.is_traced }
        })
    }
}
