//! How requests went, from the gateway to the processor: told only while the log is being sampled, and only of
//! requests that failed or were slow. Whoever tells never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::access::AccessLog;
use crate::concerns::logs::Outcome;
use crate::observe::histogram::Snapshot;
use crate::observe::http::{ThreadStats, Totals};
use crate::routes::Routes;

/// Told and not read yet.
const OUTCOMES_MAX: usize = 4096;
/// How often it is looked what is slow; of fewer requests nothing can be said.
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
    /// A request that took longer is slow.
    slow_us: AtomicU64,
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
    before: Snapshot,
    looked: Option<Instant>,
}

impl Outcomes {
    #[must_use]
    pub fn channel() -> (Self, Heard) {
        let (sender, outcomes) = sync_channel(OUTCOMES_MAX);
        let interest =
            Arc::new(Interest { is_wanted: AtomicBool::new(false), slow_us: AtomicU64::new(u64::MAX) });
        let heard = Heard {
            outcomes,
            interest: Arc::clone(&interest),
            threads: Vec::new(),
            routes: Arc::default(),
            before: Snapshot::default(),
            looked: None,
        };
        (Self { sender, interest }, heard)
    }

    /// Would anybody listen?
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.interest.is_wanted.load(Relaxed)
    }

    /// Was it slower than 99 of 100?
    #[must_use]
    pub fn is_slow(&self, duration: Duration) -> bool {
        duration.as_micros() > u128::from(self.interest.slow_us.load(Relaxed))
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
        let mut total = Snapshot::default();
        Totals::read(&self.threads, &self.routes.table())
            .durations
            .values()
            .for_each(|snapshot| total.merge(snapshot));
        if let Some(bound) = slowest_hundredth(&self.before, &total) {
            self.before = total;
            self.interest.slow_us.store(bound, Relaxed);
        }
    }
}

/// The least bound of the histogram, in microseconds, above which at most one in a hundred of the requests between
/// the two lies.
fn slowest_hundredth(before: &Snapshot, after: &Snapshot) -> Option<u64> {
    let count = after.count().checked_sub(before.count()).filter(|count| *count >= REQUESTS_MIN)?;
    let earlier = before.by_bound();
    let below = after
        .by_bound()
        .into_iter()
        .zip(earlier)
        .map(|((bound, after), (_, before))| (bound, after.saturating_sub(before)));
    let found = below.into_iter().find(|(_, below)| (count - below.min(&count)) * 100 <= count);
    found.and_then(|(bound, _)| u64::try_from(Duration::try_from_secs_f64(bound).ok()?.as_micros()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::http::Method;

    #[test]
    fn slow_is_what_one_in_a_hundred_is_among_the_last() {
        let stats = Arc::<ThreadStats>::default();
        let (outcomes, heard) = Outcomes::channel();
        let mut heard = heard.with_figures(&[Arc::clone(&stats)], &Arc::default());
        let now = Instant::now();
        let serve = |count: usize, milliseconds| {
            (0..count).for_each(|_| {
                stats.record(
                    crate::ids::RouteId::OTHER,
                    Method::Get,
                    200,
                    Duration::from_millis(milliseconds),
                )
            });
        };
        heard.want(true, now);
        assert!(outcomes.is_wanted() && !outcomes.is_slow(Duration::from_secs(1000)), "too few to say");
        serve(1000, 2);
        serve(5, 900);
        heard.want(true, now + LOOK);
        assert!(outcomes.is_slow(Duration::from_millis(800)) && !outcomes.is_slow(Duration::from_millis(2)));
        serve(1000, 400);
        heard.want(true, now + LOOK * 2);
        assert!(!outcomes.is_slow(Duration::from_millis(400)), "they are usual now");
        heard.want(false, now);
        assert!(!outcomes.is_wanted());
    }
}
