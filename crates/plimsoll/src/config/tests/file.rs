//! The file: every shape of TOML, and every way of getting it wrong.

use super::{check_refused, flag, load_file, variables};
use crate::config::{
    Concurrency, DownstreamLimits, DownstreamMode, Format, Rate, Sources, WorkerCount, load, render_effective,
};

/// For each file the first problem: `(file, what, line:column, hint)`.
fn check_file(table: &[(&str, &str, &str, &str)]) {
    for (text, what, place, hint) in table {
        let problems = load_file(text, Sources::default()).unwrap_err();
        let first = problems.split("\n\n").next().unwrap();
        check_refused(first, &[(what, &format!("plimsoll.toml:{place}"), hint)]);
    }
}

#[test]
fn every_shape_of_toml_is_the_same_setting() {
    for text in [
        "[workers]\ncount = 4",
        "workers.count = 4",
        "workers = { count = 4 }",
        "workers.count = '4'",
        "workers.count = 0x4",
        "[workers]\r\n\"count\" = 4\r\n",
        "\u{feff}workers.count = 4",
        "# comment\n[ workers ] # comment\ncount=4#comment",
    ] {
        let effective = load_file(text, Sources::default()).unwrap();
        assert_eq!(effective.config.workers.count, WorkerCount::Exactly(4), "{text}");
    }
}

