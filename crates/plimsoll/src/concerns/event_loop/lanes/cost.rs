//! What the requests of a route cost: for how long each keeps the loop.
//!
//! Only costs that are worth telling are reported (`plimsoll_wire::stall::BUSY_MS`); a request of which nothing was
//! told costs nothing here. So requests are counted, and those without a report are folded into the mean when the next
//! report comes, or when somebody looks.

use std::collections::HashMap;
use std::time::Duration;

/// A route is heavy only after so many costs over the threshold, less those of its requests that cost nothing.
const OVER_LEAST: u32 = 3;
/// More are not remembered: whoever was heavy for a day may become light within the hour.
const OVER_MOST: u32 = 8;
/// The mean looks back on about so many requests.
const SPAN: f64 = 4.0;
/// A heavy route is light again below this share of the threshold.
const LIGHT_BELOW: f64 = 0.5;

/// What is known of one route.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Cost {
    mean_ms: f64,
    over: u32,
    /// Requests of which a cost was told, and those that were folded in as free.
    told: u64,
    free: u64,
    /// The request told last, and its mean before that: further parts of it are added up.
    last: Option<Last>,
    is_heavy: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Last {
    request: u64,
    ms: f64,
    before: f64,
}

/// A route has changed sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Heavy { cost: Duration },
    Light { cost: Duration },
}

/// The costs of all routes of which one was ever told.
#[derive(Debug)]
pub struct Costs<R> {
    threshold_ms: f64,
    routes: HashMap<R, Cost>,
}

impl<R: Copy + Eq + std::hash::Hash> Costs<R> {
    #[must_use]
    pub fn new(threshold: Duration) -> Self {
        Self { threshold_ms: threshold.as_secs_f64() * 1000.0, routes: HashMap::new() }
    }

    /// A part of `request` kept the loop for `cost`; `ended` requests of the route are over.
    pub fn observe(&mut self, route: R, ended: u64, request: u64, cost: Duration) -> Option<Change> {
        let threshold_ms = self.threshold_ms;
        let known = self.routes.entry(route).or_default();
        let ms = cost.as_secs_f64() * 1000.0;
        match &mut known.last {
            Some(last) if last.request == request => {
                let was_over = last.ms >= threshold_ms;
                last.ms += ms;
                let (ms, before) = (last.ms, last.before);
                known.weigh(ms, before);
                known.count_over(ms >= threshold_ms && !was_over);
            }
            _ => {
                known.fold(ended, 1);
                known.told += 1;
                let before = known.mean_ms;
                known.last = Some(Last { request, ms, before });
                known.weigh(ms, before);
                known.count_over(ms >= threshold_ms);
            }
        }
        known.judge(threshold_ms)
    }

    /// Requests of the route ended, and nothing was told of them. The cost of the latest may still be on its way.
    pub fn look(&mut self, route: R, ended: u64) -> Option<Change> {
        let known = self.routes.get_mut(&route)?;
        known.fold(ended, OVER_LEAST.into());
        known.judge(self.threshold_ms)
    }

    /// The routes that are heavy now.
    pub fn heavy(&self) -> impl Iterator<Item = (R, Duration)> {
        let heavy = self.routes.iter().filter(|(_, cost)| cost.is_heavy);
        heavy.map(|(route, cost)| (*route, cost.mean()))
    }

    /// All routes of which a cost was told.
    pub fn told(&self) -> impl Iterator<Item = (R, Duration)> {
        self.routes.iter().map(|(route, cost)| (*route, cost.mean()))
    }

    #[must_use]
    pub fn is_heavy(&self, route: R) -> bool {
        self.routes.get(&route).is_some_and(|cost| cost.is_heavy)
    }

    #[must_use]
    pub fn mean(&self, route: R) -> Duration {
        self.routes.get(&route).map_or(Duration::ZERO, Cost::mean)
    }
}

impl Cost {
    fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean_ms / 1000.0)
    }

    /// Counts those that are over and of which nothing was told, except the last few.
    fn fold(&mut self, ended: u64, pending: u64) {
        let free = ended.saturating_sub(pending).saturating_sub(self.told + self.free);
        if free == 0 {
            return;
        }
        self.free += free;
        // A power that is too large for the type leaves nothing either way.
        let times = i32::try_from(free).unwrap_or(i32::MAX);
        self.mean_ms *= (1.0 - 1.0 / SPAN).powi(times);
        self.over = self.over.saturating_sub(u32::try_from(free).unwrap_or(u32::MAX));
        self.last = None;
    }

    #[expect(clippy::cast_precision_loss, reason = "only numbers below the span count")]
    fn weigh(&mut self, ms: f64, before: f64) {
        let requests = (self.told + self.free) as f64;
        self.mean_ms = before + (ms - before) / requests.clamp(1.0, SPAN);
    }

    fn count_over(&mut self, is_over: bool) {
        if is_over {
            self.over = (self.over + 1).min(OVER_MOST);
        }
    }

    fn judge(&mut self, threshold_ms: f64) -> Option<Change> {
        let cost = self.mean();
        if !self.is_heavy && self.over >= OVER_LEAST && self.mean_ms >= threshold_ms {
            self.is_heavy = true;
            return Some(Change::Heavy { cost });
        }
        if self.is_heavy && self.mean_ms < threshold_ms * LIGHT_BELOW {
            self.is_heavy = false;
            return Some(Change::Light { cost });
        }
        None
    }
}
