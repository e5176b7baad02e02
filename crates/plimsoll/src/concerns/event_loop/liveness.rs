//! A worker that is busy, and one that is dead: both do not answer, and only one of them will.

use std::time::{Duration, Instant};

/// The watchdog looks at a blocked loop at least each second, for so long.
const LOOKS_LAST: Duration = Duration::from_secs(120);
/// When it has not looked for this long, it is the watchdog that was lost, or its words.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of one process of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    stalled: Option<Stalled>,
    stopped_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stalled {
    since: Instant,
    seen: Instant,
}

/// Why a worker will not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// Its loop has not turned for so long.
    Blocked(Duration),
    /// Its process has been stopped for so long.
    Stopped(Duration),
}

impl Pulse {
    /// The watchdog says that the loop has not turned for so long.
    pub fn stalls(&mut self, for_ms: u32, now: Instant) {
        let since = now.checked_sub(Duration::from_millis(for_ms.into())).unwrap_or(now);
        self.stalled = Some(Stalled { since, seen: now });
    }

    /// The loop has turned.
    pub fn turns(&mut self) {
        self.stalled = None;
    }

    /// Whether its process is stopped now.
    pub fn is_stopped(&mut self, is_stopped: bool, now: Instant) {
        self.stopped_since = is_stopped.then(|| self.stopped_since.unwrap_or(now));
    }

    /// When it has been stopped since.
    #[must_use]
    pub fn stopped_since(&self) -> Option<Instant> {
        self.stopped_since
    }

    /// Never sooner than `dead_after`; only asked of a worker that has work.
    #[must_use]
    pub fn judge(&self, now: Instant, dead_after: Duration) -> Option<Dead> {
        let since = |instant: Instant| now.saturating_duration_since(instant);
        if let Some(stopped) = self.stopped_since.map(since).filter(|time| *time >= dead_after) {
            return Some(Dead::Stopped(stopped));
        }
        let stalled = self.stalled?;
        let is_watched = since(stalled.seen) < LOOK_TIMEOUT
            || stalled.seen.saturating_duration_since(stalled.since) >= LOOKS_LAST;
        let blocked = since(stalled.since);
        // While a process is stopped its loop is not the one to blame, and its watchdog is stopped as well.
        let is_dead = blocked >= dead_after && is_watched && self.stopped_since.is_none();
        is_dead.then_some(Dead::Blocked(blocked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Step {
        /// At this second the watchdog says that the loop has stood for so many.
        Look(u64, u32),
        Turn,
        Stopped(u64, bool),
    }

    fn verdict(steps: &[Step], at: u64) -> Option<Dead> {
        let start = Instant::now();
        let second = |at: u64| start + Duration::from_secs(1000 + at);
        let mut pulse = Pulse::default();
        for step in steps {
            match *step {
                Step::Look(at, seconds) => pulse.stalls(seconds * 1000, second(at)),
                Step::Turn => pulse.turns(),
                Step::Stopped(at, is) => pulse.is_stopped(is, second(at)),
            }
        }
        pulse.judge(second(at), Duration::from_secs(60))
    }

    #[test]
    fn only_who_has_not_turned_for_long_or_is_stopped_for_long_is_dead() {
        use Step::{Look, Stopped, Turn};
        let seconds = Duration::from_secs;
        let table: [(&[Step], u64, Option<Dead>); 11] = [
            (&[], 100, None),
            (&[Look(10, 10)], 12, None),
            (&[Look(59, 59)], 59, None),
            (&[Look(59, 59)], 60, Some(Dead::Blocked(seconds(60)))),
            (&[Look(60, 60), Turn], 61, None),
            // Its words were lost.
            (&[Look(10, 10)], 100, None),
            // It has said it often enough.
            (&[Look(130, 130)], 200, Some(Dead::Blocked(seconds(200)))),
            (&[Stopped(0, true), Stopped(59, true)], 59, None),
            (&[Stopped(0, true), Stopped(60, true)], 60, Some(Dead::Stopped(seconds(60)))),
            (&[Stopped(0, true), Stopped(30, false), Stopped(31, true)], 80, None),
            (&[Look(60, 60), Stopped(60, true)], 61, None),
        ];
        for (row, (steps, at, expected)) in table.into_iter().enumerate() {
            assert_eq!(verdict(steps, at), expected, "row {row}");
        }
    }
}
