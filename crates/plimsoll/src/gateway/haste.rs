//! A worker that fails at once has nothing in flight. By least in flight alone it would be given the requests of all the
//! others, and fail them as well ("sinkholing": Wydrowski et al., Load is not what you should balance, NSDI 2024). So an
//! error counts as in flight for [`WEIGHT`] times as long as a good answer takes: who fails is then given a small part of what its fellows
//! are, enough to see when it is well again, and where all fail alike nothing changes. With the time of one good answer it would be given as much as
//! they are, and where each worker can do only so much at once (connections to a database that lie unevenly) fail what others have room for.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Of how many answers the average is, roughly: a moving one with a gain of one in so many.
const ANSWERS: u32 = 64;
/// An answer that takes longer, a stream of events for instance, counts as this.
const LONGEST: Duration = Duration::from_secs(10);
/// For how many good answers an error counts. Eight workers with 97 connections that lie unevenly (20, 20, 15, 14, 10, 8, 6, 4) and requests
/// that need 92 fail 20 % of them with 1, 10 % with 4, 4 % with 16 (simulated; dealing out in turn fails 20 %).
const WEIGHT: u32 = 16;
/// An error is forgotten after this at the latest.
const REMEMBERED: Duration = Duration::from_secs(10);
/// What a good answer takes as long as there was none.
const FIRST: Duration = Duration::from_millis(100);
/// Errors of a worker that are counted at once.
const ERRORS_MAX: usize = 4096;

/// What good answers take on average.
#[derive(Debug, Default)]
pub(super) struct Usual {
    answers: Cell<u32>,
    seconds: Cell<f32>,
}

impl Usual {
    pub(super) fn note(&self, took: Duration) {
        let answers = (self.answers.get() + 1).min(ANSWERS);
        self.answers.set(answers);
        let (before, now) = (self.seconds.get(), took.min(LONGEST).as_secs_f32());
        #[expect(clippy::cast_precision_loss, reason = "it is at most 64")]
        self.seconds.set(before + (now - before) / answers as f32);
    }

    fn get(&self) -> Duration {
        if self.answers.get() == 0 {
            return FIRST;
        }
        Duration::from_secs_f32(self.seconds.get().max(0.0))
    }

    /// For how long an error counts, from when its request was sent.
    pub(super) fn of_error(&self) -> Duration {
        (self.get() * WEIGHT).min(REMEMBERED)
    }
}

/// Errors of a worker that count as requests in flight.
#[derive(Debug, Default)]
pub(super) struct Hasty(RefCell<BinaryHeap<Reverse<Instant>>>);

impl Hasty {
    /// One counts until then.
    pub(super) fn add(&self, until: Instant) {
        let mut errors = self.0.borrow_mut();
        if errors.len() < ERRORS_MAX {
            errors.push(Reverse(until));
        }
    }

    /// How many count now.
    pub(super) fn count(&self, now: Instant) -> u32 {
        let mut errors = self.0.borrow_mut();
        while errors.peek().is_some_and(|Reverse(until)| *until <= now) {
            errors.pop();
        }
        u32::try_from(errors.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_begins_at_once_and_follows() {
        let usual = Usual::default();
        assert_eq!(usual.get(), FIRST);
        let note = |ms, times| (0..times).for_each(|_| usual.note(Duration::from_millis(ms)));
        let is_about = |ms: f32| (usual.get().as_secs_f32() * 1000.0 - ms).abs() < ms / 50.0;
        note(40, 1);
        assert!(is_about(40.0));
        note(80, 1);
        assert!(is_about(60.0), "as long as they are few each counts alike: {:?}", usual.get());
        note(10, 1000);
        assert!(is_about(10.0));
        note(3_600_000, 1);
        assert!(
            is_about(10.0 + (10_000.0 - 10.0) / 64.0),
            "a stream is no answer of an hour: {:?}",
            usual.get()
        );
        note(3_600_000, 1000);
        assert_eq!(usual.of_error(), REMEMBERED);
    }

    #[test]
    fn errors_count_until_their_time_and_are_bounded() {
        let (start, hasty) = (Instant::now(), Hasty::default());
        let at = |ms| start + Duration::from_millis(ms);
        [30, 10, 20].into_iter().for_each(|ms| hasty.add(at(ms)));
        for (now, expected) in [(0, 3), (10, 2), (25, 1), (30, 0)] {
            assert_eq!(hasty.count(at(now)), expected, "{now}");
        }
        (0..10_000).for_each(|_| hasty.add(at(100)));
        assert_eq!(hasty.count(at(50)), 4096);
    }

    /// One of four workers fails at once, the others answer in 40 ms, 400 requests come a second. Gives the part of them
    /// that the bad one gets.
    fn share_of_the_bad_one(counts_errors: bool) -> f64 {
        let (start, usual) = (Instant::now(), Usual::default());
        let hasty: [Hasty; 4] = Default::default();
        // Requests under way, as those that count as such: until when.
        let under_way: [Hasty; 4] = Default::default();
        let (mut of_bad, requests) = (0_u32, 4000_u32);
        for number in 0..requests {
            let now = start + Duration::from_micros(2500) * number;
            let load = |one: usize| {
                under_way[one].count(now) + if counts_errors { hasty[one].count(now) } else { 0 }
            };
            // Ties go round.
            let one = (0..4).map(|one| (one + number as usize) % 4).min_by_key(|one| load(*one)).unwrap();
            if one == 0 {
                of_bad += 1;
                hasty[one].add(now + usual.of_error());
            } else {
                under_way[one].add(now + Duration::from_millis(40));
                usual.note(Duration::from_millis(40));
            }
        }
        f64::from(of_bad) / f64::from(requests)
    }

    #[test]
    fn who_fails_at_once_is_given_little() {
        let (without, with) = (share_of_the_bad_one(false), share_of_the_bad_one(true));
        assert!(without > 0.75, "what it is for: {without}");
        assert!((0.005..0.04).contains(&with), "{with}");
    }
}
