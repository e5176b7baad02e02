//! What is known of the memory of one worker, from the figures of its processes and a weighing from outside.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use plimsoll_wire::memory::{Figures, KINDS, Pauses};

/// How far back the history goes, and how dense it is at most.
const HISTORY: Duration = Duration::from_secs(60);
const POINTS_MAX: usize = 64;
/// Rates are told over at least this time: reports come twice a second.
const RATE_OVER: Duration = Duration::from_secs(3);

/// The memory of a worker at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub at: Instant,
    pub heap_bytes: u64,
    pub external_bytes: u64,
    pub rss_bytes: u64,
}

/// What a worker uses now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Of all its processes together. 0 where it is not known.
    pub figures: Figures,
    /// Of the time that its loops did not wait, in thousandths; collections in a loop that waits are none of it.
    pub gc_per_mille: u32,
    /// The part of it that is for minor collections.
    pub scavenge_per_mille: u32,
    pub allocated_per_s: u64,
    /// Bytes that were allocated between two minor collections: what semi-spaces really have; 0: not known.
    pub between_scavenges: u64,
    /// What only this worker holds: no files.
    pub anonymous_bytes: u64,
    pub rss_bytes: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Seen {
    processes: BTreeMap<u32, Figures>,
    /// What those have counted that have gone: what is counted never falls.
    past: Figures,
    /// Sums at the beginning of the time over which rates are told.
    base: Option<(Instant, Figures)>,
    now: Use,
    history: VecDeque<Point>,
    heard: Option<Instant>,
}

impl Seen {
    /// A process of the worker, by its channel, has told its figures.
    pub fn hear(&mut self, channel: u32, figures: Figures, now: Instant) {
        self.processes.insert(channel, figures);
        self.heard = Some(now);
        self.sum(now);
        self.note(now);
    }

    /// A process has gone.
    pub fn lose(&mut self, channel: u32, now: Instant) {
        let Some(gone) = self.processes.remove(&channel) else { return };
        self.past = add(&self.past, &counted(&gone));
        if !self.processes.is_empty() {
            self.sum(now);
        }
    }

    /// The worker was weighed from outside.
    pub fn weigh(&mut self, rss_bytes: u64, anonymous_bytes: u64, now: Instant) {
        self.now.rss_bytes = rss_bytes;
        self.now.anonymous_bytes = anonymous_bytes;
        // Who does nothing tells nothing: what was so a second ago is so no more.
        if self.heard.is_some_and(|heard| now.saturating_duration_since(heard) >= RATE_OVER) {
            (self.now.gc_per_mille, self.now.scavenge_per_mille, self.now.allocated_per_s) = (0, 0, 0);
        }
        self.note(now);
    }

    /// `None`: nobody has told anything.
    #[must_use]
    pub fn latest(&self) -> Option<Use> {
        (!self.processes.is_empty()).then_some(self.now)
    }

    #[must_use]
    pub fn weight(&self) -> u64 {
        self.now.anonymous_bytes
    }

    /// Of the process whose heap is fullest: what the last major collection left of it, and the most that it may be. A process
    /// dies of its own heap, however empty those beside it are. See [`limit`](Self::limit).
    #[must_use]
    pub fn level(&self, old_space: Option<u64>) -> Option<(u64, u64)> {
        let of_one = |figures: &Figures| {
            let limit = old_space.map_or(figures.heap_limit, |old| old.min(figures.heap_limit));
            (limit > 0 && figures.after_major > 0).then_some((figures.after_major, limit))
        };
        let product = |left: u64, limit: u64| u128::from(left) * u128::from(limit);
        self.processes.values().filter_map(of_one).max_by(|(left, limit), (other_left, other_limit)| {
            product(*left, *other_limit).cmp(&product(*other_left, *limit))
        })
    }

