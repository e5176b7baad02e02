//! Earlier statuses of the instance, so that what is judged is the last minutes and not all since the start.
//!
//! They are taken whenever anybody asks for the status: a scraper, a person, and above all the sampler of the last hour
//! (`history`), which is the one clock of both. That one keeps few numbers of many moments; rules compare everything that
//! is counted, by group and route and worker, so here a few whole statuses are kept, of the last minutes and of the last seconds. What is judged of an instance that
//! hung goes further back, and says so.

use std::collections::VecDeque;

use super::Then;
use crate::observe::status::{Incidents, Status};

/// What is judged, where there is an earlier status to compare with.
const MINUTES: Span = Span { window_s: 300, every_s: 30, kept_max: 12 };
/// What has begun just now would be thin in it.
const LATELY: Span = Span { window_s: 10, every_s: 5, kept_max: 4 };
/// An instance at rest is looked at every ten seconds, and what is much older than the window is not lately.
const LATELY_MAX_S: u64 = 30;

#[derive(Debug, Clone, Copy)]
struct Span {
    window_s: u64,
    /// Between two that are kept.
    every_s: u64,
    kept_max: usize,
}

#[derive(Debug, Default)]
pub struct Earlier {
    minutes: VecDeque<Status>,
    lately: VecDeque<Status>,
}

impl Earlier {
    /// Keeps it, if it is time.
    pub fn note(&mut self, status: &Status) {
        keep(&mut self.minutes, MINUTES, status);
        keep(&mut self.lately, LATELY, status);
    }

    /// Those to compare with.
    #[must_use]
    pub fn then(&self, now: &Status) -> Then<'_> {
        let lately = old_enough(&self.lately, LATELY, now);
        Then {
            minutes: minutes(&self.minutes, now),
            lately: lately.filter(|then| age(then, now) <= LATELY_MAX_S),
        }
    }
}

fn age(then: &Status, now: &Status) -> u64 {
    now.uptime_s.saturating_sub(then.uptime_s)
}

fn keep(kept: &mut VecDeque<Status>, span: Span, status: &Status) {
    let last = kept.back().map_or(0, |last| last.uptime_s);
    if status.uptime_s < last + span.every_s {
        return;
    }
    if kept.len() == span.kept_max {
        kept.pop_front();
    }
    kept.push_back(counted(status));
}

/// The youngest that is as old as the window is long.
fn old_enough<'a>(kept: &'a VecDeque<Status>, span: Span, now: &Status) -> Option<&'a Status> {
    kept.iter().rev().find(|then| age(then, now) >= span.window_s)
}

/// `None`: the start.
fn minutes<'a>(kept: &'a VecDeque<Status>, now: &Status) -> Option<&'a Status> {
    if now.uptime_s <= MINUTES.window_s {
        return None;
    }
    // What is nearest to it tells more than days.
    let nearest = kept.front().filter(|then| age(then, now) >= MINUTES.window_s / 5);
    old_enough(kept, MINUTES, now).or(nearest)
}

/// Without the texts that nobody compares.
fn counted(status: &Status) -> Status {
    let mut kept = status.clone();
    kept.incidents = Incidents { groups: std::mem::take(&mut kept.incidents.groups), ..Incidents::default() };
    for group in &mut kept.incidents.groups {
        (group.example, group.hint) = (String::new(), None);
    }
    for pool in &mut kept.pools {
        (pool.findings, pool.leaks) = (Vec::new(), Vec::new());
    }
    kept.pool_queues = Vec::new();
    kept.log_sinks = Vec::new();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::fixture;

    fn at(uptime_s: u64) -> Status {
        Status { uptime_s, ..fixture() }
    }

    #[test]
    fn the_last_five_minutes_are_judged_where_somebody_has_asked_before() {
        // When it was asked before, when now; with which it is compared.
        let every_half_minute: Vec<u64> = (0..100).map(|times| times * 30).collect();
        let table: [(&[u64], u64, Option<u64>); 7] = [
            (&[], 10, None),
            (&[5, 40, 100], 290, None),
            (&[5, 40, 100], 402, Some(100)),
            // Nobody asked for days: since then.
            (&[40], 500_000, Some(40)),
            // The first one is younger than the window.
            (&[500_000], 500_100, Some(500_000)),
            (&[500_000], 500_010, None),
            (&every_half_minute, 2970, Some(2670)),
        ];
        for (asked, now, expected) in table {
            let mut earlier = Earlier::default();
            asked.iter().for_each(|uptime| earlier.note(&at(*uptime)));
            let found = earlier.then(&at(now)).minutes.map(|then| then.uptime_s);
            assert_eq!(found, expected, "{asked:?} {now}");
        }
    }

    #[test]
    fn the_last_seconds_are_judged_too_where_they_are_known() {
        // When it was asked before, when now; with which it is compared.
        let table: [(&[u64], u64, Option<u64>); 5] = [
            (&[1, 2, 3], 9, None),
            (&[5, 10, 15, 20], 26, Some(15)),
            // At rest.
            (&[100, 110], 119, Some(100)),
            (&[100], 129, Some(100)),
            (&[100], 131, None),
        ];
        for (asked, now, expected) in table {
            let mut earlier = Earlier::default();
            asked.iter().for_each(|uptime| earlier.note(&at(*uptime)));
            let found = earlier.then(&at(now)).lately.map(|then| then.uptime_s);
            assert_eq!(found, expected, "{asked:?} {now}");
        }
    }

    #[test]
    fn it_does_not_grow() {
        let mut earlier = Earlier::default();
        (0..10_000).for_each(|second| earlier.note(&at(second)));
        assert_eq!((earlier.minutes.len(), earlier.lately.len()), (MINUTES.kept_max, LATELY.kept_max));
    }
}
