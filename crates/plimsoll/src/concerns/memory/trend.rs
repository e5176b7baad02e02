//! Whether what major collections leave grows and grows: a leak, long before the heap is full.
//!
//! A cache that fills grows as well, and then stops; traffic goes up and down. So it is not the size that counts but that the
//! least of each window is more than that of the one before, window after window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use super::suspects::Suspect;
use super::suspects::{self, Step};

const WINDOW: Duration = Duration::from_secs(30);
/// So many windows in a row that each grew.
const WINDOWS: usize = 8;
/// Less growth than this over all of them is nothing to speak of: in bytes, and in parts of what was there.
const LEAST_BYTES: u64 = 4 << 20;
const LEAST_PART: u64 = 10;

/// How a heap has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    pub from_bytes: u64,
    pub to_bytes: u64,
    pub over: Duration,
    /// Requests that were served meanwhile.
    pub requests: u64,
}

/// A leak, and the routes that it grows with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub growth: Growth,
    pub suspects: Vec<Suspect>,
}

#[derive(Debug, Clone)]
struct Window {
    began: Instant,
    least: u64,
    requests: u64,
    /// Of all workers, by route.
    routes: Vec<(String, u64)>,
}

/// Of one worker.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    windows: VecDeque<Window>,
    /// What was told last; it is told again when as much has come on top.
    told: Option<Leak>,
    last: u64,
}

impl Trend {
    /// A report: what the last major collection has left, and how many requests the worker has served; `routes` counts
    /// those of all workers. Gives what is to be told now.
    pub fn note(
        &mut self,
        left: u64,
        requests: u64,
        now: Instant,
        routes: impl FnOnce() -> Vec<(String, u64)>,
    ) -> Option<Leak> {
        // The same figure again is no new collection.
        if left == 0 || left == self.last {
            return None;
        }
        self.last = left;
        let is_over = |window: &Window| now.saturating_duration_since(window.began) >= WINDOW;
        match self.windows.back_mut() {
            Some(window) if !is_over(window) => {
                window.least = window.least.min(left);
                return None;
            }
            _ => {}
        }
        let leak = self.leak(now);
        while self.windows.len() > WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back(Window { began: now, least: left, requests, routes: routes() });
        leak
    }

    /// What was told of it.
    #[must_use]
    pub fn told(&self) -> Option<&Leak> {
        self.told.as_ref()
    }

    /// Of the windows that are over, all of which grew.
    fn leak(&mut self, now: Instant) -> Option<Leak> {
        let grew = |(before, after): (&Window, &Window)| after.least > before.least;
        let all_grew = self.windows.iter().zip(self.windows.iter().skip(1)).all(grew);
        let (first, last) = (self.windows.front()?, self.windows.back()?);
        let by = last.least.saturating_sub(first.least);
        let is_worth_it = by >= LEAST_BYTES.max(first.least / LEAST_PART);
        if self.windows.len() <= WINDOWS || !all_grew || !is_worth_it {
            return None;
        }
        let growth = Growth {
            from_bytes: first.least,
            to_bytes: last.least,
            over: now.saturating_duration_since(first.began),
            requests: last.requests.saturating_sub(first.requests),
        };
        let told = self.told.as_ref().map(|told| told.growth.to_bytes);
        if told.is_some_and(|told| growth.to_bytes < told.saturating_add(by)) {
            return None;
        }
        let leak = Leak { growth, suspects: suspects::find(&self.steps()) };
        self.told = Some(leak.clone());
        Some(leak)
    }

    /// From window to window.
    fn steps(&self) -> Vec<Step> {
        let pairs = self.windows.iter().zip(self.windows.iter().skip(1));
        pairs
            .map(|(before, after)| Step {
                grown: after.least.saturating_sub(before.least),
                requests: after.requests.saturating_sub(before.requests),
                routes: suspects::served(&before.routes, &after.routes),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    /// A collection each five seconds for so long; what each leaves. Returns when growth was told, and the first.
    fn simulate(seconds: u64, left: impl Fn(u64) -> u64) -> (Vec<u64>, Option<Growth>) {
        let (start, mut trend, mut told) = (Instant::now(), Trend::default(), Vec::new());
        for second in (0..seconds).step_by(5) {
            let now = start + Duration::from_secs(second);
            let leak = trend.note(left(second), second * 100, now, Vec::new);
            told.extend(leak.map(|leak| (second, leak.growth)));
        }
        (told.iter().map(|(second, _)| *second).collect(), told.first().map(|(_, growth)| *growth))
    }

    #[test]
    fn a_leak_is_told_and_told_again_when_it_has_doubled() {
        // 100 kB a second, with what comes and goes on top.
        let (told, first) = simulate(1200, |second| 20 * MB + second * 100_000 + second % 17 * 100_000);
        let first = first.unwrap();
        assert!((240..=300).contains(&told[0]) && told.len() >= 3, "{told:?}");
        let per_request = (first.to_bytes - first.from_bytes) / first.requests;
        assert!((800..=1200).contains(&per_request), "{per_request} bytes per request, {first:?}");
    }

    #[test]
    fn a_cache_that_fills_traffic_and_noise_are_no_leak() {
        let cache = |second: u64| 20 * MB + second.min(120) * 500_000 + second % 7;
        let tides =
            |second: u64| 40 * MB + if (second / 60).is_multiple_of(2) { second % 60 * 300_000 } else { 0 };
        let noise = |second: u64| 40 * MB + second * 7919 % 1000 * 2000;
        let crumbs = |second: u64| 40 * MB + second * 2000;
        assert_eq!(simulate(3600, cache).0, [0; 0]);
        assert_eq!(simulate(3600, tides).0, [0; 0]);
        assert_eq!(simulate(3600, noise).0, [0; 0]);
        assert_eq!(simulate(3600, crumbs).0, [0; 0]);
    }

    #[test]
    fn without_collections_there_is_nothing_to_tell() {
        assert_eq!(simulate(3600, |_| 0), (Vec::new(), None));
        assert_eq!(simulate(3600, |_| 30 * MB), (Vec::new(), None));
    }
}
