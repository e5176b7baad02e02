//! The last ten seconds of a pool, all workers together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use plimsoll_wire::pools::{Figures, Times};

use super::{size, times};

const LENGTH: Duration = Duration::from_secs(10);
/// As often as a worker reports.
const SLOT: Duration = Duration::from_secs(1);
/// From then on a report begins the next one: who reports each second must not come a moment too early for it.
const SLOT_LEAST: Duration = Duration::from_millis(950);
/// A wait of less is the connection being opened, or chance.
const WAIT_US: u32 = 10_000;
const OLDEST_US: u64 = 100_000;

#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    /// What it is about.
    from: Instant,
    first: Instant,
    last: Instant,
    asked: u64,
    got: u64,
    waited_us: u64,
    used_us: u64,
    oldest_us: u64,
    waiting_peak: u64,
    /// So many waited when it was told.
    waiting: u64,
    /// All connections of a worker were in use at once.
    is_full: bool,
    /// What `spread` says of all that was asked for.
    spread: f64,
    waits: Times,
    uses: Times,
}

/// What the window says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Connections asked for, and got, per second.
    pub rate: f64,
    pub got_rate: f64,
    /// Times of use and of waiting, in milliseconds.
    pub use_mean_ms: f64,
    pub use_p50_ms: f64,
    pub use_p99_ms: f64,
    pub wait_p50_ms: f64,
    pub wait_p99_ms: f64,
    /// The longest wait that is not over yet, or was not when it was told.
    pub wait_oldest_ms: f64,
    /// Most that waited in one worker at once.
    pub waiting_peak: u64,
    /// In use and waiting, in the mean.
    pub in_use: f64,
    pub waiting: f64,
    /// How much the number of connections that are wanted varies: see `size`.
    pub peakedness: f64,
    /// In so many of the seconds all connections of a worker were in use at once.
    pub full_share: f64,
}

impl Window {
    /// A worker has reported: `figures`, of which `before` was known.
    pub(super) fn add(&mut self, figures: &Figures, before: &Figures, now: Instant) {
        self.forget(now);
        if self.slots.back().is_none_or(|slot| now.duration_since(slot.first) >= SLOT_LEAST) {
            self.slots.push_back(Slot::new(now));
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.add(figures, before, now);
        }
    }

    pub(super) fn summary(&self, now: Instant) -> Summary {
        let mut slots = self.current(now).peekable();
        let Some(first) = slots.peek().map(|slot| slot.from) else { return Summary::default() };
        let mut sum = Slot::new(first);
        let (mut full, mut all) = (0.0, 0.0);
        let mut spreads = Vec::new();
        for slot in slots {
            sum.merge(slot);
            full += f64::from(u8::from(slot.is_full));
            all += 1.0;
            spreads.extend(slot.spread());
        }
        Summary { peakedness: size::peakedness(usual(spreads), &sum.uses), ..summary(&sum, full / all) }
    }

    /// Whether requests stand in a queue: in two of the last three seconds that were told of. As a queue is told as soon as it
    /// begins, a short one may be in two; so some wait still, or more have waited since than did when it was told first, or it was
    /// told first more than one and a half seconds ago.
    pub(super) fn queues(&self, now: Instant) -> bool {
        let young = self.slots.iter().rev().take(3).filter(|slot| now.duration_since(slot.last) < 4 * SLOT);
        let mut queueing = young.filter(|slot| slot.queues());
        let (Some(last), Some(first)) = (queueing.next(), queueing.next_back()) else { return false };
        let has_gone_on = last.waiting > 0 || times::over(&last.waits, u64::from(WAIT_US)) > first.waiting;
        has_gone_on || last.first.duration_since(first.first) > 3 * SLOT / 2
    }

