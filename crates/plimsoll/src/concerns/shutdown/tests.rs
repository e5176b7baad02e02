mod reload;
mod walk;

use std::time::{Duration, Instant};

use super::*;
use crate::ids::WorkerId;

const CONFIG: Config = Config {
    workers: 2,
    listen_timeout: Duration::from_secs(30),
    grace: Duration::from_secs(30),
    worker_grace: Duration::from_secs(5),
    delay: Duration::ZERO,
    surge: 1,
    jitter: Jitter::new(0),
};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn id(index: u16, incarnation: u32) -> WorkerId {
    WorkerId { index, incarnation }
}

/// A script: at this millisecond, this happens, and exactly this is decided.
fn check(workers: u16, script: &[(u64, Input, &[Action])]) {
    check_with(Config { workers, ..CONFIG }, script);
}

fn check_with(config: Config, script: &[(u64, Input, &[Action])]) {
    let mut fleet = Fleet::new(config);
    let start = Instant::now();
    for (step, (at, input, expected)) in script.iter().enumerate() {
        let actions = fleet.handle(*input, start + ms(*at));
        assert_eq!(actions, *expected, "step {step}: {input:?} at {at} ms");
    }
}

fn lived(start: u64, ready: Option<u64>) -> Life {
    Life { start: ms(start), ready: ready.map(ms) }
}

#[test]
fn the_back_off_starts_at_once_and_doubles_to_thirty_seconds() {
    let mut backoff = Backoff::default();
    let mut none = Jitter::new(0);
    let waits: Vec<_> =
        (0..11).map(|_| backoff.after_death(lived(40, Some(5)), &mut none).as_millis()).collect();
    assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
    assert_eq!(backoff.after_death(lived(40, None), &mut none), Duration::from_secs(30));
    assert_eq!(backoff.after_death(lived(3_000, Some(10_000)), &mut none), Duration::ZERO, "stable again");
    assert_eq!(
        Backoff::default().after_death(lived(40, None), &mut none),
        ms(100),
        "never ready: not at once"
    );
}

#[test]
fn a_worker_that_served_for_long_measured_by_its_start_is_replaced_at_once_every_time() {
    // (start, ready for, the waits of three deaths in a row)
    let table = [
        (40, Some(500), [0, 0, 0]),
        (40, Some(499), [0, 100, 200]),
        (200, Some(2_000), [0, 0, 0]),
        (200, Some(1_999), [0, 100, 200]),
        (60_000, Some(10_000), [0, 0, 0]),
        (60_000, Some(9_999), [0, 100, 200]),
        (0, Some(0), [0, 100, 200]),
        (u64::MAX, None, [100, 200, 400]),
    ];
    for (start, ready, expected) in table {
        let mut backoff = Backoff::default();
        let mut after = || backoff.after_death(lived(start, ready), &mut Jitter::new(0));
        assert_eq!([after(), after(), after()], expected.map(ms), "{start} ms, ready for {ready:?}");
    }
}

#[test]
fn a_kill_every_second_never_leaves_a_place_empty() {
    let mut fleet = Fleet::new(CONFIG);
    let mut now = Instant::now();
    let _ = fleet.handle(Input::Begin, now);
    let _ = fleet.handle(Input::Release, now);
    let ready_after = ms(50);
    let mut workers = [id(0, 1), id(1, 1)];
    for worker in workers {
        let _ = fleet.handle(Input::Listens(worker), now + ready_after);
    }
    for second in 0..60 {
        now += Duration::from_secs(1);
        let victim = &mut workers[second % 2];
        let decided = fleet.handle(Input::Exited(*victim), now);
        assert_eq!(decided, [Action::Replace { dead: *victim, delay: ms(0) }], "second {second}");
        let [Action::Start(next)] = fleet.handle(Input::Tick, now)[..] else { panic!("second {second}") };
        *victim = next;
        let _ = fleet.handle(Input::Listens(next), now + ready_after);
    }
}

