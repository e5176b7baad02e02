//! What the quick ones among a gateway thread's requests take. Who lets all wait for a moment must not go by the average, in which
//! a few long ones outweigh thousands of quick ones, nor by how many are in flight, as open streams are among them.
//! It is of the last hundred requests or so, where the histograms (`slow`) are of all that were.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One request moves what is known up by one in so many. After forty-five that take longer it has doubled, after fifteen that are
/// quicker it has halved.
const GAIN: u64 = 64;
/// Steps down are so many times as long as steps up: then one request in four is quicker (stochastic approximation of a quantile,
/// Robbins and Monro 1951).
const DOWN: u64 = 3;

/// The time that one request in four stays below, about. Written by one thread.
#[derive(Debug, Default)]
pub struct Quick(AtomicU64);

impl Quick {
    /// A request is over.
    pub(super) fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let known = self.0.load(Relaxed);
        let step = (known / GAIN).max(1);
        let now = match known {
            0 => took,
            _ if took < known => known.saturating_sub(step * DOWN),
            _ => known.saturating_add(step),
        };
        self.0.store(now, Relaxed);
    }

    /// Zero: no request is over yet.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_four_stays_below_it_whatever_the_others_take() {
        // What the requests take, in milliseconds, as numbers from 0 to 99 come in some order; and between what it is then.
        type Takes = fn(u64) -> u64;
        let table: [(&str, Takes, (u64, u64)); 5] = [
            ("all alike", |_| 10, (9, 11)),
            ("evenly from 1 to 100", |number| number + 1, (18, 32)),
            ("a third is quick", |number| if number % 3 == 0 { 1 } else { 500 }, (0, 2)),
            ("one in ten is quick", |number| if number % 10 == 0 { 1 } else { 50 }, (40, 60)),
            ("a stream of an hour now and then", |number| if number == 50 { 3_600_000 } else { 2 }, (1, 3)),
        ];
        for (name, takes, (least, most)) in table {
            let quick = Quick::default();
            assert_eq!(quick.get(), Duration::ZERO);
            (0..10_000).for_each(|count| quick.note(Duration::from_millis(takes(count * 37 % 100))));
            let found = quick.get();
            let fits = Duration::from_millis(least) <= found && found <= Duration::from_millis(most);
            assert!(fits, "{name}: {found:?}");
        }
    }

    #[test]
    fn it_follows_soon() {
        let quick = Quick::default();
        let note = |ms, times| (0..times).for_each(|_| quick.note(Duration::from_millis(ms)));
        note(100, 1);
        assert_eq!(quick.get(), Duration::from_millis(100), "the first is all there is");
        note(10, 15);
        assert!(quick.get() < Duration::from_millis(50), "{:?}", quick.get());
        note(10, 100);
        note(1000, 45);
        assert!(quick.get() > Duration::from_millis(19), "{:?}", quick.get());
        quick.note(Duration::MAX);
    }
}
