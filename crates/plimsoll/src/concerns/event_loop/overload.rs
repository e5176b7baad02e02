//! When waiting has become the problem: CoDel (RFC 8289) with a queue that turns round.
//!
//! A queue that empties now and then is doing its work, however long it gets meanwhile; one in which everybody has
//! waited for long, for long, only delays. Then the newest goes first, since it is the one whose client is still
//! there in time, and who has waited for too long is told so.
//!
//! A blocked loop is no overload: nothing leaves the queue meanwhile, so nothing is learned from it, and nobody is
//! turned away.

use std::time::{Duration, Instant};

/// What is long in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A wait that is not worth a word.
    pub target: Duration,
    /// Waits above the target for this long are an overload.
    pub onset: Duration,
    /// Who waits longer than this in an overload is turned away.
    pub longest: Duration,
    /// Longer queues are cut at the end that is served last.
    pub length_max: usize,
}

/// For requests of every kind. CoDel takes an onset of 100 ms; but a reload on a small machine starts Node, which keeps a
/// CPU for longer than that, and nothing may be refused because of a reload. The longest wait is 100 ms less what comes after
/// it: the next look at the queue, and the way back to the client on a machine that is busy by definition.
pub const LIMITS: Limits = Limits {
    target: Duration::from_millis(20),
    onset: Duration::from_millis(500),
    longest: Duration::from_millis(90),
    length_max: 10_000,
};

impl Limits {
    /// For clients that wait for `longest`: what is worth a word grows with it; `None`: nothing is an overload, and all are
    /// served in order.
    #[must_use]
    pub fn shedding_after(self, longest: Option<Duration>) -> Self {
        match longest {
            Some(longest) => {
                let times = longest.div_duration_f64(self.longest);
                Self { target: self.target.mul_f64(times), longest, ..self }
            }
            None => Self { target: Duration::MAX, longest: Duration::MAX, ..self },
        }
    }

    /// The same where that lets them wait for longer than they do already.
    #[must_use]
    pub fn shedding_no_sooner_than(self, longest: Option<Duration>) -> Self {
        let is_longer = longest.is_none_or(|longest| longest > self.longest);
        if is_longer { self.shedding_after(longest) } else { self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    limits: Limits,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The last one that left had not waited for long.
    No,
    /// All that left since then had.
    Since(Instant),
    Yes,
}

impl Overload {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::No }
    }

    #[must_use]
    pub fn is_on(self) -> bool {
        self.state == State::Yes
    }

    /// Is this one turned away?
    #[must_use]
    pub fn is_too_long(self, waited: Duration) -> bool {
        self.is_on() && waited > self.limits.longest
    }

    #[must_use]
    pub fn length_max(self) -> usize {
        self.limits.length_max
    }

    /// One has left the queue for a worker, after `waited`; `oldest` is the longest wait of those that stay.
    pub fn left(&mut self, now: Instant, waited: Duration, oldest: Duration) {
        let Limits { target, onset, .. } = self.limits;
        self.state = match self.state {
            // The newest go first and tell nothing; those who stay do.
            State::Yes if oldest > target => State::Yes,
            _ if waited <= target => State::No,
            State::Since(start) if now.duration_since(start) >= onset => State::Yes,
            State::Since(start) => State::Since(start),
            State::No | State::Yes => State::Since(now),
        };
    }

    /// Nobody waits any more.
    pub fn emptied(&mut self) {
        self.state = State::No;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn only_lasting_waits_are_an_overload() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        // When one left and how long it had waited; is that an overload in the end?
        let table = [
            ("quick", vec![(0, 1), (50, 1), (200, 1)], false),
            ("a stall, then all at once", vec![(200, 200), (201, 150), (202, 60), (203, 5)], false),
            ("slow for a moment", vec![(0, 30), (60, 30), (90, 10), (180, 30)], false),
            ("slow for long", vec![(0, 30), (60, 30), (501, 30)], true),
            ("slow again after a quick one", vec![(0, 30), (60, 5), (70, 30), (150, 30)], false),
        ];
        for (case, events, expected) in table {
            let mut overload = Overload::new(LIMITS);
            for (at, waited) in events {
                overload.left(start + ms(at), ms(waited), ms(waited));
            }
            assert_eq!(overload.is_on(), expected, "{case}");
        }
    }

