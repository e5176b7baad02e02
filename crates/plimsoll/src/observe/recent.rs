//! How often something happened within the last moments.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What is further back is forgotten.
const KEPT: usize = 256;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The times of the last events, written by any thread.
#[derive(Debug)]
pub struct Recent {
    /// Milliseconds since the start, plus one; 0: none.
    times: [AtomicU32; KEPT],
    next: AtomicU32,
}

impl Default for Recent {
    fn default() -> Self {
        Self { times: [const { AtomicU32::new(0) }; KEPT], next: AtomicU32::new(0) }
    }
}

impl Recent {
    pub fn note(&self, now: Instant) {
        let at = self.next.fetch_add(1, Relaxed) as usize % KEPT;
        if let Some(time) = self.times.get(at) {
            time.store(stamp(now), Relaxed);
        }
    }

    /// How many there were from `since` on; at most as many as are kept.
    #[must_use]
    pub fn since(&self, since: Instant) -> u32 {
        let since = stamp(since);
        let later = self.times.iter().filter(|time| time.load(Relaxed) >= since).count();
        u32::try_from(later).unwrap_or(u32::MAX)
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
    fn counts_what_is_not_older() {
        let recent = Recent::default();
        let start = *START + Duration::from_secs(1);
        assert_eq!(recent.since(start), 0);
        (0..5).for_each(|n| recent.note(start + Duration::from_millis(n * 10)));
        assert_eq!(recent.since(start), 5);
        assert_eq!(recent.since(start + Duration::from_millis(15)), 3);
        (0..1000).for_each(|_| recent.note(start + Duration::from_secs(1)));
        assert_eq!(recent.since(start), 256);
    }
}
