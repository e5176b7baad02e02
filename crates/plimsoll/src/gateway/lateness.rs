//! Whom a worker's latest lateness cost: requests that waited for it for longer than is usual, and those of them that
//! were taken back. It begins when the first gateway thread finds the worker late, and is told until the next begins.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// Milliseconds since the start, plus one; 0: it never was late.
    began: AtomicU32,
    waited: AtomicU32,
    rescued: AtomicU32,
}

/// Requests that a worker kept waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delayed {
    /// Those that it was sent and did not begin in time, and those that waited because all were late.
    pub waited: u32,
    /// Those of them that were taken back for another worker.
    pub rescued: u32,
}

impl Lateness {
    pub(super) fn begins(&self, now: Instant) {
        self.waited.store(0, Relaxed);
        self.rescued.store(0, Relaxed);
        self.began.store(stamp(now), Relaxed);
    }

    pub(super) fn waits(&self, requests: u32) {
        self.waited.fetch_add(requests, Relaxed);
    }

    pub(super) fn is_relieved(&self) {
        self.rescued.fetch_add(1, Relaxed);
    }

    /// What it has cost so far; nothing where it began earlier.
    pub(super) fn cost(&self, from: Instant) -> Delayed {
        if self.began.load(Relaxed) < stamp(from) {
            return Delayed::default();
        }
        Delayed { waited: self.waited.load(Relaxed), rescued: self.rescued.load(Relaxed) }
    }
}

fn stamp(instant: Instant) -> u32 {
    let ms = instant.saturating_duration_since(*START).min(Duration::from_secs(4_000_000)).as_millis();
    u32::try_from(ms).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lateness_counts_from_its_beginning() {
        let lateness = Lateness::default();
        let at = |ms| *START + Duration::from_millis(ms);
        assert_eq!(lateness.cost(at(0)), Delayed::default());
        lateness.begins(at(100));
        lateness.waits(3);
        lateness.is_relieved();
        assert_eq!(lateness.cost(at(95)), Delayed { waited: 3, rescued: 1 });
        assert_eq!(lateness.cost(at(101)), Delayed::default(), "it was over before that");
        lateness.begins(at(200));
        assert_eq!(lateness.cost(at(195)), Delayed::default());
    }
}
