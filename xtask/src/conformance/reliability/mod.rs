//! The failures that proxies and supervisors have had before, item by item: each has end-to-end tests by name, a figure
//! measured here, or both.

mod by_name;
mod faults;
mod files;
mod keep_alive;
mod load;
mod slow;

use super::ground::Ground;
use super::item::{Found, Item};

type Measure = fn(&Ground) -> anyhow::Result<(String, bool)>;

struct Failure {
    name: &'static str,
    /// Tests of `plimsoll`, by their whole names.
    tests: &'static [&'static str],
    measured: &'static [(&'static str, Measure)],
    not_applicable: Option<&'static str>,
}

const NO_HTTP2: &str =
    "there is no HTTP/2 in this version; its preface is refused (varnishtest: http2_preface)";

const NOTHING: Failure = Failure { name: "", tests: &[], measured: &[], not_applicable: None };

const FAILURES: [Failure; 19] = [
    Failure { name: "1 HTTP/2 floods", not_applicable: Some(NO_HTTP2), ..NOTHING },
    Failure { name: "2 header bytes after HPACK", not_applicable: Some(NO_HTTP2), ..NOTHING },
    Failure {
        name: "3 an upgrade that is not taken, and a request behind it",
        tests: &["transparency::every_request_arrives_as_at_plain_node_or_is_refused"],
        ..NOTHING
    },
    Failure {
        name: "4 an HTTP/1.0 body that ends with the connection",
        tests: &["gateway::http1::tests::refuses_whatever_could_be_read_in_two_ways"],
        ..NOTHING
    },
    Failure {
        name: "5 an answer before the body was read",
        tests: &[
            "aborts::the_app_may_answer_before_it_reads_the_body",
            "limits::a_body_over_the_limit_is_413",
        ],
        ..NOTHING
    },
    Failure {
        name: "6 long, empty and odd headers",
        tests: &[
            "gateway::http1::tests::accepts_heads_and_knows_their_framing",
            "differential::node_frames_accepted_requests_as_the_gateway_does",
            "differential::node_frames_accepted_responses_as_the_gateway_does",
        ],
        ..NOTHING
    },
    Failure { name: "7 HTTP/2 to HTTP/1", not_applicable: Some(NO_HTTP2), ..NOTHING },
    Failure {
        name: "8 the keep-alive race",
        tests: &["keep_alive::a_link_that_was_idle_never_loses_a_request"],
        measured: &[(
            "50 requests at once every 4.9 to 5.1 s for two minutes, so that links are used again when Node's own timeout would \
             close them: no error",
            keep_alive::measure,
        )],
        ..NOTHING
    },
    Failure {
        name: "9 clients that come after SIGTERM",
        tests: &[
            "stop::clients_that_come_during_the_delay_lose_no_request",
            "life::readiness_ends_when_the_drain_begins",
        ],
        measured: &[(
            "1,000 requests/s for 5 s after SIGTERM, `shutdown.delay = 6s`: none fails",
            load::stop,
        )],
        ..NOTHING
    },
    Failure {
        name: "10 a broken config or version on reload",
        tests: &[
            "startup::a_broken_config_is_refused_with_its_place",
            "reload::an_app_that_is_broken_by_now_keeps_the_old_workers",
            "reload::an_app_that_does_not_listen_any_more_keeps_the_old_workers",
        ],
        ..NOTHING
    },
    Failure {
        name: "11 regular expressions of users",
        tests: &["observe::logs::filter::tests::a_wrong_filter_is_named"],
        ..NOTHING
    },
    Failure {
        name: "12 nobody takes the log",
        tests: &["logs::a_stuck_reader_of_stdout_holds_up_nobody_and_is_told_what_it_missed"],
        measured: &[(
            "10,000 lines/s, nobody reads stdout for 60 s: p99 moves < 5 % or 0.5 ms, at most 40 MB more",
            load::sink,
        )],
        ..NOTHING
    },
    Failure {
        name: "13 an app that ends again and again",
        tests: &["deaths::an_app_that_dies_again_and_again_ends_with_4"],
        ..NOTHING
    },
    Failure {
        name: "14 `ulimit -n 256`",
        measured: &[(
            "1,000 connections: the gateway uses < 20 % of a CPU, and serves again when they are gone",
            files::measure,
        )],
        ..NOTHING
    },
    Failure {
        name: "15 every worker fails",
        tests: &["bad_worker::a_request_that_may_be_repeated_runs_twice_at_most"],
        measured: &[(
            "2,000 requests to an app that resets every connection: sent to workers / asked by clients <= 1.1",
            faults::amplification,
        )],
        ..NOTHING
    },
    Failure {
        name: "16 slow clients",
        tests: &["limits::a_head_that_does_not_come_is_408", "limits::a_body_that_does_not_come_is_cut"],
        measured: &[
            (
                "1,000 slow headers, 200 more each second: p99 of good clients < 2x + 5 ms, all closed after 10 s",
                slow::headers,
            ),
            (
                "1,000 slow bodies, 200 more each second, a byte every 2 s: p99 of good clients < 2x + 5 ms, all closed after \
                 10 s by `gateway.body_rate`",
                slow::bodies,
            ),
            (
                "1,000 bodies that stop, 200 more each second: closed after `gateway.body_timeout` (10 s here)",
                slow::silent_bodies,
            ),
            (
                "1,000 clients that read nothing of 8 MB, 200 more each second: closed after `gateway.write_timeout` (10 s here)",
                slow::readers,
            ),
        ],
        ..NOTHING
    },
    Failure {
        name: "17 a worker that stands still or is killed",
        tests: &[
            "event_loop::what_a_stopped_worker_was_sent_is_served_by_another",
            "claims::nothing_runs_twice_and_nothing_acknowledged_is_missing_while_workers_are_killed",
        ],
        measured: &[
            (
                "`kill -STOP` of one of four workers for 2 s at 70 % load: no error, p99 at most 150 ms more",
                load::freeze,
            ),
            ("`kill -9` of a worker every second under 1,000 POSTs/s: only what had begun fails", load::kill),
        ],
        ..NOTHING
    },
    Failure {
        name: "18 odd lines of a worker",
        tests: &[
            "logs::odd_lines_are_passed_on_and_endless_ones_cut",
            "logs::the_last_words_of_a_worker_come_before_the_line_about_its_death",
        ],
        ..NOTHING
    },
    Failure {
        name: "19 orders over TCP",
        tests: &[
            "admin::nothing_over_tcp_changes_anything",
            "admin::rubbish_at_the_admin_address_disturbs_nothing",
        ],
        ..NOTHING
    },
];

