//! How long requests have waited to be begun: the longest of the last five to ten seconds, so that a look every few seconds
//! misses no burst. Written by one gateway thread at every beat, and by nobody while nobody waits.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Two halves follow one another.
const HALF_SECONDS: u64 = 5;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Of each half: its number in the upper 32 bits, and milliseconds.
#[derive(Debug, Default)]
pub struct QueueAge([AtomicU64; 2]);

impl QueueAge {
    pub fn note(&self, age: Duration, now: Instant) {
        let half = half(now);
        let Some(place) = self.0.get(usize::from(half % 2 == 1)) else { return };
        let ms = u64::from(u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
        let known = place.load(Relaxed);
        let before = if known >> 32 == half { known & u64::from(u32::MAX) } else { 0 };
        place.store(half << 32 | ms.max(before), Relaxed);
    }

    #[must_use]
    pub fn longest(&self, now: Instant) -> Duration {
        let half = half(now);
        let known = self.0.iter().map(|place| place.load(Relaxed));
        let young = known.filter(|known| half - (known >> 32).min(half) <= 1);
        Duration::from_millis(young.map(|known| known & u64::from(u32::MAX)).max().unwrap_or(0))
    }
}

/// From 2, so that what was never written is long over.
fn half(now: Instant) -> u64 {
    now.saturating_duration_since(*START).as_secs() / HALF_SECONDS + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_told_for_five_seconds_and_for_ten_at_most() {
        let age = QueueAge::default();
        let at = |seconds| *START + Duration::from_secs(seconds);
        assert_eq!(age.longest(at(0)), Duration::ZERO);
        age.note(Duration::from_millis(40), at(1));
        age.note(Duration::from_millis(30), at(2));
        for (seconds, expected) in [(2, 40), (4, 40), (9, 40), (10, 0), (100, 0)] {
            assert_eq!(age.longest(at(seconds)), Duration::from_millis(expected), "{seconds}");
        }
        age.note(Duration::from_millis(7), at(10));
        assert_eq!(age.longest(at(11)), Duration::from_millis(7));
    }
}
