//! Reload and scale.

use super::*;

/// Two workers that serve, and then the script.
fn check_serving(config: Config, script: &[(u64, Input, &[Action])]) {
    let (first, second) = ([Action::Start(id(0, 1))], [Action::Start(id(1, 1))]);
    let begin: [(u64, Input, &[Action]); 4] = [
        (0, Input::Begin, &first),
        (0, Input::Release, &second),
        (0, Input::Listens(id(0, 1)), &[]),
        (0, Input::Listens(id(1, 1)), &[]),
    ];
    let whole: Vec<_> = begin.iter().chain(script).copied().collect();
    check_with(config, &whole);
}

const BEGINS: Action = Action::ReloadBegins;
const DONE: Action = Action::ReloadEnds(Verdict::Done);

#[test]
fn one_after_the_other_is_renewed_and_nobody_leaves_before_another_serves() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (20, Input::Listens(id(0, 2)), &[]),
            (21, Input::Covers(id(0, 2)), &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
            (30, Input::Idle(id(0, 1)), &[]),
            (41, Input::Idle(id(0, 1)), &[Action::Terminate(id(0, 1))]),
            (50, Input::Exited(id(0, 1)), &[Action::Start(id(1, 2))]),
            (60, Input::Listens(id(1, 2)), &[]),
            (60, Input::Covers(id(1, 2)), &[Action::Admit(id(1, 2)), Action::Retire(id(1, 1))]),
            (90, Input::Idle(id(1, 1)), &[Action::Terminate(id(1, 1))]),
            (95, Input::Exited(id(1, 1)), &[DONE]),
        ],
    );
}

#[test]
fn a_greater_surge_renews_more_at_a_time() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(Some(9)), &[BEGINS, Action::Start(id(0, 2)), Action::Start(id(1, 2))]),
            (20, Input::Listens(id(1, 2)), &[]),
            (20, Input::Covers(id(1, 2)), &[Action::Admit(id(1, 2)), Action::Retire(id(1, 1))]),
        ],
    );
}

#[test]
fn a_candidate_that_dies_ends_the_reload_and_nothing_else() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (20, Input::Exited(id(0, 2)), &[Action::ReloadEnds(Verdict::Died(id(0, 2)))]),
            (30, Input::Tick, &[]),
            (40, Input::Reload(None), &[BEGINS, Action::Start(id(0, 3))]),
        ],
    );
}

#[test]
fn a_candidate_that_does_not_listen_in_time_is_sent_away() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (
                30_010,
                Input::Tick,
                &[Action::Terminate(id(0, 2)), Action::ReloadEnds(Verdict::Silent(id(0, 2)))],
            ),
            (35_010, Input::Tick, &[Action::Kill(id(0, 2))]),
            (35_020, Input::Exited(id(0, 2)), &[]),
        ],
    );
}

#[test]
fn a_candidate_that_gave_up_an_address_takes_over_after_a_while() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (20, Input::Listens(id(0, 2)), &[]),
            (5_019, Input::Tick, &[]),
            (5_020, Input::Tick, &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
        ],
    );
}

#[test]
fn requests_that_outlive_the_grace_do_not_hold_up_a_reload() {
    check_serving(
        Config { workers: 2, grace: ms(1000), ..CONFIG },
        &[
            (0, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (0, Input::Listens(id(0, 2)), &[]),
            (0, Input::Covers(id(0, 2)), &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
            (1_000, Input::Tick, &[Action::Terminate(id(0, 1))]),
            (6_000, Input::Tick, &[Action::Kill(id(0, 1))]),
            (11_000, Input::Tick, &[Action::Start(id(1, 2))]),
        ],
    );
}

#[test]
fn a_candidate_takes_the_place_of_one_that_dies() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (20, Input::Exited(id(0, 1)), &[Action::Admit(id(0, 2)), Action::Start(id(1, 2))]),
            (30, Input::Listens(id(0, 2)), &[]),
            (31, Input::Listens(id(1, 2)), &[]),
            (32, Input::Covers(id(1, 2)), &[Action::Admit(id(1, 2)), Action::Retire(id(1, 1))]),
            (33, Input::Exited(id(1, 1)), &[DONE]),
        ],
    );
}

