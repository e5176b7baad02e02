//! A heavy request's tenure of its worker: no other heavy one is sent there, and no light one where there is another
//! worker for it.
//!
//! It ends with the answer, or by itself: a request that waits for a database must not keep the next from a loop that
//! is free. All gateway threads see it.

use std::cell::Cell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::Load;

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
const FREE: u64 = 0;

#[derive(Debug)]
pub(super) struct Tenure {
    load: Arc<Load>,
    /// The word that says that it is ours.
    until: Cell<u64>,
}

impl Tenure {
    /// `None`: another request has it.
    pub(super) fn take(load: &Arc<Load>, now: Instant, length: Duration) -> Option<Self> {
        let before = load.tenure_until.load(Acquire);
        let until = micros(now + length);
        let is_ours = before <= micros(now)
            && load.tenure_until.compare_exchange(before, until, AcqRel, Relaxed).is_ok();
        is_ours.then(|| Self { load: Arc::clone(load), until: Cell::new(until) })
    }

    /// The time runs from now; one that has run out stays so.
    pub(super) fn renew(&self, now: Instant, length: Duration) {
        let until = micros(now + length);
        if self.load.tenure_until.compare_exchange(self.until.get(), until, AcqRel, Relaxed).is_ok() {
            self.until.set(until);
        }
    }

    pub(super) fn is_taken(load: &Load, now: Instant) -> bool {
        let until = load.tenure_until.load(Relaxed);
        until != FREE && until > micros(now)
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        // Another one may have it by now.
        let _ = self.load.tenure_until.compare_exchange(self.until.get(), FREE, AcqRel, Relaxed);
    }
}

fn micros(at: Instant) -> u64 {
    // Never `FREE`.
    u64::try_from(at.saturating_duration_since(*EPOCH).as_micros()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_has_a_worker_until_its_end_or_for_its_time() {
        let load = Arc::new(Load::default());
        let start = *EPOCH + Duration::from_secs(1);
        let at = |ms| start + Duration::from_millis(ms);
        let hundred = Duration::from_millis(100);
        let first = Tenure::take(&load, at(0), hundred).unwrap();
        assert!(Tenure::is_taken(&load, at(99)) && Tenure::take(&load, at(99), hundred).is_none());
        first.renew(at(50), hundred);
        assert!(Tenure::take(&load, at(149), hundred).is_none());
        let second = Tenure::take(&load, at(150), hundred).unwrap();
        drop(first);
        assert!(Tenure::is_taken(&load, at(151)), "it is the second's");
        drop(second);
        assert!(!Tenure::is_taken(&load, at(151)));
    }
}
