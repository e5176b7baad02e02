//! Earlier statuses of the instance, so that what is judged is the last minutes and not all since the start.
//!
//! They are taken whenever anybody asks for the status: a scraper, a person, and above all the sampler of the last hour
//! (`history`), which is the one clock of both. That one keeps few numbers of many moments; rules compare everything that
//! is counted, by group and route and worker, so here a few whole statuses are kept. What is judged of an instance that
//! hung goes further back, and says so.

use std::collections::VecDeque;

use crate::observe::status::{Incidents, Status};

/// What is judged, where there is an earlier status to compare with.
const WINDOW_S: u64 = 300;
/// Between two that are kept.
const EVERY_S: u64 = 30;
const KEPT_MAX: usize = 12;

#[derive(Debug, Default)]
pub struct Earlier(VecDeque<Status>);

impl Earlier {
    /// Keeps it, if it is time.
    pub fn note(&mut self, status: &Status) {
        let last = self.0.back().map_or(0, |last| last.uptime_s);
        if status.uptime_s < last + EVERY_S {
            return;
        }
        if self.0.len() == KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(counted(status));
    }

    /// The one to compare with; `None`: with the start.
    #[must_use]
    pub fn then(&self, now: &Status) -> Option<&Status> {
        let age = |then: &&Status| now.uptime_s.saturating_sub(then.uptime_s);
        if now.uptime_s <= WINDOW_S {
            return None;
        }
        let old_enough = self.0.iter().rev().find(|then| age(then) >= WINDOW_S);
        // What is nearest to it tells more than days.
        old_enough.or_else(|| self.0.front().filter(|then| age(then) >= WINDOW_S / 5))
    }
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
            let found = earlier.then(&at(now)).map(|then| then.uptime_s);
            assert_eq!(found, expected, "{asked:?} {now}");
        }
    }

    #[test]
    fn it_does_not_grow() {
        let mut earlier = Earlier::default();
        (0..10_000).for_each(|second| earlier.note(&at(second)));
        assert_eq!(earlier.0.len(), KEPT_MAX);
    }
}
