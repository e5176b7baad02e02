//! How requests went, from the gateway to the processor: told only while the log is being sampled, and only of
//! requests that failed or were slow. Whoever tells never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::access::AccessLog;
use crate::concerns::logs::Outcome;
use crate::ids::RouteId;
use crate::observe::slow::Slow;

/// Told and not read yet.
const OUTCOMES_MAX: usize = 4096;

/// Takes in how requests went. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Outcomes {
    sender: SyncSender<Outcome>,
    is_wanted: Arc<AtomicBool>,
    slow: Slow,
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
    is_wanted: Arc<AtomicBool>,
    slow: Slow,
}

impl Outcomes {
    #[must_use]
    pub fn channel(slow: &Slow) -> (Self, Heard) {
        let (sender, outcomes) = sync_channel(OUTCOMES_MAX);
        let is_wanted = Arc::<AtomicBool>::default();
        let heard = Heard { outcomes, is_wanted: Arc::clone(&is_wanted), slow: slow.clone() };
        (Self { sender, is_wanted, slow: slow.clone() }, heard)
    }

    /// Would anybody listen?
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Relaxed)
    }

    /// Was it slower than 99 of 100 of its route?
    #[must_use]
    pub fn is_slow(&self, route: RouteId, duration: Duration) -> bool {
        self.slow.is_slow(route, duration)
    }

    /// Forgotten where nobody keeps up.
    pub fn tell(&self, outcome: Outcome) {
        let _full_or_over = self.sender.try_send(outcome);
    }
}

impl Heard {
    pub(super) fn want(&mut self, is_wanted: bool, now: Instant) {
        self.is_wanted.store(is_wanted, Relaxed);
        if is_wanted {
            self.slow.look(now);
        }
    }
}
