use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::ids::WorkerId;

const CONFIG: Config = Config {
    workers: 2,
    listen_timeout: Duration::from_secs(30),
    grace: Duration::from_secs(30),
    worker_grace: Duration::from_secs(5),
};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn id(index: u16, incarnation: u32) -> WorkerId {
    WorkerId { index, incarnation }
}

/// A script: at this millisecond, this happens, and exactly this is decided.
fn check(workers: u16, script: &[(u64, Input, &[Action])]) {
    let mut fleet = Fleet::new(Config { workers, ..CONFIG });
    let start = Instant::now();
    for (step, (at, input, expected)) in script.iter().enumerate() {
        let actions = fleet.handle(*input, start + ms(*at));
        assert_eq!(actions, *expected, "step {step}: {input:?} at {at} ms");
    }
}

#[test]
fn the_back_off_starts_at_once_and_doubles_to_thirty_seconds() {
    let mut backoff = Backoff::default();
    let waits: Vec<_> = (0..11).map(|_| backoff.after_death(Some(ms(5))).as_millis()).collect();
    assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
    assert_eq!(backoff.after_death(None), Duration::from_secs(30));
    assert_eq!(backoff.after_death(Some(Duration::from_secs(10))), Duration::ZERO, "stable again");
    assert_eq!(Backoff::default().after_death(None), ms(100), "never ready: not at once");
}

#[test]
fn the_other_workers_wait_for_the_first() {
    check(
        3,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Release, &[Action::Start(id(1, 1)), Action::Start(id(2, 1))]),
            (6, Input::Release, &[]),
        ],
    );
}

#[test]
fn a_command_that_cannot_start_is_not_tried_again() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::NotStarted)]),
            (6, Input::Tick, &[]),
        ],
    );
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Release, &[Action::Start(id(1, 1))]),
            (6, Input::Exited(id(1, 1)), &[]),
            (7, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::NotStarted)]),
        ],
    );
}

#[test]
fn a_start_that_failed_beside_one_that_serves_is_tried_again() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Release, &[Action::Start(id(1, 1))]),
            (6, Input::Exited(id(1, 1)), &[]),
            (10, Input::Listens(id(0, 1)), &[Action::Replace { dead: id(1, 1), delay: ms(100) }]),
            (110, Input::Tick, &[Action::Start(id(1, 2))]),
        ],
    );
}

#[test]
fn a_worker_that_was_ready_is_replaced_at_once_the_first_time() {
    check(
        1,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (19, Input::FallsSilent(id(0, 1)), &[]),
            (20, Input::Exited(id(0, 1)), &[Action::Replace { dead: id(0, 1), delay: ms(0) }]),
            (20, Input::Tick, &[Action::Start(id(0, 2))]),
            (30, Input::Exited(id(0, 1)), &[]),
            (40, Input::Exited(id(0, 2)), &[Action::Replace { dead: id(0, 2), delay: ms(100) }]),
            (139, Input::Tick, &[]),
            (140, Input::Tick, &[Action::Start(id(0, 3))]),
        ],
    );
}

#[test]
fn five_early_deaths_in_every_place_are_the_end() {
    let mut fleet = Fleet::new(Config { workers: 1, ..CONFIG });
    let mut now = Instant::now();
    let _ = fleet.handle(Input::Begin, now);
    let _ = fleet.handle(Input::Listens(id(0, 1)), now);
    let _ = fleet.handle(Input::Exited(id(0, 1)), now);
    for death in 1..=5 {
        now = fleet.next_deadline().unwrap();
        let started = fleet.handle(Input::Tick, now);
        let [Action::Start(worker)] = started[..] else { panic!("{started:?}") };
        let decided = fleet.handle(Input::Exited(worker), now + ms(50));
        if death == 5 {
            assert_eq!(decided.last(), Some(&Action::Finish(Outcome::CrashLoop)));
        } else {
            assert!(matches!(decided[..], [Action::Replace { .. }]), "death {death}: {decided:?}");
        }
    }
}

