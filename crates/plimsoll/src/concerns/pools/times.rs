//! Reads a percentile out of a histogram of the agent.

use plimsoll_wire::pools::{TIMES, Times, bound_us};

/// The time within which so large a part of all stayed, in microseconds; `None`: there are none. Within a bucket the times
/// are taken to lie evenly.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds, and times of a minute")]
pub(super) fn percentile(times: &Times, part: f64) -> Option<f64> {
    let all = count(times);
    if all == 0 {
        return None;
    }
    let wanted = part * all as f64;
    let mut before = 0_u64;
    for (bucket, of_bucket) in times.0.iter().enumerate() {
        let until = before.saturating_add(*of_bucket);
        if *of_bucket > 0 && until as f64 >= wanted {
            let low = bucket.checked_sub(1).and_then(bound_us).unwrap_or(0) as f64;
            let high = bound_us(bucket).map_or(low, |bound| bound as f64);
            let share = ((wanted - before as f64) / *of_bucket as f64).clamp(0.0, 1.0);
            return Some(low + (high - low) * share);
        }
        before = until;
    }
    bound_us(TIMES - 2).map(|bound| bound as f64)
}

pub(super) fn count(times: &Times) -> u64 {
    times.0.iter().fold(0, |sum, bucket| sum.saturating_add(*bucket))
}

/// How many took longer than one of the bounds.
pub(super) fn over(times: &Times, us: u64) -> u64 {
    let is_longer = |bucket: usize| bucket.checked_sub(1).and_then(bound_us).is_some_and(|bound| bound >= us);
    let longer = times.0.iter().enumerate().filter(|(bucket, _)| is_longer(*bucket));
    longer.fold(0, |sum, (_, of_bucket)| sum.saturating_add(*of_bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets and their counts, a part, and what is to be found.
    type Case = (&'static [(usize, u64)], f64, Option<f64>);

    fn of(counts: &[(usize, u64)]) -> Times {
        let mut times = Times::default();
        for (bucket, count) in counts {
            times.0[*bucket] = *count;
        }
        times
    }

    #[test]
    fn what_took_longer_is_counted() {
        // Bucket 40 is 8.6 to 10 ms.
        let times = of(&[(0, 1), (40, 2), (41, 4), (120, 8)]);
        let found = [0, 10_000, 11_000, 90_000_000].map(|us| over(&times, us));
        assert_eq!(found, [14, 12, 8, 0]);
    }

    #[test]
    fn a_percentile_lies_within_the_bucket_that_holds_it() {
        // Bucket 20 is 0.86 to 1 ms, bucket 55 is 50 to 56 ms, the last one over 86 s.
        let table: [Case; 7] = [
            (&[], 0.99, None),
            (&[(0, 100)], 0.5, Some(50.0)),
            (&[(20, 100)], 0.5, Some(930.0)),
            (&[(20, 98), (55, 2)], 0.99, Some(53_000.0)),
            (&[(20, 99), (55, 1)], 0.99, Some(1000.0)),
            (&[(120, 1)], 0.99, Some(86_000_000.0)),
            (&[(0, u64::MAX), (120, u64::MAX)], 0.1, Some(10.0)),
        ];
        for (counts, part, expected) in table {
            let found = percentile(&of(counts), part);
            let fits = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < expected / 1000.0,
                (found, expected) => found == expected,
            };
            assert!(fits, "{counts:?} at {part}: {found:?}, not {expected:?}");
        }
    }
}
