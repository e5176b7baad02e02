//! Fixtures in, tables out.

use proptest::prelude::*;
use prost::Message as _;

use super::folded::folded;
use super::place::{Origin, Place, State};
use super::pprof::{Pprof, pprof};
use super::stretch::longest;
use super::{Culprit, Error, Profile, Report};

const SMALL: &str = include_str!("fixtures/small.cpuprofile");
/// Taken of a small app by Node 22.
const NODE_22: &str = include_str!("fixtures/node22.cpuprofile");

fn small() -> Profile {
    let origin = Origin { directory: "/srv/my shop".into(), agent: None };
    Profile::read(SMALL.as_bytes(), &origin).unwrap()
}

#[test]
fn time_is_charged_to_the_function_that_ran() {
    let report = Report::of(&small());
    let times = [report.duration_us, report.idle_us, report.busy_us, report.gc_us, report.program_us];
    // The last sample lasts until the end: 11,000 less the 10,000 of the deltas.
    assert_eq!(times, [10_000, 1000, 9000, 1000, 1000]);
    let rows: Vec<_> =
        report.functions.iter().map(|hot| (hot.name.as_str(), hot.self_us, hot.total_us)).collect();
    // A function that calls itself has its time once.
    let expected = [
        ("formatRows", 3000, 4000),
        ("onRequest", 1000, 7000),
        ("cloneDeep", 1000, 2000),
        ("parse", 1000, 1000),
        ("stringify", 1000, 1000),
        ("emit", 0, 7000),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn what_logging_takes_is_told_with_what_it_calls() {
    assert_eq!(Report::of(&small()).logging_us, 0);
    let origin = Origin { directory: "/srv/my shop".into(), agent: None };
    let logger = Profile::read(SMALL.replace("lodash", "pino").as_bytes(), &origin).unwrap();
    let report = Report::of(&logger);
    assert_eq!(report.logging_us, 2000);
    assert!(report.render().contains("\n22.2% of it was logging\n"), "{}", report.render());
}

#[test]
fn whose_code_is_to_be_changed_comes_first() {
    let report = Report::of(&small());
    let sentences: Vec<String> = report.culprits.iter().map(|one| report.sentence(one)).collect();
    assert_eq!(
        sentences,
        [
            "formatRows (src/report.js:88) takes 44.4% of the event loop's busy time, most of it in line 94",
            "the package lodash takes 22.2% of the event loop's busy time, called from onRequest (server.mjs:10)",
            "onRequest (server.mjs:10) takes 11.1% of the event loop's busy time",
        ]
    );
    let text = report.render();
    assert!(
        text.starts_with(
            "0.0 s in 10 samples: the event loop was busy for 90.0% of the time and idle for 10.0%\n"
        ),
        "{text}"
    );
    assert!(text.contains("\nfix first\n  1. formatRows (src/report.js:88) takes"), "{text}");
    assert!(text.contains("\n  33.3%   44.4%  formatRows (src/report.js:88)\n"), "{text}");
    assert!(text.contains("lodash/cloneDeep.js:3") && !text.contains("(idle)"), "{text}");
}

#[test]
fn what_node_writes_is_read() {
    let origin = Origin { directory: "/srv/shop".into(), agent: Some("/run/plimsoll/shop/agent".into()) };
    let report = Report::of(&Profile::read(NODE_22.as_bytes(), &origin).unwrap());
    let Some(Culprit { name, place, line: 4, hottest_line: Some(8), .. }) = report.culprits.first() else {
        panic!("{report:?}")
    };
    assert_eq!((name.as_str(), place), ("formatRows", &Place::App { file: "src/report.js".into() }));
    assert!(report.functions.iter().any(|hot| hot.place == Place::Agent), "{report:?}");
    assert!(report.idle_us > report.busy_us && report.duration_us > 2_500_000, "{report:?}");
}

#[test]
fn each_function_has_its_place() {
    let origin = Origin { directory: "/srv/app".into(), agent: Some("/run/plimsoll/app/agent".into()) };
    let app = |file: &str| Place::App { file: file.into() };
    let package = |package: &str, file: &str| Place::Package { package: package.into(), file: file.into() };
    let table = [
        ("(idle)", "", Place::State(State::Idle)),
        ("(idle)", "/srv/app/a.js", app("a.js")),
        ("parse", "", Place::Native),
        ("f", "wasm://wasm/0123", Place::Native),
        ("f", "node:internal/crypto/pbkdf2", Place::Node { module: "node:internal/crypto/pbkdf2".into() }),
        ("f", "file:///srv/app/a%20b%zz.mjs", app("a b%zz.mjs")),
        ("f", "/elsewhere/a.js", app("/elsewhere/a.js")),
        ("f", "/srv/application/a.js", app("/srv/application/a.js")),
        ("f", "/srv/app/node_modules/a/lib/x.js", package("a", "lib/x.js")),
        ("f", "/srv/app/node_modules/@a/b/x.js", package("@a/b", "x.js")),
        ("f", "/srv/app/node_modules/.pnpm/a@1/node_modules/a/x.js", package("a", "x.js")),
        ("f", "file:///srv/app/node_modules/a/node_modules/b/x.js", package("b", "x.js")),
        ("f", "/srv/app/node_modules/x.js", app("node_modules/x.js")),
        ("f", "/run/plimsoll/app/agent/link.js", Place::Agent),
        ("f", "evalmachine.<anonymous>", app("evalmachine.<anonymous>")),
    ];
    for (name, url, expected) in table {
        assert_eq!(origin.place(name, url), expected, "{name} {url}");
    }
}

#[test]
fn the_longest_stretch_of_one_callback_is_the_stall() {
    // 1 root, 2 idle, 3 collector, 4 and 5 callbacks, 6 called by 4.
    let nodes: [(u64, &[u64]); 6] = [(1, &[2, 3, 4, 5]), (2, &[]), (3, &[]), (4, &[6]), (5, &[]), (6, &[])];
    for (samples, deltas, expected) in [
        ("[2,4,2,5,5,2]", "[0,1,9,1,2,2]", 1..2),
        ("[2,4,2,5,5,2]", "[0,1,1,1,2,2]", 3..5),
        ("[4,6,3,4,5,5]", "[0,1,1,1,1,1]", 0..4),
        ("[4,5,5,6,2,2]", "[0,1,9,9,1,1]", 1..3),
        ("[3,4,2,3,2,2]", "[0,1,1,9,9,9]", 0..2),
        ("[2,2,3,2]", "[0,1,1,1]", 0..0),
        ("[]", "[]", 0..0),
    ] {
        let mut text =
            raw(&nodes, samples, deltas).replace("\"endTime\":9", "\"endTime\":0").replace("/a.js", "");
        for (name, state) in [("f1", "(root)"), ("f2", "(idle)"), ("f3", "(garbage collector)")] {
            text = text.replace(name, state);
        }
        let profile = Profile::read(text.as_bytes(), &Origin::default()).unwrap();
        assert_eq!(longest(&profile), expected, "{samples} {deltas}");
        let time: u64 = profile.timeline[expected.clone()].iter().map(|(_, time)| time).sum();
        assert_eq!(Report::of(&profile.part(expected)).duration_us, time);
    }
    let profile = small();
    let range = longest(&profile);
    let text = Report::of(&profile.part(range)).render_stall();
    assert!(
        text.starts_with(
            "the event loop stood still for 9 ms (9 samples); this is what it did\n\nfix first\n"
        ),
        "{text}"
    );
}

#[test]
fn stacks_are_folded_without_idle_time() {
    let (lines, left_out) = folded(&small());
    assert_eq!(left_out, 0);
    let handler = "emit (node:events:466);onRequest (server.mjs:10)";
    let report = format!("{handler};formatRows (src/report.js:88)");
    let expected = [
        "(garbage collector) 1000".to_owned(),
        "(program) 1000".to_owned(),
        format!("{handler} 1000"),
        format!("{handler};cloneDeep (lodash/cloneDeep.js:3) 1000"),
        format!("{handler};cloneDeep (lodash/cloneDeep.js:3);parse (native) 1000"),
        format!("{report} 2000"),
        format!("{report};formatRows (src/report.js:88) 1000"),
        format!("{report};stringify (native) 1000"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn pprof_names_every_stack_innermost_first() {
    let message = Pprof::decode(&pprof(&small())[..]).unwrap();
    let text = |at: i64| message.string_table[usize::try_from(at).unwrap()].as_str();
    assert_eq!(text(0), "");
    let types: Vec<_> = message.sample_type.iter().map(|of| (text(of.r#type), text(of.unit))).collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    let name = |location: u64| {
        let location = message.location.iter().find(|one| one.id == location).unwrap();
        let function = message.function.iter().find(|one| one.id == location.line[0].function_id).unwrap();
        (text(function.name), text(function.filename), location.line[0].line)
    };
    let stack = &message.sample.iter().find(|sample| name(sample.location_id[0]).0 == "stringify").unwrap();
    let frames: Vec<_> = stack.location_id.iter().map(|&id| name(id)).collect();
    let expected = [
        ("stringify", "native", 0),
        ("formatRows", "src/report.js", 88),
        ("onRequest", "server.mjs", 10),
        ("emit", "node:events", 466),
    ];
    assert_eq!((frames, &stack.value[..]), (expected.to_vec(), &[1, 1_000_000][..]));
    let cpu: i64 = message.sample.iter().map(|sample| sample.value[1]).sum();
    assert_eq!((cpu, message.duration_nanos, message.period), (9_000_000, 10_000_000, 1_000_000));
}

/// A profile of nodes `(id, children)`, with samples and times.
fn raw(nodes: &[(u64, &[u64])], samples: &str, deltas: &str) -> String {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|(id, children)| {
            format!(
                r#"{{"id":{id},"callFrame":{{"functionName":"f{id}","url":"/a.js","lineNumber":{id}}},"children":{children:?}}}"#
            )
        })
        .collect();
    format!(
        r#"{{"nodes":[{}],"startTime":0,"endTime":9,"samples":{samples},"timeDeltas":{deltas}}}"#,
        nodes.join(",")
    )
}

#[test]
fn a_broken_or_hostile_profile_is_an_error_that_says_why() {
    let deep: Vec<(u64, Vec<u64>)> = (1..2000).map(|id| (id, vec![id + 1])).chain([(2000, vec![])]).collect();
    let deep: Vec<(u64, &[u64])> = deep.iter().map(|(id, children)| (*id, &children[..])).collect();
    let table = [
        (String::new(), "not what V8 writes"),
        ("{}".to_owned(), "missing field `nodes`"),
        (r#"{"nodes":[],"startTime":"x","endTime":1}"#.to_owned(), "invalid type"),
        (raw(&[(1, &[2])], "[]", "[]"), "broken at node 2: it is a child, and it is not there"),
        (raw(&[(1, &[]), (1, &[])], "[]", "[]"), "two nodes have its number"),
        (raw(&[(1, &[2]), (2, &[1])], "[]", "[]"), "child of two nodes"),
        (raw(&[(1, &[2, 2]), (2, &[])], "[]", "[]"), "child of two nodes"),
        (raw(&[(1, &[2, 2, 2, 2]), (2, &[])], "[]", "[]"), "more children than nodes"),
        (raw(&[(1, &[]), (2, &[])], "[2]", "[1]"), "broken at node 2: a sample names it"),
        (raw(&[(1, &[])], "[1,1]", "[1]"), "2 samples and 1 times"),
        (raw(&deep, "[]", "[]"), "too deep"),
    ];
    for (text, expected) in table {
        let error = Profile::read(text.as_bytes(), &Origin::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
    let long = vec![b' '; super::read::BYTES_MAX + 1];
    assert_eq!(Profile::read(&long, &Origin::default()), Err(Error::TooLong(long.len())));
}

#[test]
fn an_empty_profile_says_that_nothing_ran() {
    let text = raw(&[(1, &[])], "[]", "[]");
    let profile = Profile::read(text.as_bytes(), &Origin::default()).unwrap();
    let report = Report::of(&profile);
    assert!(report.culprits.is_empty() && report.functions.is_empty());
    assert!(report.render().contains("hardly used"), "{}", report.render());
    assert!(folded(&profile).0.is_empty());
    assert!(Pprof::decode(&pprof(&profile)[..]).unwrap().sample.is_empty());
}

#[test]
fn what_would_act_on_a_terminal_is_left_out() {
    let text = raw(&[(1, &[])], "[1]", "[1]").replace("f1", "\\u001b[2J;x").replace("/a.js", "/a\\u0007.js");
    let profile = Profile::read(text.as_bytes(), &Origin::default()).unwrap();
    assert!(Report::of(&profile).render().contains("[2J;x (/a.js:2)"));
    assert_eq!(folded(&profile).0, ["[2J,x (/a.js:2) 8"]);
}

proptest! {
    /// Times that go backwards, or beyond all bounds, and numbers of any size.
    #[test]
    fn no_numbers_break_it(
        samples in prop::collection::vec(1_u64..4, 0..20),
        deltas in prop::collection::vec(any::<i64>(), 20),
        line in any::<i64>(),
    ) {
        let deltas = &deltas[..samples.len()];
        let text = raw(&[(1, &[2, 3]), (2, &[]), (3, &[])], &format!("{samples:?}"), &format!("{deltas:?}"));
        let text = text.replace("\"lineNumber\":2", &format!("\"lineNumber\":{line}"));
        let profile = Profile::read(text.as_bytes(), &Origin::default()).unwrap();
        let report = Report::of(&profile);
        prop_assert!(report.busy_us <= report.duration_us);
        let _ = longest(&profile);
        let _ = (report.render(), folded(&profile), pprof(&profile));
    }
}