    /// One server, 1 ms a request, `per_ms` requests a millisecond, for two seconds. Returns the share of the
    /// server's time spent on requests, the longest wait of a served request and that of one turned away.
    fn simulate(limits: Limits, per_ms: f64) -> (f64, Duration, Duration) {
        let start = Instant::now();
        let (mut overload, mut queue) = (Overload::new(limits), VecDeque::new());
        let (mut due, mut served) = (0.0, 0u32);
        let (mut longest, mut refused) = (Duration::ZERO, Duration::ZERO);
        for millisecond in 0..2000 {
            let now = start + Duration::from_millis(millisecond);
            due += per_ms;
            while due >= 1.0 {
                queue.push_back(now);
                due -= 1.0;
            }
            while let Some(&since) = queue.front().filter(|since| overload.is_too_long(now - **since)) {
                refused = refused.max(now - since);
                queue.pop_front();
            }
            let next = if overload.is_on() { queue.pop_back() } else { queue.pop_front() };
            if let Some(since) = next {
                let oldest = queue.front().map_or(Duration::ZERO, |since| now - *since);
                overload.left(now, now - since, oldest);
                served += 1;
                // The first second may be used to find out.
                if millisecond > 1000 {
                    longest = longest.max(now - since);
                }
            }
        }
        (f64::from(served) / 2000.0, longest, refused)
    }

    #[test]
    fn at_twice_the_capacity_the_server_stays_busy_and_nobody_waits_long() {
        let (busy, longest, refused) = simulate(LIMITS, 2.0);
        assert!(busy >= 0.95, "{busy}");
        assert!(longest <= Duration::from_millis(110), "{longest:?}");
        assert!(refused > Duration::ZERO && refused <= Duration::from_millis(300), "{refused:?}");
    }

    #[test]
    fn clients_that_would_rather_wait_may() {
        let limits = LIMITS.shedding_after(Some(Duration::from_millis(450)));
        assert_eq!((limits.target, limits.onset), (Duration::from_millis(100), LIMITS.onset));
        let (busy, _, refused) = simulate(limits, 2.0);
        assert!(busy >= 0.95 && refused > limits.longest, "{busy} {refused:?}");
        // Nobody is turned away, and all in order: half of what came in two seconds is left.
        let (busy, longest, refused) = simulate(LIMITS.shedding_after(None), 2.0);
        assert!(busy >= 0.95 && longest >= Duration::from_millis(950), "{busy} {longest:?}");
        assert_eq!(refused, Duration::ZERO);
    }

    #[test]
    fn a_setting_moves_the_usual_limits() {
        assert_eq!(LIMITS.shedding_after(crate::config::EventLoop::default().shed_after), LIMITS);
        let heavy = Limits { longest: Duration::from_secs(5), ..LIMITS };
        for (longest, expected) in [(90, 5_000), (5_000, 5_000), (9_000, 9_000)] {
            let limits = heavy.shedding_no_sooner_than(Some(Duration::from_millis(longest)));
            assert_eq!(limits.longest, Duration::from_millis(expected), "{longest}");
        }
        assert_eq!(heavy.shedding_no_sooner_than(None).longest, Duration::MAX);
    }

    #[test]
    fn below_the_capacity_nobody_is_turned_away() {
        let (busy, longest, refused) = simulate(LIMITS, 0.9);
        assert!(
            busy > 0.89 && longest <= LIMITS.target && refused.is_zero(),
            "{busy} {longest:?} {refused:?}"
        );
    }
}