    /// What the last major collections left of all its heaps.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.now.figures.after_major
    }

    /// The most that what lives may be, of all processes together. `old_space`: what one process was told; V8's own limit has
    /// room for the young generation as well, which helps nobody who is full.
    #[must_use]
    pub fn limit(&self, old_space: Option<u64>) -> Option<u64> {
        let limit = self.now.figures.heap_limit;
        // When the last one has gone, its figures are still those of the worker.
        let processes = u64::try_from(self.processes.len()).unwrap_or(u64::MAX).max(1);
        let limit = old_space.map_or(limit, |old| old.saturating_mul(processes).min(limit));
        (limit > 0).then_some(limit)
    }

    /// The last minute, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Point> {
        self.history.iter()
    }

    fn sum(&mut self, now: Instant) {
        let sum = self.processes.values().fold(self.past, |sum, one| add(&sum, one));
        self.now.figures = sum;
        let (since, base) = *self.base.get_or_insert((now, sum));
        let time = now.saturating_duration_since(since);
        if time < RATE_OVER {
            return;
        }
        let busy_us = sum.busy_us.saturating_sub(base.busy_us);
        let gc_us = collected_us(&sum).saturating_sub(collected_us(&base));
        self.now.gc_per_mille = per_mille(gc_us, busy_us.max(gc_us));
        let minor_us = |figures: &Figures| figures.pauses.first().map_or(0, |minor| minor.total_us);
        let scavenged_us = minor_us(&sum).saturating_sub(minor_us(&base));
        self.now.scavenge_per_mille = per_mille(scavenged_us, busy_us.max(gc_us));
        let allocated = sum.allocated.saturating_sub(base.allocated);
        let scavenges = |figures: &Figures| figures.pauses.first().map_or(0, Pauses::count);
        let scavenged = scavenges(&sum).saturating_sub(scavenges(&base));
        self.now.between_scavenges = allocated.checked_div(scavenged).unwrap_or(0);
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.now.allocated_per_s = allocated.saturating_mul(1000) / ms.max(1);
        self.base = Some((now, sum));
    }

    fn note(&mut self, now: Instant) {
        let is_old = |point: &Point| now.saturating_duration_since(point.at) > HISTORY;
        while self.history.front().is_some_and(is_old) || self.history.len() >= POINTS_MAX {
            self.history.pop_front();
        }
        let point = Point {
            at: now,
            heap_bytes: self.now.figures.heap_used.max(self.now.figures.after_major),
            external_bytes: self.now.figures.external,
            rss_bytes: self.now.rss_bytes,
        };
        // What is heard and what is weighed within the same second is one point.
        match self.history.back_mut() {
            Some(last) if now.saturating_duration_since(last.at) < Duration::from_millis(900) => {
                *last = Point { at: last.at, ..point };
            }
            _ => self.history.push_back(point),
        }
    }
}

fn add(sum: &Figures, one: &Figures) -> Figures {
    let mut pauses = sum.pauses;
    for (sum, one) in pauses.iter_mut().zip(&one.pauses) {
        sum.total_us = sum.total_us.saturating_add(one.total_us);
        for (sum, one) in sum.buckets.iter_mut().zip(one.buckets) {
            *sum = sum.saturating_add(one);
        }
    }
    Figures {
        heap_used: sum.heap_used.saturating_add(one.heap_used),
        heap_total: sum.heap_total.saturating_add(one.heap_total),
        heap_limit: sum.heap_limit.saturating_add(one.heap_limit),
        external: sum.external.saturating_add(one.external),
        array_buffers: sum.array_buffers.saturating_add(one.array_buffers),
        after_major: sum.after_major.saturating_add(one.after_major),
        allocated: sum.allocated.saturating_add(one.allocated),
        busy_us: sum.busy_us.saturating_add(one.busy_us),
        pauses,
    }
}

/// Of the figures those that only rise.
fn counted(figures: &Figures) -> Figures {
    let Figures { allocated, busy_us, pauses, .. } = *figures;
    Figures { allocated, busy_us, pauses, ..Figures::default() }
}

fn collected_us(figures: &Figures) -> u64 {
    figures.pauses.iter().take(KINDS).fold(0, |sum, kind| sum.saturating_add(kind.total_us))
}