#[test]
fn a_reload_during_a_reload_begins_afresh_after_it() {
    check_serving(
        Config { workers: 2, ..CONFIG },
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (11, Input::Reload(None), &[]),
            (12, Input::Reload(None), &[]),
            (
                20,
                Input::Exited(id(0, 2)),
                &[Action::ReloadEnds(Verdict::Died(id(0, 2))), BEGINS, Action::Start(id(0, 3))],
            ),
            (30, Input::Exited(id(0, 3)), &[Action::ReloadEnds(Verdict::Died(id(0, 3)))]),
        ],
    );
}

#[test]
fn a_stop_ends_a_reload_and_takes_the_candidate_along() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (
                20,
                Input::Stop,
                &[
                    Action::Terminate(id(0, 2)),
                    Action::ReloadEnds(Verdict::Superseded),
                    Action::Announce,
                    Action::DrainGateway,
                ],
            ),
            (21, Input::Reload(None), &[]),
            (22, Input::Scale(5), &[]),
            (30, Input::Quiet, &[Action::Terminate(id(0, 1)), Action::Terminate(id(1, 1))]),
            (31, Input::Exited(id(0, 1)), &[]),
            (32, Input::Exited(id(1, 1)), &[]),
            (33, Input::Exited(id(0, 2)), &[Action::Finish(Outcome::Stopped)]),
        ],
    );
}

#[test]
fn a_reload_brings_a_dead_place_back_at_once() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Exited(id(1, 1)), &[Action::Replace { dead: id(1, 1), delay: ms(0) }]),
            (10, Input::Tick, &[Action::Start(id(1, 2))]),
            (20, Input::Exited(id(1, 2)), &[Action::Replace { dead: id(1, 2), delay: ms(100) }]),
            (30, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (40, Input::Listens(id(0, 2)), &[]),
            (40, Input::Covers(id(0, 2)), &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
            (50, Input::Exited(id(0, 1)), &[Action::Start(id(1, 3))]),
            (60, Input::Listens(id(1, 3)), &[DONE]),
        ],
    );
}

#[test]
fn scale_starts_the_new_and_drains_the_surplus() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Scale(3), &[Action::Start(id(2, 1))]),
            (20, Input::Listens(id(2, 1)), &[Action::ScaleEnds(Verdict::Done)]),
            (30, Input::Scale(1), &[Action::Retire(id(1, 1)), Action::Retire(id(2, 1))]),
            (60, Input::Idle(id(1, 1)), &[Action::Terminate(id(1, 1))]),
            (60, Input::Exited(id(2, 1)), &[]),
            (70, Input::Exited(id(1, 1)), &[Action::ScaleEnds(Verdict::Done)]),
            (80, Input::Scale(2), &[Action::Start(id(1, 2))]),
            (81, Input::Scale(3), &[Action::ScaleEnds(Verdict::Superseded), Action::Start(id(2, 2))]),
            (
                90,
                Input::Exited(id(2, 2)),
                &[
                    Action::Replace { dead: id(2, 2), delay: ms(100) },
                    Action::ScaleEnds(Verdict::Died(id(2, 2))),
                ],
            ),
        ],
    );
}

#[test]
fn a_scale_during_a_reload_happens_at_once() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
            (20, Input::Scale(3), &[Action::Start(id(2, 1))]),
            (30, Input::Listens(id(2, 1)), &[Action::ScaleEnds(Verdict::Done)]),
            (40, Input::Listens(id(0, 2)), &[]),
            (40, Input::Covers(id(0, 2)), &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
            (50, Input::Scale(1), &[Action::Retire(id(1, 1)), Action::Retire(id(2, 1))]),
            (60, Input::Exited(id(0, 1)), &[]),
            (61, Input::Exited(id(1, 1)), &[]),
            (62, Input::Exited(id(2, 1)), &[DONE, Action::ScaleEnds(Verdict::Done)]),
        ],
    );
}

