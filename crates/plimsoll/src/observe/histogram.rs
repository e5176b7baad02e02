//! Request durations of one gateway thread, by method and status.
//!
//! A [`Histogram`] is a row of counters with one writer. The count of observations is not kept: it is the sum
//! of the buckets, so a reader in the middle of a write never sees a count that the buckets contradict.
//! [`Durations`] makes a histogram the first time that a method and status meet; most servers use a dozen.

use std::iter;
use std::sync::OnceLock;
use std::time::Duration;

use super::http::{Counter, Method};

/// Upper bounds in seconds, as OpenTelemetry advises for `http.server.request.duration`.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The same in nanoseconds: the writer compares integers.
const BOUNDS_NS: [u64; BOUNDS.len()] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// One more than the bounds: the last bucket has no upper bound.
const BUCKETS: usize = BOUNDS.len() + 1;

#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_ns: Counter,
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        // 584 years fit.
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.add(1);
        }
        self.sum_ns.add(ns);
    }

    pub(super) fn sum_ns(&self) -> u64 {
        self.sum_ns.get()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { sum_ns: self.sum_ns.get(), ..Snapshot::default() };
        for (sum, bucket) in iter::zip(&mut snapshot.buckets, &self.buckets) {
            *sum = bucket.get();
        }
        snapshot
    }
}

/// What a histogram held when it was read. The buckets are not cumulative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub buckets: [u64; BUCKETS],
    pub sum_ns: u64,
}

impl Snapshot {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub fn merge(&mut self, other: &Self) {
        for (sum, bucket) in iter::zip(&mut self.buckets, &other.buckets) {
            *sum += bucket;
        }
        self.sum_ns += other.sum_ns;
    }

    /// Upper bound in seconds and observations of each bucket.
    #[must_use]
    pub fn by_bound(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        iter::zip(bounds, self.buckets).collect()
    }
}

const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;
const STATUSES: usize = (STATUS_MAX - STATUS_MIN) as usize + 1;

/// Pairs of method and status with a histogram of their own. Statuses come from the app, which may be made to
/// echo what a client sends; what is over the limit is counted under the method with no status.
const PAIRS_MAX: u64 = 256;

/// One slot for each status and a last one for whatever has no slot or is over the limit.
type ByStatus = [OnceLock<Box<Histogram>>; STATUSES + 1];

/// Histograms by method and status.
#[derive(Debug, Default)]
pub(super) struct Durations {
    by_method: [OnceLock<Box<ByStatus>>; Method::ALL.len()],
    pairs: Counter,
}

impl Durations {
    pub(super) fn record(&self, method: Method, status: u16, duration: Duration) {
        let Some(slot) = self.by_method.get(method as usize) else { return };
        let by_status = slot.get_or_init(|| Box::new([const { OnceLock::new() }; STATUSES + 1]));
        if let Some(histogram) = self.histogram(by_status, status) {
            histogram.record(duration);
        }
    }

    fn histogram<'a>(&self, by_status: &'a ByStatus, status: u16) -> Option<&'a Histogram> {
        let own = by_status.get(status_index(status))?;
        let slot =
            if own.get().is_some() || self.pairs.get() < PAIRS_MAX { own } else { by_status.last()? };
        let histogram = slot.get_or_init(|| {
            self.pairs.add(1);
            Box::default()
        });
        Some(histogram)
    }

    /// Every pair that was seen; the status is `None` for those without a slot of their own.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = ((Method, Option<u16>), Snapshot)> {
        iter::zip(Method::ALL, &self.by_method)
            .filter_map(|(method, slot)| Some((method, slot.get()?)))
            .flat_map(|(method, by_status)| {
                let statuses = (STATUS_MIN..=STATUS_MAX).map(Some).chain([None]);
                iter::zip(statuses, by_status.iter())
                    .filter_map(move |(status, slot)| Some(((method, status), slot.get()?.snapshot())))
            })
    }
}

fn status_index(status: u16) -> usize {
    match status {
        STATUS_MIN..=STATUS_MAX => usize::from(status - STATUS_MIN),
        _ => STATUSES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_the_last_duration_of_its_bucket() {
        for (ns, bucket) in [
            (0, 0),
            (5_000_000, 0),
            (5_000_001, 1),
            (99_999_999, 5),
            (100_000_000, 5),
            (10_000_000_000, 13),
            (10_000_000_001, 14),
            (u64::MAX, 14),
        ] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_nanos(ns));
            let snapshot = histogram.snapshot();
            assert_eq!(snapshot.buckets[bucket], 1, "{ns} ns");
            assert_eq!((snapshot.count(), snapshot.sum_ns), (1, ns));
        }
    }

    #[test]
    fn the_two_tables_of_bounds_agree() {
        for (seconds, ns) in iter::zip(BOUNDS, BOUNDS_NS) {
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(ns));
        }
    }

    #[test]
    fn a_status_out_of_range_has_no_label_of_its_own() {
        let durations = Durations::default();
        for status in [0, 99, 100, 599, 600, 999, u16::MAX] {
            durations.record(Method::Get, status, Duration::ZERO);
        }
        let counts: Vec<_> = durations.snapshots().map(|(pair, shot)| (pair, shot.count())).collect();
        let get = Method::Get;
        assert_eq!(counts, [((get, Some(100)), 1), ((get, Some(599)), 1), ((get, None), 5)]);
    }

    #[test]
    fn pairs_over_the_limit_share_one_histogram_per_method() {
        let durations = Durations::default();
        for _round in 0..2 {
            for status in STATUS_MIN..=STATUS_MAX {
                durations.record(Method::Get, status, Duration::ZERO);
            }
        }
        durations.record(Method::Post, 200, Duration::ZERO);
        let shots: Vec<_> = durations.snapshots().collect();
        assert_eq!(shots.len() as u64, PAIRS_MAX + 2);
        assert_eq!(shots.iter().map(|(_, shot)| shot.count()).sum::<u64>(), 2 * STATUSES as u64 + 1);
    }
}