fn per_mille(part: u64, whole: u64) -> u32 {
    u32::try_from(part.saturating_mul(1000).checked_div(whole).unwrap_or(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(second: u64) -> Figures {
        let mut pauses = [Pauses::default(); KINDS];
        pauses[0] = Pauses { buckets: [second, 0, 0, 0, 0, 0, 0, 0], total_us: second * 10_000 };
        Figures {
            heap_used: (20 + second) << 20,
            heap_limit: 100 << 20,
            allocated: second * (64 << 20),
            busy_us: second * 200_000,
            pauses,
            ..Figures::default()
        }
    }

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let start = Instant::now();
        let mut seen = Seen::default();
        for second in 0..=6 {
            seen.hear(1, figures(second), start + Duration::from_secs(second));
        }
        let now = seen.latest().unwrap();
        assert_eq!((now.gc_per_mille, now.allocated_per_s), (50, 64 << 20), "10 of 200 ms");
        assert_eq!(
            (now.scavenge_per_mille, now.between_scavenges),
            (50, 64 << 20),
            "one a second, all of them minor"
        );
        assert_eq!(seen.level(None), None, "there was no major collection");
        let rates = |after| {
            let mut seen = seen.clone();
            seen.weigh(1, 1, start + Duration::from_secs(6) + after);
            let now = seen.latest().unwrap();
            (now.gc_per_mille, now.scavenge_per_mille, now.allocated_per_s)
        };
        assert_eq!(rates(Duration::from_secs(1)), (50, 50, 64 << 20));
        assert_eq!(rates(RATE_OVER), (0, 0, 0), "it has told nothing since: it does nothing");
    }

    #[test]
    fn figures_of_several_processes_are_one_sum() {
        let now = Instant::now();
        let mut seen = Seen::default();
        seen.hear(1, figures(3), now);
        seen.hear(2, figures(4), now);
        let sum = seen.latest().unwrap().figures;
        assert_eq!((sum.heap_used >> 20, sum.pauses[0].count()), (47, 7));
        seen.lose(1, now);
        let left = seen.latest().unwrap().figures;
        assert_eq!(
            (left.heap_used >> 20, left.heap_limit >> 20),
            (24, 100),
            "what it holds has gone with it"
        );
        assert_eq!((left.pauses, left.allocated, left.busy_us), (sum.pauses, sum.allocated, sum.busy_us));
        seen.lose(2, now);
        assert_eq!(seen.latest(), None);
        seen.hear(3, figures(1), now);
        assert_eq!(seen.latest().unwrap().figures.pauses[0].count(), 8);
    }

    #[test]
    fn who_is_full_is_measured_by_the_old_space() {
        let now = Instant::now();
        let mut seen = Seen::default();
        let figures = Figures { after_major: 40, heap_limit: 54, ..Figures::default() };
        seen.hear(1, figures, now);
        assert_eq!([seen.level(Some(42)), seen.level(None)], [Some((40, 42)), Some((40, 54))]);
        seen.hear(2, figures, now);
        assert_eq!(seen.limit(Some(42)), Some(84), "of both");
        assert_eq!(seen.left(), 80);
        assert_eq!(seen.level(Some(42)), Some((40, 42)), "each of them");
    }

    #[test]
    fn one_process_that_is_full_is_not_hidden_by_others() {
        // What is left of each process's heap and its limit, the old space that was told, and the level.
        type Row<'a> = (&'a [(u64, u64)], Option<u64>, Option<(u64, u64)>);
        let table: [Row<'_>; 7] = [
            (&[(41, 54), (5, 54), (5, 54)], Some(42), Some((41, 42))),
            (&[(5, 54), (41, 54)], Some(42), Some((41, 42))),
            (&[(41, 54), (5, 54)], None, Some((41, 54))),
            // Less in bytes, and more of what it may be.
            (&[(60, 100), (28, 30)], Some(90), Some((28, 30))),
            (&[(0, 54), (3, 54)], Some(42), Some((3, 42))),
            (&[(0, 54), (5, 0)], Some(42), None),
            (&[], Some(42), None),
        ];
        for (processes, old_space, expected) in table {
            let mut seen = Seen::default();
            for (channel, (after_major, heap_limit)) in (1..).zip(processes) {
                let (after_major, heap_limit) = (*after_major, *heap_limit);
                seen.hear(channel, Figures { after_major, heap_limit, ..Figures::default() }, Instant::now());
            }
            assert_eq!(seen.level(old_space), expected, "{processes:?} {old_space:?}");
        }
    }

    #[test]
    fn hostile_numbers_overflow_nothing() {
        let start = Instant::now();
        let most = Pauses { buckets: [u64::MAX; 8], total_us: u64::MAX };
        let figures = Figures {
            heap_used: u64::MAX,
            heap_limit: u64::MAX,
            after_major: u64::MAX,
            allocated: u64::MAX,
            busy_us: u64::MAX,
            pauses: [most; KINDS],
            ..Figures::default()
        };
        let mut seen = Seen::default();
        for second in 0..9 {
            seen.hear(1, Figures::default(), start + Duration::from_secs(second));
            seen.hear(2, figures, start + Duration::from_secs(second));
            seen.hear(3, figures, start + Duration::from_secs(second));
        }
        assert!(seen.latest().is_some_and(|now| now.figures.allocated == u64::MAX));
    }

    #[test]
    fn the_history_is_that_of_a_minute() {
        let start = Instant::now();
        let mut seen = Seen::default();
        for second in 0..600 {
            let at = start + Duration::from_secs(second);
            seen.hear(1, figures(second), at);
            seen.weigh(second, second, at + Duration::from_millis(100));
        }
        let points: Vec<_> = seen.history().map(|point| (point.heap_bytes >> 20, point.rss_bytes)).collect();
        assert_eq!(points.first(), Some(&(560, 540)), "{points:?}");
        assert_eq!((points.len(), points.last()), (60, Some(&(619, 599))));
    }
}
