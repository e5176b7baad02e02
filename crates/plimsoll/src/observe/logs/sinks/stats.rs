//! What one sink took, dropped and has waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::concerns::logs::record::{Level, Record};
use crate::observe::logs::drain;

/// Why a line that was kept was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More came than the sink could take.
    QueueFull,
    /// The other side will never take it.
    Refused,
    /// It could not be delivered before the end.
    Undelivered,
    /// The other side is gone for good.
    Broken,
}

impl Reason {
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::Refused, Self::Undelivered, Self::Broken];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
            Self::Broken => "broken",
        }
    }
}

#[derive(Debug)]
pub struct SinkStats {
    pub(super) name: String,
    lines: AtomicU64,
    bytes: AtomicU64,
    dropped: [[AtomicU64; Level::ALL.len()]; Reason::ALL.len()],
    /// Refused by the other side, which told a number and not which ones.
    unknown: AtomicU64,
    failures: AtomicU64,
    queue_bytes: AtomicU64,
    spilled_bytes: AtomicU64,
    /// When the oldest line that waits was read, in nanoseconds since the epoch; 0: none waits.
    oldest: AtomicU64,
}

/// As `/status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkFigures {
    pub name: String,
    /// Lines that were delivered.
    pub lines: u64,
    pub bytes: u64,
    pub dropped_lines: u64,
    /// Attempts that failed.
    pub failures: u64,
    pub queue_bytes: u64,
    /// What waits on the disk.
    #[serde(default)]
    pub spilled_bytes: u64,
    /// Of the oldest line that waits.
    pub queue_age_ms: u64,
}

impl SinkStats {
    pub(in crate::observe::logs) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped: Default::default(),
            unknown: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            queue_bytes: AtomicU64::new(0),
            spilled_bytes: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
        }
    }

    pub(super) fn drop_one(&self, level: Level, reason: Reason) {
        let row = self.dropped.get(reason as usize);
        if let Some(count) = row.and_then(|row| row.get(level.index())) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn drop_unknown(&self, lines: u64) {
        self.unknown.fetch_add(lines, Relaxed);
    }

    pub(super) fn deliver(&self, batch: &[Arc<Record>]) {
        let bytes: usize = batch.iter().map(|record| record.line.len() + 1).sum();
        self.lines.fetch_add(batch.len() as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn note(&self, queue_bytes: usize, oldest: u64) {
        self.queue_bytes.store(queue_bytes as u64, Relaxed);
        self.oldest.store(oldest, Relaxed);
    }

    pub(super) fn note_spill(&self, bytes: u64) {
        self.spilled_bytes.store(bytes, Relaxed);
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Level, reason and lines, where there are any.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, Reason, u64)> {
        let rows = Reason::ALL.into_iter().zip(&self.dropped);
        let known = rows.flat_map(|(reason, row)| {
            let cells = Level::ALL.into_iter().zip(row);
            cells.map(move |(level, count)| (level.word(), reason, count.load(Relaxed)))
        });
        let unknown = ("unknown", Reason::Refused, self.unknown.load(Relaxed));
        known.chain([unknown]).filter(|(.., lines)| *lines > 0)
    }

    #[must_use]
    pub fn age(&self) -> Duration {
        match self.oldest.load(Relaxed) {
            0 => Duration::ZERO,
            oldest => Duration::from_nanos(drain::now().saturating_sub(oldest)),
        }
    }

    #[must_use]
    pub fn figures(&self) -> SinkFigures {
        SinkFigures {
            name: self.name.clone(),
            lines: self.lines.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            dropped_lines: self.dropped().map(|(.., lines)| lines).sum(),
            failures: self.failures.load(Relaxed),
            queue_bytes: self.queue_bytes.load(Relaxed),
            spilled_bytes: self.spilled_bytes.load(Relaxed),
            queue_age_ms: u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX),
        }
    }
}
