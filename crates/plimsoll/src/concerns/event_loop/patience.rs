//! How long a request may be unclaimed before its worker counts as late.
//!
//! The setting `event_loop.rescue_after` is the floor. Above it the limit follows what is normal for the worker: one
//! that is busy all the time claims every request after some milliseconds, and to move those to workers that are as
//! busy would help nobody.

use std::time::Duration;

/// Late is what takes this many times longer than usual.
const TIMES_NORMAL: u32 = 3;
/// How far one look moves the estimate.
const STEP: Duration = Duration::from_micros(50);
/// What is expected of a fresh worker: its code is not compiled yet.
const NORMAL_FIRST: Duration = Duration::from_millis(10);
/// The estimate never goes beyond this: a worker that takes longer is late, however usual that is for it.
const NORMAL_MAX: Duration = Duration::from_millis(50);

/// Estimates the median of the age of the oldest unclaimed request over all looks, by a step up or down with each
/// (Ma, Muthukrishnan and Sandler 2013, "Frugal Streaming"). A stall that is rarer than half of the time leaves no
/// trace in a median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    floor: Duration,
    normal: Duration,
}

impl Patience {
    #[must_use]
    pub fn new(floor: Duration) -> Self {
        Self { floor, normal: NORMAL_FIRST }
    }

    /// One look at the worker, taken at regular intervals while it has unclaimed requests; `age` is that of the
    /// oldest.
    pub fn observe(&mut self, age: Duration) {
        self.normal = if age > self.normal {
            (self.normal + STEP).min(NORMAL_MAX)
        } else {
            self.normal.saturating_sub(STEP)
        };
    }

    /// The age from which on the worker is late.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.floor.max(self.normal * TIMES_NORMAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(5);

    fn after(ages: impl IntoIterator<Item = u64>) -> Duration {
        let mut patience = Patience::new(FLOOR);
        for age in ages {
            patience.observe(Duration::from_millis(age));
        }
        patience.limit()
    }

    #[test]
    fn the_limit_follows_what_is_normal() {
        // One look every 2.5 ms.
        let stall = (0..80).map(|look| look * 5 / 2);
        let table: [(&str, Vec<u64>, u64, u64); 5] = [
            ("nothing seen yet", vec![], 30, 30),
            ("claimed within a millisecond", vec![1; 1000], 5, 5),
            ("always ten milliseconds behind", vec![10; 1000], 30, 31),
            ("blocked for good", vec![10_000; 100_000], 150, 150),
            ("200 ms of stall in each second", stall.chain([0; 320]).cycle().take(4000).collect(), 5, 5),
        ];
        for (case, ages, least, most) in table {
            let limit = after(ages);
            assert!(limit >= Duration::from_millis(least), "{case}: {limit:?}");
            assert!(limit <= Duration::from_millis(most), "{case}: {limit:?}");
        }
    }
}