    /// Whether none has lately.
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        !self.slots.iter().any(|slot| now.duration_since(slot.last) < 5 * SLOT && slot.queues())
    }

    fn current(&self, now: Instant) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| now.duration_since(slot.last) < LENGTH)
    }

    fn forget(&mut self, now: Instant) {
        while self.slots.front().is_some_and(|slot| now.duration_since(slot.last) >= LENGTH) {
            self.slots.pop_front();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of ten seconds")]
fn summary(sum: &Slot, full_share: f64) -> Summary {
    // A moment, such as the first tenth of a second of an app, says nothing of a rate.
    let seconds = sum.last.duration_since(sum.from).max(SLOT).as_secs_f64();
    let ms = |times: &Times, part| times::percentile(times, part).unwrap_or(0.0) / 1000.0;
    Summary {
        rate: sum.asked as f64 / seconds,
        got_rate: sum.got as f64 / seconds,
        use_mean_ms: sum.used_us as f64 / 1000.0 / (times::count(&sum.uses).max(1)) as f64,
        use_p50_ms: ms(&sum.uses, 0.5),
        use_p99_ms: ms(&sum.uses, 0.99),
        wait_p50_ms: ms(&sum.waits, 0.5),
        wait_p99_ms: ms(&sum.waits, 0.99),
        wait_oldest_ms: sum.oldest_us as f64 / 1000.0,
        waiting_peak: sum.waiting_peak,
        in_use: sum.used_us as f64 / 1e6 / seconds,
        waiting: sum.waited_us as f64 / 1e6 / seconds,
        full_share,
        peakedness: 1.0,
    }
}

/// The lower quartile of the seconds: what disturbs arrivals, such as a loop that stands still, or a load that begins, makes
/// them come less evenly, and nothing more evenly.
fn usual(mut spreads: Vec<f64>) -> f64 {
    spreads.sort_by(f64::total_cmp);
    spreads.get(spreads.len() / 4).copied().unwrap_or(1.0)
}

impl Slot {
    fn new(now: Instant) -> Self {
        Self {
            from: now,
            first: now,
            last: now,
            asked: 0,
            got: 0,
            waited_us: 0,
            used_us: 0,
            oldest_us: 0,
            waiting_peak: 0,
            waiting: 0,
            is_full: false,
            spread: 0.0,
            waits: Times::default(),
            uses: Times::default(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    fn add(&mut self, figures: &Figures, before: &Figures, now: Instant) {
        let more = |now: u64, before: u64| now.saturating_sub(before);
        let over = Duration::from_micros(figures.over_us).min(LENGTH);
        let report = Self {
            from: now.checked_sub(over).unwrap_or(now),
            asked: more(figures.asked, before.asked),
            got: more(figures.got, before.got),
            waited_us: more(figures.waited_us, before.waited_us),
            used_us: more(figures.used_us, before.used_us),
            oldest_us: figures.oldest_us,
            waiting_peak: figures.waiting_peak,
            waiting: figures.waiting,
            is_full: figures.waiting_peak > 0 && (figures.max == 0 || figures.used_peak >= figures.max),
            spread: figures.spread as f64 / 1000.0 * more(figures.asked, before.asked) as f64,
            waits: figures.waits.since(&before.waits),
            uses: figures.uses.since(&before.uses),
            ..Self::new(now)
        };
        self.merge(&report);
    }

    fn merge(&mut self, other: &Self) {
        self.from = self.from.min(other.from);
        self.last = self.last.max(other.last);
        for (sum, more) in [
            (&mut self.asked, other.asked),
            (&mut self.got, other.got),
            (&mut self.waited_us, other.waited_us),
            (&mut self.used_us, other.used_us),
            (&mut self.waiting, other.waiting),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.oldest_us = self.oldest_us.max(other.oldest_us);
        self.waiting_peak = self.waiting_peak.max(other.waiting_peak);
        self.is_full |= other.is_full;
        self.spread += other.spread;
        self.waits.add(&other.waits);
        self.uses.add(&other.uses);
    }

    /// Weighted by how many were asked for: of several workers the variances add up, and so do the means.
    #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
    fn spread(&self) -> Option<f64> {
        (self.asked > 0).then(|| self.spread / self.asked as f64)
    }

    fn queues(&self) -> bool {
        let waits = times::percentile(&self.waits, 0.99).is_some_and(|us| us >= f64::from(WAIT_US));
        self.is_full && (waits || self.oldest_us >= OLDEST_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_once_while_it_is_told_is_no_queue() {
        let start = Instant::now();
        let full = Figures { max: 1, used_peak: 1, waiting_peak: 1, ..Figures::default() };
        // In which of the reports, a second apart, its wait is over, and how many have waited as long by then.
        for (got_at, got, expected) in [(1, 1, false), (2, 1, true), (1, 2, true)] {
            let mut window = Window::default();
            let mut before = Figures::default();
            let mut found = Vec::new();
            for report in 0..5 {
                let mut figures = full.clone();
                if report < got_at {
                    (figures.waiting, figures.oldest_us) = (1, OLDEST_US);
                } else {
                    figures.waits.0[75] = got;
                    figures.got = got;
                }
                if report > got_at {
                    (figures.waiting_peak, figures.used_peak) = (0, 0);
                }
                let now = start + Duration::from_secs(report);
                window.add(&figures, &before, now);
                found.push(window.queues(now));
                before = figures;
            }
            assert_eq!(found.contains(&true), expected, "{got_at} {got}: {found:?}");
        }
    }

    #[test]
    fn a_report_is_about_the_time_that_it_says_and_a_rate_about_a_second_at_least() {
        let start = Instant::now();
        let (mut window, mut before) = (Window::default(), Figures::default());
        // A queue that begins is told at once; 200 a second are asked for all the time.
        for (at_ms, over_ms, rate) in [(110, 110, 22.0), (1110, 1000, 200.0), (2110, 1000, 200.0)] {
            let asked = before.asked + over_ms / 5;
            let figures = Figures { asked, over_us: over_ms * 1000, ..Figures::default() };
            let now = start + Duration::from_millis(at_ms);
            window.add(&figures, &before, now);
            assert!((window.summary(now).rate - rate).abs() < 1e-6, "after {at_ms} ms");
            before = figures;
        }
    }

    #[test]
    fn a_queue_is_one_in_the_second_second_though_the_report_comes_a_moment_early() {
        let report = Figures {
            max: 1,
            used_peak: 1,
            waiting: 2,
            waiting_peak: 2,
            oldest_us: OLDEST_US,
            ..Figures::default()
        };
        let start = Instant::now();
        for (second, expected) in [(100, false), (990, true)] {
            let mut window = Window::default();
            let now = start + Duration::from_millis(second);
            window.add(&report, &Figures::default(), start);
            window.add(&report, &Figures::default(), now);
            assert_eq!(window.queues(now), expected, "after {second} ms");
        }
    }
}