#[test]
fn one_worker_is_renewed_alone_and_nothing_is_said_of_a_reload() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Renew(id(1, 1)), &[Action::Start(id(1, 2))]),
            (11, Input::Renew(id(0, 1)), &[]),
            (20, Input::Listens(id(1, 2)), &[]),
            (20, Input::Covers(id(1, 2)), &[Action::Admit(id(1, 2)), Action::Retire(id(1, 1))]),
            (21, Input::Renew(id(0, 1)), &[]),
            (50, Input::Idle(id(1, 1)), &[Action::Terminate(id(1, 1))]),
            (60, Input::Exited(id(1, 1)), &[]),
            (61, Input::Renew(id(1, 1)), &[]),
            (62, Input::Renew(id(0, 1)), &[Action::Start(id(0, 2))]),
            // It does not come up: the old one goes on, and may be tried again.
            (70, Input::Exited(id(0, 2)), &[]),
            (80, Input::Renew(id(0, 1)), &[Action::Start(id(0, 3))]),
        ],
    );
}

#[test]
fn a_reload_begins_afresh_where_one_worker_was_being_renewed() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Renew(id(0, 1)), &[Action::Start(id(0, 2))]),
            (20, Input::Reload(None), &[Action::Terminate(id(0, 2)), BEGINS]),
            (30, Input::Exited(id(0, 2)), &[Action::Start(id(0, 3))]),
        ],
    );
}

#[test]
fn a_candidate_whose_end_was_ours_is_started_again_also_where_two_are_renewed_at_a_time() {
    check_serving(
        CONFIG,
        &[
            (10, Input::Reload(Some(2)), &[BEGINS, Action::Start(id(0, 2)), Action::Start(id(1, 2))]),
            (20, Input::Again(id(0, 2)), &[Action::Start(id(0, 3))]),
            (21, Input::Again(id(1, 2)), &[Action::Start(id(1, 3))]),
            (30, Input::Listens(id(0, 3)), &[]),
            (30, Input::Covers(id(0, 3)), &[Action::Admit(id(0, 3)), Action::Retire(id(0, 1))]),
            (31, Input::Listens(id(1, 3)), &[]),
            (31, Input::Covers(id(1, 3)), &[Action::Admit(id(1, 3)), Action::Retire(id(1, 1))]),
            (40, Input::Exited(id(0, 1)), &[]),
            (41, Input::Exited(id(1, 1)), &[DONE]),
        ],
    );
}

#[test]
fn a_stop_soon_after_a_reload_gives_those_who_leave_its_own_time_and_what_it_cuts_is_counted() {
    let renew: [(u64, Input, &[Action]); 3] = [
        (0, Input::Reload(None), &[BEGINS, Action::Start(id(0, 2))]),
        (0, Input::Listens(id(0, 2)), &[]),
        (0, Input::Covers(id(0, 2)), &[Action::Admit(id(0, 2)), Action::Retire(id(0, 1))]),
    ];
    let superseded = Action::ReloadEnds(Verdict::Superseded);
    let cut: &[Action] = &[
        Action::AbortGateway,
        Action::Terminate(id(0, 2)),
        Action::Terminate(id(1, 1)),
        Action::Terminate(id(0, 1)),
    ];
    let at_once: [(u64, Input, &[Action]); 3] = [
        (10_000, Input::Stop, &[superseded, Action::Announce, Action::DrainGateway]),
        (39_999, Input::Tick, &[]),
        (40_000, Input::Tick, cut),
    ];
    let announced: [(u64, Input, &[Action]); 5] = [
        (10_000, Input::Stop, &[superseded, Action::Announce]),
        (34_999, Input::Tick, &[Action::DrainGateway]),
        (40_000, Input::Tick, &[]),
        (64_998, Input::Tick, &[]),
        (64_999, Input::Tick, cut),
    ];
    check_serving(CONFIG, &[&renew[..], &at_once].concat());
    // The delay ends late: as much later the requests in flight are cut.
    check_serving(Config { delay: ms(5_000), ..CONFIG }, &[&renew[..], &announced].concat());
}
