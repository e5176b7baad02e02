use std::time::{Duration, Instant};

use plimsoll_wire::calls::{self, Outcomes, Probed};

use super::{Breaker, Position};
use crate::config::BreakerRules;

/// Time that passes by milliseconds, and workers that make calls and tell of them as the agent does.
struct World {
    breaker: Breaker<u8>,
    start: Instant,
    ms: u64,
    /// Times that all were told.
    told: u32,
}

fn fast() -> BreakerRules {
    BreakerRules {
        base_ejection_time: Duration::from_millis(500),
        max_ejection_time: Duration::from_millis(1200),
        ..BreakerRules::default()
    }
}

impl World {
    fn new(rules: BreakerRules, holds: bool) -> Self {
        let start = Instant::now();
        Self { breaker: Breaker::new(rules, holds, start), start, ms: 0, told: 0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.ms += 1;
            if self.breaker.deadline().is_some_and(|deadline| deadline <= self.now()) {
                self.told += u32::from(self.breaker.look(self.now()));
            }
        }
    }

    fn tell(&mut self, worker: u8, said: Outcomes) {
        self.told += u32::from(self.breaker.hear(worker, &said, self.now()));
    }

    fn fails(&mut self, worker: u8, calls: u32) {
        let gateway = Outcomes { gateway: calls, gateway_run: calls, ..Outcomes::default() };
        self.tell(worker, Outcomes { calls, failed: calls, run: calls, ..gateway });
    }

    fn answers(&mut self, worker: u8, calls: u32, ok_ago_ms: u32) {
        self.tell(worker, Outcomes { calls, ok_ago_ms, ..Outcomes::default() });
    }

    fn position(&self) -> Position {
        self.breaker.shown().state
    }

    fn asks(&mut self, worker: u8) -> calls::Breaker {
        self.breaker.ask(worker, self.now())
    }

    /// For how long it says that it is open.
    fn open_ms(&self) -> Option<u32> {
        match self.breaker.told(self.now()) {
            calls::Breaker::Open { for_ms, .. } => Some(for_ms),
            _ => None,
        }
    }

    fn ends(&mut self, worker: u8, probed: Probed) -> bool {
        self.breaker.probed(worker, probed, self.now())
    }
}

#[test]
fn failures_in_a_row_open_it_at_once_where_one_worker_makes_calls() {
    let mut world = World::new(fast(), true);
    world.answers(0, 100, 0);
    world.fails(0, 4);
    world.answers(0, 1, 0);
    world.fails(0, 4);
    assert_eq!((world.position(), world.told), (Position::Closed, 0));
    world.fails(0, 1);
    assert_eq!((world.position(), world.told, world.open_ms()), (Position::Open, 1, Some(500)));
    assert_eq!(world.breaker.shown().why.unwrap(), "5 calls in a row failed");
}

#[test]
fn failures_of_all_workers_are_one_row() {
    let mut world = World::new(fast(), true);
    for worker in 0..5 {
        world.answers(worker, 1, 0);
    }
    world.pass(1);
    for worker in 0..5 {
        assert_eq!(world.position(), Position::Closed);
        world.fails(worker, 1);
    }
    assert_eq!(world.position(), Position::Open);
}

#[test]
fn answers_that_another_worker_has_not_told_yet_are_waited_for() {
    let mut world = World::new(fast(), true);
    world.answers(1, 30, 0);
    world.pass(50);
    world.fails(0, 7);
    assert_eq!(world.position(), Position::Closed, "the other one may have had answers meanwhile");
    world.pass(50);
    world.answers(1, 30, 10);
    world.pass(200);
    assert_eq!(world.position(), Position::Closed, "and it had");

    world.answers(1, 1, 0);
    world.pass(50);
    world.fails(0, 7);
    world.pass(50);
    // Its last answer was before the first failure.
    world.answers(1, 3, 90);
    assert_eq!(world.position(), Position::Open);
}

#[test]
fn a_worker_that_says_nothing_any_more_is_not_waited_for_for_long() {
    let mut world = World::new(fast(), true);
    world.answers(1, 30, 0);
    world.pass(50);
    world.fails(0, 5);
    world.pass(99);
    assert_eq!(world.position(), Position::Closed);
    world.pass(2);
    assert_eq!((world.position(), world.told), (Position::Open, 1));
    world.breaker.lose(1);
}

#[test]
fn a_few_failures_among_many_answers_never_open_it_whatever_the_order_of_telling() {
    let mut world = World::new(fast(), true);
    // Each worker has a call each 2 ms, of which one in six fails. A failure is told at once, with what was answered since
    // the worker told last; that without failures each 100 ms, by all workers at other times.
    let mut untold = [Outcomes::default(); 4];
    for ms in 0..20_000_u32 {
        world.pass(1);
        for (worker, said) in untold.iter_mut().enumerate() {
            let shifted = ms + 25 * u32::try_from(worker).unwrap();
            let fails = shifted.is_multiple_of(13);
            if fails || shifted.is_multiple_of(2) {
                said.calls += 1;
                said.failed += u32::from(fails);
                said.run = if fails { said.run + 1 } else { 0 };
            }
            said.ok_ago_ms = shifted % 2;
            if fails || shifted.is_multiple_of(100) {
                world.tell(u8::try_from(worker).unwrap(), std::mem::take(said));
            }
        }
    }
    assert_eq!((world.position(), world.breaker.shown().opened), (Position::Closed, 0));
}

