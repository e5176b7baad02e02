//! Which requests are recorded because of what became of them: decided when they are over, on the spot, so that nothing
//! is kept of all the others.
//!
//! Whoever has a bad day has many of these: so many a second are recorded, and the others counted.

use std::time::{Duration, Instant};

/// Why a request is recorded; later ones matter more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// By chance, or because its caller records the trace.
    Sampled,
    /// Slower than 99 of the last 100 of its route.
    Slow,
    /// It was taken back from a worker that was late, or sent again because one was gone.
    Moved,
    /// The event loop stood still in it.
    Stalled,
    /// 5xx, refused by the gateway, or cut.
    Failed,
}

impl Why {
    pub const ALL: [Self; 5] = [Self::Sampled, Self::Slow, Self::Moved, Self::Stalled, Self::Failed];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Slow => "slow",
            Self::Moved => "moved",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a request when it is over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    pub is_sampled: bool,
    pub is_slow: bool,
    pub is_moved: bool,
    pub is_stalled: bool,
    pub is_failed: bool,
}

/// The most important reason to record it; `None`: there is none.
#[must_use]
pub fn judge(facts: Facts) -> Option<Why> {
    let reasons = [
        (facts.is_failed, Why::Failed),
        (facts.is_stalled, Why::Stalled),
        (facts.is_moved, Why::Moved),
        (facts.is_slow, Why::Slow),
        (facts.is_sampled, Why::Sampled),
    ];
    reasons.into_iter().find_map(|(is, why)| is.then_some(why))
}

/// So many a second.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    per_second: u32,
    left: u32,
    since: Instant,
}

impl Allowance {
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, left: per_second, since: now }
    }

    /// Is there one left in this second?
    pub fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            (self.left, self.since) = (self.per_second, now);
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_reason_is_the_one_that_is_told() {
        let none = Facts::default();
        for (facts, why) in [
            (none, None),
            (Facts { is_sampled: true, ..none }, Some(Why::Sampled)),
            (Facts { is_sampled: true, is_slow: true, ..none }, Some(Why::Slow)),
            (Facts { is_moved: true, is_slow: true, ..none }, Some(Why::Moved)),
            (Facts { is_stalled: true, is_slow: true, ..none }, Some(Why::Stalled)),
            (Facts { is_stalled: true, is_failed: true, ..none }, Some(Why::Failed)),
        ] {
            assert_eq!(judge(facts), why, "{facts:?}");
        }
        assert!(Why::ALL.is_sorted());
    }

    #[test]
    fn so_many_a_second_are_allowed() {
        let start = Instant::now();
        let mut allowance = Allowance::new(2, start);
        let at = |ms| start + Duration::from_millis(ms);
        let taken = [0, 1, 2, 999, 1000, 1001, 1500, 2000].map(|ms| allowance.take(at(ms)));
        assert_eq!(taken, [true, true, false, false, true, true, false, true]);
    }
}
