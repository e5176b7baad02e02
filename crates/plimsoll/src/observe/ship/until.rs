//! By when an attempt must be over. That is known at the end alone, and the end may come while an attempt hangs: so
//! whoever attempts looks at it again and again, or waits for it beside what it waits for.

use std::future;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep_until;

/// Tells of the end.
#[derive(Debug)]
pub(in crate::observe) struct Ending(watch::Sender<Option<End>>);

#[derive(Debug, Clone, Copy)]
struct End {
    told: Instant,
    deadline: Instant,
}

/// What is still to be done after the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) enum Then {
    Nothing,
    /// What could not be delivered is written to the disk: that takes time as well.
    SetAside,
}

#[derive(Debug, Clone)]
pub(in crate::observe) struct Until {
    end: watch::Receiver<Option<End>>,
    then: Then,
}

impl Ending {
    pub(in crate::observe) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(in crate::observe) fn tell(&self, deadline: Instant) {
        self.0.send_replace(Some(End { told: Instant::now(), deadline }));
    }

    pub(in crate::observe) fn until(&self, then: Then) -> Until {
        Until { end: self.0.subscribe(), then }
    }
}

impl Until {
    /// `None`: there is no hurry.
    pub(in crate::observe) fn deadline(&self) -> Option<Instant> {
        let End { told, deadline } = (*self.end.borrow())?;
        Some(match self.then {
            Then::Nothing => deadline,
            Then::SetAside => told + deadline.saturating_duration_since(told) / 2,
        })
    }

    /// So long, or until then.
    pub(in crate::observe) fn within(&self, most: Duration) -> Duration {
        self.deadline().map_or(most, |deadline| deadline.saturating_duration_since(Instant::now()).min(most))
    }

    /// Resolves when the time is over.
    pub(in crate::observe) async fn over(&self) {
        let is_told = self.end.clone().wait_for(Option::is_some).await.is_ok();
        match self.deadline() {
            Some(deadline) if is_told => sleep_until(deadline.into()).await,
            // Nobody is there any more to tell of an end.
            _ => future::pending().await,
        }
    }

    #[cfg(test)]
    pub(in crate::observe) fn never() -> Self {
        Ending::new().until(Then::Nothing)
    }
}
