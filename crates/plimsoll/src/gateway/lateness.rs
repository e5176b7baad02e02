//! Whom a worker's latest lateness cost: requests that waited for it for longer than is usual, and those of them that
//! were taken back. It begins when the first gateway thread finds the worker late, and is told until the next begins.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
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

/// The longest that a request has waited for a worker to begin it, in this second and the one before: one word, so that
/// whoever looks once a second misses no peak and takes none away from others who look.
#[derive(Debug, Default)]
pub(super) struct Peak(AtomicU64);

/// The second, and in milliseconds the peaks of the one before and of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seconds {
    second: u32,
    before: u16,
    current: u16,
}

impl Seconds {
    fn unpack(word: u64) -> Self {
        let [a, b, c, d, rest @ ..] = word.to_be_bytes();
        let [before, current] = [[rest[0], rest[1]], [rest[2], rest[3]]].map(u16::from_be_bytes);
        Self { second: u32::from_be_bytes([a, b, c, d]), before, current }
    }

    fn pack(self) -> u64 {
        u64::from(self.second) << 32 | u64::from(self.before) << 16 | u64::from(self.current)
    }

    /// As it stands in that second.
    fn at(self, second: u32) -> Self {
        match second.saturating_sub(self.second) {
            0 => self,
            1 => Self { second, before: self.current, current: 0 },
            _ => Self { second, before: 0, current: 0 },
        }
    }
}

impl Peak {
    /// A request has waited for so long, and still does.
    pub(super) fn note(&self, age: Duration, now: Instant) {
        let ms = u16::try_from(age.as_millis()).unwrap_or(u16::MAX);
        if ms == 0 {
            return;
        }
        let raise = |word| {
            let seconds = Seconds::unpack(word).at(second(now));
            (ms > seconds.current).then(|| Seconds { current: ms, ..seconds }.pack())
        };
        let _no_peak = self.0.fetch_update(Relaxed, Relaxed, raise);
    }

    pub(super) fn ms(&self, now: Instant) -> u32 {
        let seconds = Seconds::unpack(self.0.load(Relaxed)).at(second(now));
        seconds.before.max(seconds.current).into()
    }
}

fn second(instant: Instant) -> u32 {
    stamp(instant) / 1000
}

fn stamp(instant: Instant) -> u32 {
    let ms = instant.saturating_duration_since(*START).min(Duration::from_secs(4_000_000)).as_millis();
    u32::try_from(ms).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_seen_for_a_second_and_the_next_and_by_all() {
        let peak = Peak::default();
        let (at, ms) = (|ms| *START + Duration::from_millis(ms), Duration::from_millis);
        // When a wait of how long was seen, and what is told when of it.
        let table = [(1100, 7, 1200, 7), (1300, 5, 1999, 7), (1400, 30, 2998, 30), (2500, 4, 2600, 30)];
        for (noted, age, asked, expected) in table {
            peak.note(ms(age), at(noted));
            assert_eq!([peak.ms(at(asked)), peak.ms(at(asked))], [expected; 2], "{noted}");
        }
        assert_eq!([peak.ms(at(3500)), peak.ms(at(4500))], [4, 0]);
        peak.note(ms(100_000), at(9000));
        peak.note(Duration::from_micros(999), at(9000));
        assert_eq!(peak.ms(at(9001)), u32::from(u16::MAX));
    }

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
