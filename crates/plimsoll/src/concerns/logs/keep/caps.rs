//! The same error a thousand times a second is said often enough.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Within a second, so many lines of one fingerprint stay; of those beyond, one in [`BEYOND`].
const FREE: u32 = 100;
const BEYOND: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// Fingerprints that are told apart; all others share one cap.
const FINGERPRINTS_MAX: usize = 4096;
const OTHERS: u64 = 0;
/// What has not been seen for so long makes room.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Caps {
    counts: HashMap<u64, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    seen: u32,
    dropped: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cap {
    /// It stands for itself and for those that were dropped since the last one.
    Keep {
        weight: u32,
    },
    Drop,
}

impl Caps {
    pub(super) fn admit(&mut self, fingerprint: u64, now: Instant) -> Cap {
        let fingerprint = self.make_room(fingerprint, now);
        let count = self.counts.entry(fingerprint).or_insert(Count { since: now, seen: 0, dropped: 0 });
        if now.saturating_duration_since(count.since) >= SECOND {
            (count.since, count.seen) = (now, 0);
        }
        count.seen = count.seen.saturating_add(1);
        if count.seen <= FREE || count.dropped + 1 >= BEYOND {
            let weight = std::mem::take(&mut count.dropped) + 1;
            return Cap::Keep { weight };
        }
        count.dropped += 1;
        Cap::Drop
    }

    fn make_room(&mut self, fingerprint: u64, now: Instant) -> u64 {
        if self.counts.len() < FINGERPRINTS_MAX || self.counts.contains_key(&fingerprint) {
            return fingerprint;
        }
        // Forgetting costs a walk through all: not for every line.
        let is_due = self
            .counts
            .get(&OTHERS)
            .is_none_or(|others| now.saturating_duration_since(others.since) >= SECOND);
        if is_due {
            self.counts.retain(|_, count| now.saturating_duration_since(count.since) < FORGOTTEN_AFTER);
        }
        if self.counts.len() < FINGERPRINTS_MAX { fingerprint } else { OTHERS }
    }
}