#[test]
fn a_stop_waits_for_requests_then_asks_then_kills() {
    check(
        1,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (20, Input::Stop, &[Action::DrainGateway]),
            (25, Input::Stop, &[]),
            (30, Input::Quiet, &[Action::Terminate(id(0, 1))]),
            (5_029, Input::Tick, &[]),
            (5_030, Input::Tick, &[Action::Kill(id(0, 1))]),
            (5_031, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn requests_that_take_longer_than_the_grace_are_cut() {
    check(
        1,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (20, Input::Stop, &[Action::DrainGateway]),
            (30_020, Input::Tick, &[Action::AbortGateway, Action::Terminate(id(0, 1))]),
            (30_030, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn a_second_stop_is_immediate_and_never_hangs_on_a_process_that_cannot_die() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Release, &[Action::Start(id(1, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (20, Input::Stop, &[Action::DrainGateway]),
            (30, Input::StopNow, &[Action::AbortGateway, Action::Kill(id(0, 1)), Action::Kill(id(1, 1))]),
            (31, Input::StopNow, &[]),
            (40, Input::Exited(id(0, 1)), &[]),
            (5_030, Input::Tick, &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn a_late_listener_is_reported_once_and_waited_for() {
    check(
        1,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (29_999, Input::Tick, &[]),
            (30_000, Input::Tick, &[Action::WarnSilent(id(0, 1))]),
            (90_000, Input::Tick, &[]),
            (90_001, Input::Listens(id(0, 1)), &[]),
        ],
    );
}

#[test]
fn a_stop_before_anything_listens_ends_cleanly() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Stop, &[Action::DrainGateway]),
            (6, Input::Release, &[]),
            (7, Input::Quiet, &[Action::Terminate(id(0, 1))]),
            (8, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn a_start_that_we_spoiled_does_not_count() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Again(id(0, 1)), &[Action::Start(id(0, 2))]),
            (6, Input::Alone, &[]),
            (7, Input::Release, &[]),
            (8, Input::Exited(id(0, 2)), &[Action::Finish(Outcome::NotStarted)]),
        ],
    );
}

/// A step of the random walk: which input, for which place, after how long.
#[derive(Debug, Clone, Copy)]
struct Walk {
    kind: u8,
    place: u16,
    wait: u64,
}

fn walk() -> impl Strategy<Value = Vec<Walk>> {
    let step = (0u8..12, 0u16..4, 0u64..6_000).prop_map(|(kind, place, wait)| Walk { kind, place, wait });
    proptest::collection::vec(step, 1..200)
}

fn input_of(step: Walk, fleet: &Fleet) -> Input {
    let worker = fleet.places().get(step.place as usize).map_or(id(9, 9), |place| place.id);
    match step.kind {
        0 => Input::Begin,
        1 => Input::Release,
        2..=4 => Input::Listens(worker),
        5 => Input::FallsSilent(worker),
        6..=8 => Input::Exited(worker),
        9 => Input::Tick,
        10 if step.wait < 300 => Input::Stop,
        11 if step.wait < 100 => Input::StopNow,
        _ => Input::Quiet,
    }
}

proptest! {
    #[test]
    fn whatever_happens_processes_are_accounted_for_and_a_stop_ends(steps in walk()) {
        let mut fleet = Fleet::new(Config { workers: 4, ..CONFIG });
        let mut now = Instant::now();
        let mut running = std::collections::BTreeSet::new();
        for step in steps {
            now += ms(step.wait);
            let input = input_of(step, &fleet);
            if let Input::Exited(worker) = input {
                running.remove(&worker);
            }
            follow(&mut fleet, input, now, &mut running)?;
        }
        let _ = fleet.handle(Input::Stop, now);
        let mut turns = 0;
        while fleet.phase() != Phase::Over {
            prop_assert!(turns < 20, "a stop always ends: {fleet:?}");
            turns += 1;
            now = fleet.next_deadline().unwrap_or(now).max(now);
            follow(&mut fleet, Input::Tick, now, &mut running)?;
        }
    }
}

/// Handles one input and holds the decisions against the invariants.
fn follow(
    fleet: &mut Fleet,
    input: Input,
    now: Instant,
    running: &mut std::collections::BTreeSet<WorkerId>,
) -> Result<(), TestCaseError> {
    let was_running = fleet.phase() == Phase::Running;
    for action in fleet.handle(input, now) {
        match action {
            Action::Start(worker) => {
                prop_assert!(was_running, "nothing starts once a stop has begun");
                let beside = running.iter().any(|other| other.index == worker.index);
                prop_assert!(!beside, "{worker:?} starts beside another in its place");
                running.insert(worker);
            }
            Action::Terminate(worker) | Action::Kill(worker) => {
                prop_assert!(running.contains(&worker), "{worker:?} is signalled but does not run");
            }
            _ => {}
        }
    }
    let alive = fleet.places().iter().filter(|place| place.is_alive()).count();
    prop_assert!(alive <= running.len(), "every living place has a process");
    Ok(())
}
