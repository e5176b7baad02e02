//! How requests went, from the gateway to the processor: told only while the log is being sampled, and only of
//! requests that failed or were slow. Whoever tells never waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::access::AccessLog;
use crate::concerns::logs::Outcome;
use crate::ids::RouteId;
use crate::observe::by_route;
use crate::observe::http::ThreadStats;
use crate::observe::times::Sum;
use crate::routes::{IDS_MAX, Routes};

/// Told and not read yet.
const OUTCOMES_MAX: usize = 4096;
/// How often it is looked what is slow; of fewer requests of a route nothing can be said.
const LOOK: Duration = Duration::from_secs(5);
const REQUESTS_MIN: u64 = 100;

/// Takes in how requests went. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Outcomes {
    sender: SyncSender<Outcome>,
    interest: Arc<Interest>,
}

#[derive(Debug)]
struct Interest {
    is_wanted: AtomicBool,
    /// By route: a request that took longer is slow.
    slow_us: Box<[AtomicU64]>,
}

/// What the gateway tells the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Told {
    pub outcomes: Outcomes,
    pub access: AccessLog,
}

/// The other end.
#[derive(Debug)]
pub struct Heard {
    pub(super) outcomes: Receiver<Outcome>,
    interest: Arc<Interest>,
    threads: Vec<Arc<ThreadStats>>,
    routes: Arc<Routes>,
    /// What the times of each route were when it was last found what is slow in it.
    before: BTreeMap<RouteId, Sum>,
    looked: Option<Instant>,
}

impl Outcomes {
    #[must_use]
    pub fn channel() -> (Self, Heard) {
        let (sender, outcomes) = sync_channel(OUTCOMES_MAX);
        let slow_us = (0..IDS_MAX).map(|_| AtomicU64::new(u64::MAX)).collect();
        let interest = Arc::new(Interest { is_wanted: AtomicBool::new(false), slow_us });
        let heard = Heard {
            outcomes,
            interest: Arc::clone(&interest),
            threads: Vec::new(),
            routes: Arc::default(),
            before: BTreeMap::new(),
            looked: None,
        };
        (Self { sender, interest }, heard)
    }

    /// Would anybody listen?
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.interest.is_wanted.load(Relaxed)
    }

    /// Was it slower than 99 of 100 of its route?
    #[must_use]
    pub fn is_slow(&self, route: RouteId, duration: Duration) -> bool {
        let bound = self.interest.slow_us.get(usize::from(route.0));
        bound.is_some_and(|bound| duration.as_micros() > u128::from(bound.load(Relaxed)))
    }

    /// Forgotten where nobody keeps up.
    pub fn tell(&self, outcome: Outcome) {
        let _full_or_over = self.sender.try_send(outcome);
    }
}

impl Heard {
    /// With the figures by which it is told what is slow.
    #[must_use]
    pub fn with_figures(self, threads: &[Arc<ThreadStats>], routes: &Arc<Routes>) -> Self {
        Self { threads: threads.to_vec(), routes: Arc::clone(routes), ..self }
    }

    pub(super) fn want(&mut self, is_wanted: bool, now: Instant) {
        self.interest.is_wanted.store(is_wanted, Relaxed);
        let is_due = self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK);
        if is_wanted && is_due {
            self.looked = Some(now);
            self.look();
        }
    }

    fn look(&mut self) {
        let (times, current) = by_route::times(&self.threads, &self.routes.table());
        let mut bounds = BTreeMap::new();
        for (route, sum) in times {
            let recent = self.before.get(&route).map_or_else(|| sum.clone(), |before| sum.since(before));
            if recent.count() >= REQUESTS_MIN {
                bounds.insert(route, recent.quantile_us(990));
                self.before.insert(route, sum);
            }
        }
        for (id, now) in current {
            let place = self.interest.slow_us.get(usize::from(id.0));
            if let (Some(bound), Some(place)) = (bounds.get(&now), place) {
                place.store(*bound, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::http::Method;

    #[test]
    fn slow_is_what_one_in_a_hundred_is_among_the_last_of_its_route() {
        let stats = Arc::<ThreadStats>::default();
        let routes = Arc::<Routes>::default();
        let report = routes.tell(Method::Get, b"/report", "/report").unwrap();
        let user = routes.tell(Method::Get, b"/user", "/user").unwrap();
        let (outcomes, heard) = Outcomes::channel();
        let mut heard = heard.with_figures(&[Arc::clone(&stats)], &routes);
        let now = Instant::now();
        let serve = |route, count: usize, milliseconds| {
            (0..count).for_each(|_| {
                stats.record(route, Method::Get, 200, Duration::from_millis(milliseconds));
            });
        };
        let is_slow = |route, milliseconds| outcomes.is_slow(route, Duration::from_millis(milliseconds));
        serve(report, 50, 400);
        heard.want(true, now);
        assert!(outcomes.is_wanted() && !is_slow(report, 1_000_000), "too few to say");
        serve(user, 1000, 2);
        serve(user, 5, 900);
        serve(report, 1000, 400);
        heard.want(true, now + LOOK);
        assert!(is_slow(user, 300) && !is_slow(user, 2));
        assert!(is_slow(report, 800) && !is_slow(report, 400), "it is the usual there");
        assert!(!is_slow(RouteId::OTHER, 1000), "nothing is known of others");
        serve(user, 1000, 400);
        heard.want(true, now + LOOK * 2);
        assert!(!is_slow(user, 400), "they are usual now");
        heard.want(false, now);
        assert!(!outcomes.is_wanted());
    }
}