#[test]
fn lanes_are_tables_or_one_line() {
    let tables = "[[event_loop.lane]]\nroutes = ['POST /reports/*', 'GET /export']\nworkers = 2\n\n\
                  [[event_loop.lane]]\nroutes = ['GET /search']\n";
    for text in [tables, "event_loop.lane = 'POST /reports/*, GET /export = 2; GET /search'"] {
        let lanes = load_file(text, Sources::default()).unwrap().config.event_loop.lanes_by_hand;
        let found: Vec<_> = lanes.iter().map(|lane| (lane.routes.len(), lane.workers)).collect();
        assert_eq!(found, [(2, 2), (1, 1)], "{text}");
    }
    let route = "write a method and a path, like `POST /reports/*`";
    check_file(&[
        ("[[event_loop.lane]]\nroutes = ['/a']", "event_loop.lane: `/a` is not a route", "1:1", route),
        ("[[event_loop.lane]]\nworkers = 1", "event_loop.lane: `` is not a route", "1:1", route),
        (
            "[[event_loop.lane]]\nroutes = 'GET /a'",
            "event_loop.lane.routes cannot be a string",
            "2:10",
            "write an array of routes, like `[\"POST /reports/*\"]`",
        ),
        (
            "[[event_loop.lane]]\nroute = ['GET /a']",
            "unknown key `event_loop.lane.route`",
            "2:1",
            "a lane has `routes` and `workers`",
        ),
    ]);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_known_one() {
    check_file(&[
        ("wrokers.count = 4", "unknown key `wrokers`", "1:1", "the nearest known key is `workers`"),
        ("[gatway]\na = 1\nb = 2", "unknown key `gatway`", "1:2", "the nearest known key is `gateway`"),
        (
            "\n[gateway]\n  idle_timeot = '5s'",
            "unknown key `gateway.idle_timeot`",
            "3:3",
            "the nearest known key is `gateway.idle_timeout`",
        ),
        ("grace = '30s'", "unknown key `grace`", "1:1", "the nearest known key is `shutdown.grace`"),
        ("zzz = 1", "unknown key `zzz`", "1:1", "`plimsoll config` prints all keys"),
    ]);
}

#[test]
fn a_value_of_the_wrong_kind_is_answered_with_the_right_kind() {
    let duration = "write a duration from 0s to 1d";
    check_file(&[
        (
            "shutdown.grace = 30",
            "shutdown.grace: a duration needs a unit",
            "1:18",
            "write `30s`; the units are ms, s, m, h, d",
        ),
        ("shutdown.grace = true", "shutdown.grace cannot be a boolean", "1:18", duration),
        ("shutdown.grace = 1.5", "shutdown.grace cannot be a float", "1:18", duration),
        ("shutdown.grace = ['1s']", "shutdown.grace cannot be an array", "1:18", duration),
        ("shutdown.grace = 07:32:00", "shutdown.grace cannot be a datetime", "1:18", duration),
        ("[shutdown.grace]\nx = 1", "shutdown.grace cannot be a table", "1:1", duration),
        ("gateway = 8080", "gateway cannot be an integer", "1:11", "write its settings under `[gateway]`"),
        ("[[gateway]]", "gateway cannot be an array", "1:1", "write its settings under `[gateway]`"),
        (
            "workers.count = 0",
            "workers.count: 0 is out of range",
            "1:17",
            "write a number from 1 to 1024, or `auto`",
        ),
        (
            "workers.count = -1",
            "workers.count: `-1` is not a number",
            "1:17",
            "write a number from 1 to 1024, or `auto`",
        ),
        ("workers.agent = 'on'", "workers.agent: `on` is not known", "1:17", "write `auto` or `off`"),
        (
            "name = 'a/b'",
            "name: `a/b` is not a name",
            "1:8",
            "write at most 32 letters, digits, `-`, `_` and `.`, not starting with `.`; or `auto`",
        ),
        (
            "name = 'a-name-that-is-longer-than-others'",
            "name: `a-name-that-is-longer-than-others` has 33 characters",
            "1:8",
            "write at most 32 letters, digits, `-`, `_` and `.`, not starting with `.`; or `auto`",
        ),
        (
            "admin = 'host:1'",
            "admin: `host:1` is not an address",
            "1:9",
            "write an IP address and a port, like `127.0.0.1:8080`, `[::]:8080` or `:8080`; or `off`",
        ),
    ]);
}

#[test]
fn what_is_not_toml_is_answered_with_its_place() {
    let toml = "correct the TOML here; text needs quotes: `grace = \"30s\"`";
    check_file(&[
        (
            "é = 1 ; x",
            "the settings file is not valid TOML: invalid unquoted key, expected letters, numbers, `-`, `_`",
            "1:1",
            toml,
        ),
        (
            "name = 'a'\nname = 'b'",
            "the settings file is not valid TOML: duplicate key",
            "2:1",
            "a key may stand only once: remove one of the two",
        ),
        (
            "[shutdown]\n[shutdown]",
            "the settings file is not valid TOML: duplicate key",
            "2:2",
            "a key may stand only once: remove one of the two",
        ),
    ]);
}

#[test]
fn the_column_counts_characters() {
    let problems = load_file("\"é\" = 1\n", Sources::default()).unwrap_err();
    assert!(problems.contains("plimsoll.toml:1:1"), "{problems}");
    let problems = load_file("name = 'é€'", Sources::default()).unwrap_err();
    assert!(problems.contains("plimsoll.toml:1:8"), "{problems}");
    let problems = load_file("workers = { \"é\" = 1, cuont = 2 }", Sources::default()).unwrap_err();
    assert!(problems.contains("plimsoll.toml:1:22"), "{problems}");
}

#[test]
fn all_problems_are_reported_at_once_in_order() {
    let sources = Sources {
        flags: flag("shutdown.grace", "soon").flags,
        ..variables(&[("PLIMSOLL_GATEWAY_HOLDD", "1s"), ("PLIMSOLL_ADMIN", "on")])
    };
    let problems =
        load_file("[workers]\ncount = 'x'\nnumber = 2\n[gateway]\nhead_max = 9", sources).unwrap_err();
    let places: Vec<_> = problems.lines().filter(|line| line.starts_with("   at: ")).collect();
    assert_eq!(
        places,
        [
            "   at: plimsoll.toml:2:9",
            "   at: plimsoll.toml:3:1",
            "   at: plimsoll.toml:5:12",
            "   at: environment variable PLIMSOLL_ADMIN",
            "   at: environment variable PLIMSOLL_GATEWAY_HOLDD",
            "   at: flag --flag",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let by_variable = variables(&[("PLIMSOLL_CONFIG", missing.to_str().unwrap())]);
    let by_flag = Sources { file: Some(missing.clone()), ..Sources::default() };
    let place = missing.to_str().unwrap();
    for sources in [by_variable, by_flag] {
        check_refused(
            &load(&sources).unwrap_err().to_string(),
            &[(
                "the settings file cannot be read: entity not found",
                place,
                "create it, or correct --config or PLIMSOLL_CONFIG",
            )],
        );
    }
    check_refused(
        &load(&Sources { file: Some(folder.path().to_owned()), ..Sources::default() })
            .unwrap_err()
            .to_string(),
        &[(
            "the settings file cannot be read: is a directory",
            folder.path().to_str().unwrap(),
            "name the file in it",
        )],
    );
    check_refused(
        &load_file(
            "name = 'x'\n# \u{e9}"
                .replace('\u{e9}', "")
                .as_bytes()
                .iter()
                .copied()
                .chain([0xff])
                .collect::<Vec<_>>(),
            Sources::default(),
        )
        .unwrap_err(),
        &[("the settings file is not UTF-8", "plimsoll.toml:2:3", "save it as UTF-8")],
    );
    check_refused(
        &load_file(vec![b'#'; 1024 * 1024 + 1], Sources::default()).unwrap_err(),
        &[("the settings file is larger than 1MB", "plimsoll.toml", "check that this is the file you meant")],
    );
}

#[test]
fn a_name_of_the_users_begins_with_the_default_and_changes_what_it_says() {
    let text = "[downstream.\"api.example.com\"]\nconcurrency = 10\nrate = '200/s'\nmode = 'enforce'\n\
                [downstream.stock]\nqueue = 5\n[downstream.default]\nqueue = 7\nconcurrency = 3";
    let effective = load_file(text, Sources::default()).unwrap();
    let downstream = &effective.config.downstream;
    let named = |name: &str| downstream.named.iter().find(|(known, _)| known == name).unwrap().1;
    let default = downstream.default;
    assert_eq!((default.queue, default.concurrency), (7, Some(Concurrency::Exactly(3))));
    let api = named("api.example.com");
    let expected = DownstreamLimits {
        mode: DownstreamMode::Enforce,
        concurrency: Some(Concurrency::Exactly(10)),
        rate: Some(Rate { per_second: 200 }),
        ..default
    };
    assert_eq!(api, expected);
    assert_eq!(named("stock"), DownstreamLimits { queue: 5, ..default });
    let printed = render_effective(&effective, Format::Toml);
    let again = load_file(&printed, Sources::default()).unwrap();
    assert_eq!(again.config.downstream.named, downstream.named, "{printed}");
}

#[test]
fn a_mistake_under_a_name_is_told_as_any_other() {
    let concurrency = "write a number from 1 to 100000; or `adaptive`; or `off`";
    check_file(&[
        (
            "[downstream.\"a.b\"]\nconcurrency = 0",
            "downstream.\"a.b\".concurrency: 0 is out of range",
            "2:15",
            concurrency,
        ),
        (
            "[downstream.a]\nconcurrency = true",
            "downstream.\"a\".concurrency cannot be a boolean",
            "2:15",
            concurrency,
        ),
        (
            "[downstream.a]\nconcurency = 1",
            "unknown key `downstream.default.concurency`",
            "2:1",
            "the nearest known key is `downstream.default.concurrency`",
        ),
        (
            "[downstream.a]\nrate = '5'",
            "downstream.\"a\".rate: `5` is not a rate",
            "2:8",
            "write a number per second, like `200/s`; or `off`",
        ),
        (
            "[downstream.\"a b\"]\nqueue = 1",
            "`a b` is not the name of an origin",
            "1:13",
            "write a host like `api.example.com`, `*.example.com` or `stock:8080`, with `https://` before it if it matters; a name with dots needs quotes",
        ),
    ]);
}