#[test]
fn waits_are_spread_by_a_fifth_and_the_same_seed_gives_the_same() {
    let waits = |seed| {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(seed));
        (0..200).map(|_| backoff.after_death(lived(40, None), &mut jitter)).skip(20).collect::<Vec<_>>()
    };
    let (least, most) = (waits(7).into_iter().min().unwrap(), waits(7).into_iter().max().unwrap());
    assert!(least >= Duration::from_secs(24) && most <= Duration::from_secs(36), "{least:?} {most:?}");
    assert!(most - least > Duration::from_secs(10), "{least:?} {most:?}");
    assert_eq!(waits(7), waits(7));
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
            (20, Input::Stop, &[Action::Announce, Action::DrainGateway]),
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
            (20, Input::Stop, &[Action::Announce, Action::DrainGateway]),
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
            (20, Input::Stop, &[Action::Announce, Action::DrainGateway]),
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
            (5, Input::Stop, &[Action::Announce, Action::DrainGateway]),
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

#[test]
fn an_announced_stop_goes_on_serving_and_replacing_until_the_delay_is_over() {
    check_with(
        Config { workers: 1, delay: Duration::from_secs(5), ..CONFIG },
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (100, Input::Stop, &[Action::Announce]),
            (200, Input::Exited(id(0, 1)), &[Action::Replace { dead: id(0, 1), delay: ms(0) }]),
            (200, Input::Tick, &[Action::Start(id(0, 2))]),
            (210, Input::Listens(id(0, 2)), &[]),
            (300, Input::Quiet, &[]),
            (5_100, Input::Tick, &[Action::DrainGateway]),
            (5_101, Input::Quiet, &[Action::Terminate(id(0, 2))]),
            (5_102, Input::Exited(id(0, 2)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn each_worker_is_asked_when_its_own_last_request_is_done_and_the_last_when_all_clients_are_gone() {
    check(
        2,
        &[
            (0, Input::Begin, &[Action::Start(id(0, 1))]),
            (5, Input::Release, &[Action::Start(id(1, 1))]),
            (10, Input::Listens(id(0, 1)), &[]),
            (11, Input::Listens(id(1, 1)), &[]),
            (20, Input::Stop, &[Action::Announce, Action::DrainGateway]),
            (30, Input::Idle(id(1, 1)), &[]),
            (40, Input::Idle(id(1, 1)), &[Action::Retire(id(1, 1))]),
            (50, Input::Idle(id(1, 1)), &[]),
            (60, Input::Idle(id(1, 1)), &[Action::Terminate(id(1, 1))]),
            (70, Input::Idle(id(0, 1)), &[]),
            (80, Input::Exited(id(1, 1)), &[]),
            (90, Input::Quiet, &[Action::Terminate(id(0, 1))]),
            (95, Input::Exited(id(0, 1)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn a_crash_loop_beside_a_worker_that_serves_is_said_once_and_ends_when_it_listens() {
    let mut fleet = Fleet::new(CONFIG);
    let mut now = Instant::now();
    for input in [Input::Begin, Input::Release, Input::Listens(id(0, 1))] {
        let _ = fleet.handle(input, now);
    }
    let mut said = Vec::new();
    let mut worker = id(1, 1);
    for _ in 0..8 {
        said.extend(fleet.handle(Input::Exited(worker), now));
        now = fleet.next_deadline().unwrap();
        let [Action::Start(next)] = fleet.handle(Input::Tick, now)[..] else { panic!() };
        worker = next;
    }
    let failing = said.iter().filter(|action| matches!(action, Action::Failing(_))).count();
    assert_eq!((failing, fleet.places()[1].is_failing, fleet.phase()), (1, true, Phase::Running));
    let _ = fleet.handle(Input::Listens(worker), now);
    assert!(!fleet.places()[1].is_failing);
}
