//! Durations of one route, fine enough to say what the median and the slowest hundredth are.

use std::iter;
use std::time::Duration;

use super::http::Counter;

/// Buckets per doubling: a quantile is at most an eighth too high.
const PER_OCTAVE: usize = 8;
/// 65 µs: what is faster is told apart by nobody.
const SHIFT_MIN: u32 = 16;
/// Up to two minutes.
const OCTAVES: usize = 21;
const BUCKETS: usize = OCTAVES * PER_OCTAVE + 2;

#[derive(Debug)]
pub(super) struct Times([Counter; BUCKETS]);

impl Default for Times {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Times {
    pub(super) fn record(&self, duration: Duration) {
        if let Some(bucket) = self.0.get(bucket_of(duration)) {
            bucket.add(1);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}

/// What the times of one route were when they were read, over any number of threads.
#[derive(Debug, Clone)]
pub(super) struct Sum([u64; BUCKETS]);

impl Default for Sum {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Sum {
    pub(super) fn add(&mut self, times: &Times) {
        iter::zip(&mut self.0, &times.0).for_each(|(sum, bucket)| *sum += bucket.get());
    }

    /// What came since then.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| {
            let read = |sum: &Self| sum.0.get(at).copied().unwrap_or(0);
            read(self).saturating_sub(read(earlier))
        }))
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// A duration that this share of the requests did not exceed, and hardly a smaller one.
    pub(super) fn quantile_us(&self, per_mille: u64) -> u64 {
        let rank = (self.count() * per_mille).div_ceil(1000).max(1);
        let mut below = 0;
        let at = self.0.iter().position(|count| {
            below += count;
            below >= rank
        });
        at.map_or(0, |at| bound_ns(at) / 1000)
    }
}

fn bucket_of(duration: Duration) -> usize {
    let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let Some(octave) = ns.checked_ilog2().and_then(|octave| octave.checked_sub(SHIFT_MIN)) else { return 0 };
    // The bits after the first one.
    let part = usize::try_from(ns >> (octave + SHIFT_MIN - 3)).unwrap_or(0) % PER_OCTAVE;
    (octave as usize * PER_OCTAVE + part + 1).min(BUCKETS - 1)
}

/// Where a bucket ends.
fn bound_ns(bucket: usize) -> u64 {
    let (octave, part) = (bucket / PER_OCTAVE, (bucket % PER_OCTAVE) as u64);
    (8 + part) << (octave + SHIFT_MIN as usize - 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_below_its_bound_and_not_below_that_of_the_one_before() {
        for ns in [1, 65_535, 65_536, 70_000, 1_000_000, 5_000_000, 412_000_000, 60_000_000_000] {
            let bucket = bucket_of(Duration::from_nanos(ns));
            assert!(ns < bound_ns(bucket), "{ns} in {bucket}");
            assert!(bucket == 0 || ns >= bound_ns(bucket - 1), "{ns} in {bucket}");
        }
        assert_eq!(bucket_of(Duration::from_secs(10_000)), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_at_most_an_eighth_too_high() {
        let times = Times::default();
        (1..=1000).for_each(|ms| times.record(Duration::from_millis(ms)));
        let mut sum = Sum::default();
        sum.add(&times);
        for (per_mille, exact) in [(500, 500_000), (990, 990_000), (1000, 1_000_000)] {
            let found = sum.quantile_us(per_mille);
            assert!(found >= exact && found <= exact + exact / 7, "{per_mille}: {found}");
        }
        assert_eq!(Sum::default().quantile_us(500), 0);
    }
}
