//! How long to wait before a dead worker is replaced.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// A worker that was ready this long counts as healthy: what happened before it is forgotten.
const STABLE: Duration = Duration::from_secs(10);

/// The waiting times of one place.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The wait after a death. `ready_for` is how long the worker had been ready, `None` if it never was.
    pub fn after_death(&mut self, ready_for: Option<Duration>, jitter: &mut Jitter) -> Duration {
        if ready_for.is_some_and(|time| time >= STABLE) {
            self.deaths = 0;
        }
        if self.deaths == 0 && ready_for.is_some() {
            self.deaths = 1;
            return Duration::ZERO;
        }
        self.deaths = self.deaths.max(1).saturating_add(1);
        let doublings = self.deaths.saturating_sub(2).min(16);
        jitter.spread(FIRST.saturating_mul(1 << doublings).min(LONGEST))
    }
}

/// Chance that is given from outside, so that a decision can be repeated: workers that died together (their
/// database went away) must not come back together for ever.
#[derive(Debug, Clone, Copy)]
pub struct Jitter(u64);

impl Jitter {
    /// The same seed gives the same waits; 0 gives none of it.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `wait` ± 20 %.
    fn spread(&mut self, wait: Duration) -> Duration {
        if self.0 == 0 {
            return wait;
        }
        // Xorshift (Marsaglia 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let percent = u32::try_from(self.0 % 41).unwrap_or(20);
        wait * (80 + percent) / 100
    }
}
