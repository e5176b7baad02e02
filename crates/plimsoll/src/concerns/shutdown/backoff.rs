//! How long to wait before a dead worker is replaced.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// A worker that was ready this long counts as healthy: what happened before it is forgotten.
const STABLE: Duration = Duration::from_secs(10);
/// So does one that was ready for many times as long as it took to start: replacing such workers at once, for ever, costs a
/// tenth of a CPU at most, and a place that is empty costs requests. What a start of a few milliseconds proves is little.
const STABLE_STARTS: u32 = 10;
const STABLE_LEAST: Duration = Duration::from_millis(500);

/// How a worker lived until it died.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// From its start until it listened, or until it died.
    pub start: Duration,
    /// Since it listened, `None` if it never did.
    pub ready: Option<Duration>,
}

impl Life {
    fn was_healthy(self) -> bool {
        let enough = self.start.saturating_mul(STABLE_STARTS).clamp(STABLE_LEAST, STABLE);
        self.ready.is_some_and(|ready| ready >= enough)
    }
}

/// The waiting times of one place.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// The wait after a death.
    pub fn after_death(&mut self, life: Life, jitter: &mut Jitter) -> Duration {
        if life.was_healthy() {
            self.deaths = 0;
        }
        if self.deaths == 0 && life.ready.is_some() {
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