#[test]
fn a_share_of_failures_opens_it_where_there_are_enough_calls() {
    let rules = BreakerRules { consecutive_5xx: None, failure_percentage_threshold: Some(50), ..fast() };
    let mixed = |calls, failed| Outcomes { calls, failed, ..Outcomes::default() };
    let table = [
        (49, 49, 0, Position::Closed),
        (50, 24, 0, Position::Closed),
        (50, 25, 0, Position::Open),
        // Two halves of the volume, the second when the first is forgotten, and when it is not.
        (25, 25, 10_000, Position::Closed),
        (25, 25, 8_000, Position::Open),
    ];
    for (calls, failed, again_after, expected) in table {
        let mut world = World::new(rules, true);
        world.tell(0, mixed(calls, failed));
        if again_after > 0 {
            world.pass(again_after);
            world.tell(0, mixed(calls, failed));
        }
        assert_eq!(world.position(), expected, "{failed} of {calls}");
    }
}

#[test]
fn gateway_failures_are_counted_by_themselves() {
    let rules = BreakerRules { consecutive_5xx: None, consecutive_gateway_failure: Some(3), ..fast() };
    let mut world = World::new(rules, true);
    let errors = Outcomes { calls: 30, failed: 30, run: 30, ..Outcomes::default() };
    world.tell(0, errors);
    world.fails(0, 2);
    assert_eq!(world.position(), Position::Closed);
    world.fails(0, 1);
    assert_eq!(world.position(), Position::Open);
}

#[test]
fn one_call_is_tried_and_decides() {
    let mut world = World::new(fast(), true);
    world.fails(0, 5);
    world.pass(499);
    assert!(matches!(world.asks(1), calls::Breaker::Open { for_ms: 1, .. }));
    world.pass(1);
    assert_eq!(world.asks(1), calls::Breaker::Probe);
    assert!(matches!(world.asks(0), calls::Breaker::Open { .. }), "one is tried at a time");
    assert!(!world.ends(0, Probed::Answered), "it does not try");
    // What was in flight when it opened says nothing.
    world.fails(0, 9);
    world.answers(0, 9, 0);
    assert_eq!(world.position(), Position::HalfOpen);
    assert!(world.ends(1, Probed::Answered));
    assert_eq!((world.position(), world.asks(0)), (Position::Closed, calls::Breaker::Closed));
    world.fails(0, 4);
    assert_eq!(world.position(), Position::Closed, "what was before is forgotten");
}

#[test]
fn each_time_it_opens_for_longer_and_it_forgets_in_a_good_time() {
    let mut world = World::new(fast(), true);
    world.fails(0, 5);
    for expected in [500, 1000, 1200, 1200] {
        assert_eq!(world.open_ms(), Some(expected));
        world.pass(expected.into());
        assert_eq!(world.asks(0), calls::Breaker::Probe);
        assert!(world.ends(0, Probed::Failed));
    }
    world.pass(1200);
    assert_eq!(world.asks(0), calls::Breaker::Probe);
    world.ends(0, Probed::Answered);
    for _ in 0..60 {
        world.pass(1000);
        world.answers(0, 10, 0);
    }
    world.fails(0, 5);
    assert_eq!(world.open_ms(), Some(500));
}

#[test]
fn a_trial_that_comes_to_nothing_is_made_by_another() {
    let mut world = World::new(fast(), true);
    world.fails(0, 5);
    world.pass(500);
    assert_eq!(world.asks(0), calls::Breaker::Probe);
    assert!(world.ends(0, Probed::Nothing));
    assert_eq!(world.open_ms(), Some(0), "whoever has a call may ask");
    assert_eq!(world.asks(1), calls::Breaker::Probe);
    assert!(world.breaker.lose(1), "it died");
    assert_eq!(world.asks(2), calls::Breaker::Probe);
    world.pass(9_999);
    assert!(matches!(world.asks(3), calls::Breaker::Open { for_ms: 1, .. }));
    world.pass(1);
    assert_eq!(world.asks(3), calls::Breaker::Probe, "it hangs");
    assert!(!world.ends(2, Probed::Failed));
    assert!(world.ends(3, Probed::Answered));
}

#[test]
fn where_it_is_only_observed_nobody_is_told_and_it_is_counted() {
    let mut world = World::new(fast(), false);
    world.fails(0, 5);
    assert_eq!((world.position(), world.told, world.open_ms()), (Position::Open, 0, None));
    world.pass(100);
    world.tell(0, Outcomes { calls: 40, failed: 38, ..Outcomes::default() });
    assert_eq!(world.asks(0), calls::Breaker::Closed);
    let shown = world.breaker.shown();
    assert_eq!((shown.opened, shown.would_refuse, shown.would_fail), (1, 40, 38));
    world.pass(400);
    world.fails(0, 10);
    assert_eq!((world.position(), world.breaker.shown().opened), (Position::Open, 2));
    world.pass(1000);
    world.answers(0, 10, 0);
    assert_eq!((world.position(), world.told), (Position::Closed, 0));
}
