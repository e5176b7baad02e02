//! Lines of one cause: the first ones are said at once, what comes too often is counted and said in one line.
//!
//! The cause is the place in our code that speaks: what differs is only which worker, pool or service it is about. Life
//! events of the instance are few; what repeats without an end is trouble, and one line of it is as good as a hundred.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many lines of one cause within [`INTERVAL`] are said.
const SAID_MAX: u32 = 20;
const INTERVAL: Duration = Duration::from_secs(60);
/// Causes that are told apart: there are some hundred places that speak.
const CAUSES_MAX: usize = 512;

/// Where a line comes from.
pub(super) type Cause = (&'static str, u32);

#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<Cause, Seen>);

#[derive(Debug)]
struct Seen {
    since: Instant,
    said: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is said, and that so many before it were not.
    Say {
        left_out: u64,
    },
    LeaveOut,
}

impl Repeats {
    pub(super) fn judge(&mut self, cause: Cause, now: Instant) -> Verdict {
        if self.0.len() >= CAUSES_MAX && !self.0.contains_key(&cause) {
            return Verdict::Say { left_out: 0 };
        }
        let seen = self.0.entry(cause).or_insert(Seen { since: now, said: 0, left_out: 0 });
        if now.saturating_duration_since(seen.since) >= INTERVAL {
            let left_out = seen.left_out;
            *seen = Seen { since: now, said: 1, left_out: 0 };
            return Verdict::Say { left_out };
        }
        if seen.said >= SAID_MAX {
            seen.left_out += 1;
            return Verdict::LeaveOut;
        }
        seen.said += 1;
        Verdict::Say { left_out: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(repeats: &Repeats) -> u64 {
        repeats.0.values().map(|seen| seen.left_out).sum()
    }

    const STALL: Cause = ("incidents/mod.rs", 1);

    #[test]
    fn what_comes_too_often_is_counted_and_said_with_the_next_one() {
        let (mut repeats, start) = (Repeats::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let said = (0..1000).filter(|_| repeats.judge(STALL, at(0)) != Verdict::LeaveOut).count();
        assert_eq!((said, left_out(&repeats)), (20, 980));
        assert_eq!(repeats.judge(("other.rs", 1), at(1)), Verdict::Say { left_out: 0 }, "another cause");
        assert_eq!(repeats.judge(STALL, at(59)), Verdict::LeaveOut);
        assert_eq!(repeats.judge(STALL, at(60)), Verdict::Say { left_out: 981 });
        assert_eq!(repeats.judge(STALL, at(61)), Verdict::Say { left_out: 0 });
        assert_eq!(left_out(&repeats), 0);
    }

    #[test]
    fn a_cause_too_many_is_said_and_not_kept() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for line in 0..10_000 {
            assert_eq!(repeats.judge(("many.rs", line), now), Verdict::Say { left_out: 0 });
        }
        assert_eq!(repeats.0.len(), CAUSES_MAX);
    }
}