pub(super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let only = &ground.options.only;
    let number = |failure: &Failure| failure.name.split(' ').next().unwrap_or_default().to_owned();
    let chosen: Vec<&Failure> =
        FAILURES.iter().filter(|failure| only.is_empty() || only.contains(&number(failure))).collect();
    let names: Vec<&str> = chosen.iter().flat_map(|failure| failure.tests).copied().collect();
    let names = if ground.options.figures { Vec::new() } else { names };
    let outcomes = by_name::run(&names, &ground.workshop.node)?;
    let mut items = Vec::new();
    for failure in chosen {
        if let Some(why) = failure.not_applicable {
            items.push(Item::new(failure.name, "").not_applicable(why));
        }
        if !failure.tests.is_empty() && !ground.options.figures {
            items.push(of_tests(failure, &outcomes));
        }
        for (how, measure) in failure.measured {
            println!("{}: {how}", failure.name);
            let item = Item::new(failure.name, *how).measured(measure(ground));
            item.print();
            items.push(item);
        }
    }
    Ok(Found { items, notes: notes(), ..Found::default() })
}

/// Whether this is how it is still tried.
pub(super) fn knows(item: &Item) -> bool {
    FAILURES.iter().filter(|failure| failure.name == item.name).any(|failure| {
        let is_figure = failure.measured.iter().any(|(how, _)| *how == item.how);
        is_figure || by_tests(failure) == item.how || failure.not_applicable.is_some()
    })
}

fn by_tests(failure: &Failure) -> String {
    let names: Vec<String> = failure.tests.iter().map(|name| format!("`{name}`")).collect();
    format!("tests: {}", names.join(", "))
}

fn of_tests(failure: &Failure, outcomes: &by_name::Outcomes) -> Item {
    let item = Item::new(failure.name, by_tests(failure));
    let passed = failure.tests.iter().filter(|name| outcomes.get(**name) == Some(&true)).count();
    item.found(format!("{passed} of {} passed", failure.tests.len()), passed == failure.tests.len())
}

fn notes() -> Vec<String> {
    vec![
        "Measured with the release build, clients and workers on the same CPUs; loads are open loops (`bench/scenarios/README.md`)."
            .to_owned(),
        "10: settings are read once; a reload renews the app, with the settings that stand. `unwrap`, `expect`, `panic` and indexing \
         outside tests fail the lints of `cargo xtask test`."
            .to_owned(),
        "11: the only expressions that users give are those of `plimsoll logs --grep`; they are compiled by Rust's regex crate, which \
         matches in linear time, to a bounded size."
            .to_owned(),
        "16: a client that sends less than `gateway.body_rate` (16 bytes a second) is cut when it is behind by `gateway.body_timeout`, \
         which is 10 s here and 60 s by default."
            .to_owned(),
    ]
}
