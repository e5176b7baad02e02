//! What is slow: of each route, longer than 99 of 100 of its last requests took. Looked up now and then, asked for
//! with each request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::by_route;
use super::http::ThreadStats;
use super::times::Sum;
use crate::ids::RouteId;
use crate::routes::{IDS_MAX, Routes};

/// How often it is looked what is slow; of fewer requests of a route nothing can be said.
pub(super) const LOOK: Duration = Duration::from_secs(5);
const REQUESTS_MIN: u64 = 100;

/// Cheap to clone; whoever needs it looks, and all know.
#[derive(Debug, Clone)]
pub struct Slow(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By route: a request that took longer is slow.
    bounds_us: Box<[AtomicU64]>,
    looker: Mutex<Looker>,
}

#[derive(Debug, Default)]
struct Looker {
    threads: Vec<Arc<ThreadStats>>,
    routes: Arc<Routes>,
    /// What the times of each route were when it was last found what is slow in it.
    before: BTreeMap<RouteId, Sum>,
    looked: Option<Instant>,
}

impl Default for Slow {
    fn default() -> Self {
        let bounds_us = (0..IDS_MAX).map(|_| AtomicU64::new(u64::MAX)).collect();
        Self(Arc::new(Shared { bounds_us, looker: Mutex::default() }))
    }
}

impl Slow {
    /// From now on it is known from these figures.
    pub fn watch(&self, threads: &[Arc<ThreadStats>], routes: &Arc<Routes>) {
        let mut looker = self.0.looker.lock().unwrap_or_else(PoisonError::into_inner);
        (looker.threads, looker.routes) = (threads.to_vec(), Arc::clone(routes));
    }

    /// Was it slower than 99 of 100 of its route?
    #[must_use]
    pub fn is_slow(&self, route: RouteId, duration: Duration) -> bool {
        let bound = self.0.bounds_us.get(usize::from(route.0));
        bound.is_some_and(|bound| duration.as_micros() > u128::from(bound.load(Relaxed)))
    }

    /// To be called now and then.
    pub(super) fn look(&self, now: Instant) {
        let mut looker = self.0.looker.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looker.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK);
        if is_due {
            looker.looked = Some(now);
            looker.look(&self.0.bounds_us);
        }
    }
}

impl Looker {
    fn look(&mut self, places: &[AtomicU64]) {
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
            if let (Some(bound), Some(place)) = (bounds.get(&now), places.get(usize::from(id.0))) {
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
        let slow = Slow::default();
        slow.watch(&[Arc::clone(&stats)], &routes);
        let now = Instant::now();
        let serve = |route, count: usize, milliseconds| {
            (0..count).for_each(|_| {
                stats.record(route, Method::Get, 200, Duration::from_millis(milliseconds));
            });
        };
        let is_slow = |route, milliseconds| slow.is_slow(route, Duration::from_millis(milliseconds));
        serve(report, 50, 400);
        slow.look(now);
        assert!(!is_slow(report, 1_000_000), "too few to say");
        serve(user, 1000, 2);
        serve(user, 5, 900);
        serve(report, 1000, 400);
        slow.look(now + LOOK);
        assert!(is_slow(user, 300) && !is_slow(user, 2));
        assert!(is_slow(report, 800) && !is_slow(report, 400), "it is the usual there");
        assert!(!is_slow(RouteId::OTHER, 1000), "nothing is known of others");
        serve(user, 1000, 400);
        slow.look(now + LOOK * 2);
        assert!(!is_slow(user, 400), "they are usual now");
    }
}
