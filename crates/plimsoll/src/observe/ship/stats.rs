//! What was sent, dropped and waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{Item, RANKS, Words};
use crate::observe::now;

/// Why what was kept was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More came than the other side could take.
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
pub struct ShipStats {
    words: &'static Words,
    name: String,
    items: AtomicU64,
    bytes: AtomicU64,
    dropped: [[AtomicU64; RANKS]; Reason::ALL.len()],
    /// Refused by the other side, which told a number and not which ones.
    unknown: AtomicU64,
    failures: AtomicU64,
    queue_bytes: AtomicU64,
    aside_bytes: AtomicU64,
    /// When the oldest item that waits came, in nanoseconds since the epoch; 0: none waits.
    oldest: AtomicU64,
}

impl ShipStats {
    pub(in crate::observe) fn new<T: Item>(name: &str) -> Self {
        Self {
            words: T::WORDS,
            name: name.to_owned(),
            items: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped: Default::default(),
            unknown: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            queue_bytes: AtomicU64::new(0),
            aside_bytes: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
        }
    }

    pub(in crate::observe) fn drop_one(&self, rank: usize, reason: Reason) {
        let row = self.dropped.get(reason as usize);
        if let Some(count) = row.and_then(|row| row.get(rank)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A batch was taken, but for so many `refused` of which nobody says which ones: their bytes are as many as its mean.
    pub(in crate::observe) fn deliver<T: Item>(&self, batch: &[Arc<T>], refused: u64) {
        let all = batch.len() as u64;
        let taken = all.saturating_sub(refused);
        let bytes: u64 = batch.iter().map(|item| item.length() as u64).sum();
        self.items.fetch_add(taken, Relaxed);
        self.bytes.fetch_add(bytes.saturating_mul(taken).checked_div(all).unwrap_or(0), Relaxed);
        self.unknown.fetch_add(refused, Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn note(&self, queue_bytes: usize, oldest: u64) {
        self.queue_bytes.store(queue_bytes as u64, Relaxed);
        self.oldest.store(oldest, Relaxed);
    }

    pub(super) fn note_aside(&self, bytes: u64) {
        self.aside_bytes.store(bytes, Relaxed);
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Items that were delivered.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items.load(Relaxed)
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Attempts that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    #[must_use]
    pub fn queue_bytes(&self) -> u64 {
        self.queue_bytes.load(Relaxed)
    }

    /// What waits where it was set aside.
    #[must_use]
    pub fn aside_bytes(&self) -> u64 {
        self.aside_bytes.load(Relaxed)
    }

    /// Rank, reason and items, where there are any.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, Reason, u64)> {
        let rows = Reason::ALL.into_iter().zip(&self.dropped);
        let known = rows.flat_map(|(reason, row)| {
            let cells = self.words.ranks.into_iter().zip(row);
            cells.map(move |(rank, count)| (rank, reason, count.load(Relaxed)))
        });
        let unknown = ("unknown", Reason::Refused, self.unknown.load(Relaxed));
        known.chain([unknown]).filter(|(.., items)| *items > 0)
    }

    /// Reason and items, where there are any.
    pub fn dropped_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let sum_of =
            |reason| self.dropped().filter(move |(_, its, _)| *its == reason).map(|(.., items)| items).sum();
        Reason::ALL
            .into_iter()
            .map(move |reason| (reason.word(), sum_of(reason)))
            .filter(|(_, items)| *items > 0)
    }

    #[must_use]
    pub fn dropped_items(&self) -> u64 {
        self.dropped().map(|(.., items)| items).sum()
    }

    /// Of the oldest item that waits.
    #[must_use]
    pub fn age(&self) -> Duration {
        match self.oldest.load(Relaxed) {
            0 => Duration::ZERO,
            oldest => Duration::from_nanos(now().saturating_sub(oldest)),
        }
    }
}
