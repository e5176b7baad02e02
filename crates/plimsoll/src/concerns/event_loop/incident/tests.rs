//! From stacks and figures to the sentence.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::stack::{Culprit, culprit, read, written};
use super::*;
use crate::concerns::event_loop::profile::Origin;

fn origin() -> Origin {
    Origin { directory: PathBuf::from("/srv/shop"), agent: Some(PathBuf::from("/run/plimsoll/shop")) }
}

/// Whom the stack blames: function, file with line, package.
fn blamed(stack: &str) -> Option<(String, String, Option<String>)> {
    let frames = read(stack);
    let found = written(&frames, &origin())?;
    let located = |frame: &stack::Frame| (frame.function.clone(), frame.script.clone(), frame.line);
    let culprit = culprit(found, &origin(), located);
    Some((culprit.function, format!("{}:{}", culprit.file, culprit.line), culprit.package))
}

#[test]
fn the_innermost_function_of_the_app_is_named_and_the_package_it_called() {
    let node =
        "    at Server.emit (node:events:519:28)\n    at onIncoming (/run/plimsoll/shop/agent/link.js:70:9)";
    let table = [
        ("    at formatRows (/srv/shop/src/report.js:88:5)\n", ("formatRows", "src/report.js:88", None)),
        (
            "    at pbkdf2Sync (node:internal/crypto/pbkdf2:62:22)\n    at hash (file:///srv/shop/a%20b.js:3:1)\n",
            ("hash", "a b.js:3", None),
        ),
        (
            "    at clone (/srv/shop/node_modules/lodash/clone.js:5:9)\n    at Object.copy (/srv/shop/copy.js:7:2)\n",
            ("copy", "copy.js:7", Some("lodash")),
        ),
        (
            "    at parse (/srv/shop/node_modules/body-parser/lib/json.js:92:19)\n",
            ("parse", "body-parser/lib/json.js:92", Some("body-parser")),
        ),
        ("    at /srv/shop/app.js:12:3\n", ("an anonymous function", "app.js:12", None)),
        ("    at new Report (/opt/lib/report.js:1:3)\n", ("Report", "/opt/lib/report.js:1", None)),
    ];
    for (top, (function, file, package)) in table {
        let expected = (function.to_owned(), file.to_owned(), package.map(str::to_owned));
        assert_eq!(blamed(&format!("{top}{node}")), Some(expected), "{top}");
    }
    for stack in [node, "", "nonsense", "    at x (y:1)", "    at (::)", &"    at a (b:1:1)\n".repeat(9)[..5]]
    {
        assert_eq!(blamed(stack), None, "{stack}");
    }
}

#[test]
fn a_callback_without_a_name_is_known_by_the_function_around_it() {
    let name = |stack: &str| {
        let frames = read(stack);
        stack::name(&frames[0], &frames).to_owned()
    };
    assert_eq!(name("    at /srv/shop/a.js:3:1\n    at sortRows (/srv/shop/a.js:2:1)"), "sortRows");
    assert_eq!(name("    at /srv/shop/a.js:3:1\n    at sortRows (/srv/shop/b.js:2:1)"), "");
    assert_eq!(name("    at /srv/shop/a.js:3:1\n    at Server.emit (node:events:1:1)"), "");
    assert_eq!(name("    at f (/srv/shop/a.js:3:1)\n    at g (/srv/shop/a.js:2:1)"), "f");
}

#[test]
fn a_hostile_stack_is_cut_and_cleaned() {
    let long = format!("    at {}\u{1b}[31m (/srv/shop/{}.js:1:1)", "f".repeat(5000), "d".repeat(5000));
    let frames = read(&format!("{long}\n").repeat(1000));
    assert_eq!(frames.len(), 64);
    assert!(frames[0].function.len() <= 120 && frames[0].script.len() <= 1024);
    assert!(!read("    at a\u{1b}[31m (/x:1:1)")[0].function.contains('\u{1b}'));
}

#[test]
fn a_call_is_read_from_the_stack_and_from_the_source() {
    let pino = "    at sleep (/srv/node_modules/atomic-sleep/index.js:20:13)\n    \
                at SonicBoom.flushSync (/srv/node_modules/sonic-boom/index.js:380:9)";
    let call = calls::of_logger(&read(pino)).unwrap();
    assert!(call.name.contains("write of the log") && call.hint.contains("sync: false"), "{call:?}");
    assert_eq!(calls::of_logger(&read("    at writeSync (node:fs:923:3)")), None);
    let in_stack = |stack: &str| calls::in_stack(&read(stack)).map(|call| call.name);
    assert_eq!(
        in_stack("    at Object.pbkdf2Sync (node:internal/crypto/pbkdf2:62:22)"),
        Some("pbkdf2Sync".into())
    );
    let fs = "    at tryReadSync (node:fs:442:20)\n    at Object.readFileSync (node:fs:492:19)";
    assert_eq!(in_stack(fs), Some("readFileSync".into()));
    assert_eq!(in_stack("    at Server.emit (node:events:519:28)"), None);

    let at = |line: &str, name: &str| {
        let column = u32::try_from(line.find(name).unwrap() + 1).unwrap();
        calls::at(line, column).map(|call| call.name)
    };
    let table = [
        ("const a = JSON.parse(body)", "parse", Some("JSON.parse")),
        ("if (/^(a+)+$/.test(input)) {", "test", Some("a regular expression (test)")),
        ("rows.sort(compare)", "sort", Some("Array.sort")),
        ("return zlib.gzipSync(data)", "gzipSync", Some("gzipSync")),
        ("const x = formatRows(data)", "formatRows", None),
        ("ünï.sort()", "sort", Some("Array.sort")),
    ];
    for (line, name, expected) in table {
        assert_eq!(at(line, name).as_deref(), expected, "{line}");
    }
    assert!(calls::at("x", 0).is_none() && calls::at("x", u32::MAX).is_none());

    let near = |source: &str| {
        let lines: Vec<String> = source.lines().map(str::to_owned).collect();
        calls::near(&lines).map(|call| (call.name, call.is_guess))
    };
    let guess = |name: &str| Some((name.to_owned(), true));
    assert_eq!(near("const a = JSON.parse(b)\n// JSON.stringify(\nsend(a)"), guess("JSON.parse"));
    assert_eq!(near("a.sort()\ncrypto.scryptSync(x)"), guess("scryptSync"));
    assert_eq!(near("nothing"), None);
    // What another function does says nothing of this one.
    assert_eq!(near("JSON.parse(a)\nfunction f () {\n  if (a) {\n  b()"), None);
    assert_eq!(
        near("app.get(x, (req, res) => {\n  const a = JSON.parse(b)\n  if (a) {\n  c()"),
        guess("JSON.parse")
    );
}

#[test]
fn a_function_that_is_only_entered_is_known_by_its_place() {
    let table = [
        ("const isOver = (end) => now() >= end", "(end)", true),
        ("const isOver = end => now() >= end", "end =>", true),
        ("function work (a, b = f()) {", "(a,", true),
        ("  run (all) { return all }", "(all)", true),
        ("while (now() < end) {", "now", false),
        ("if (a) (b)(c)", "(b)", false),
        ("const a = (b + c) * d", "(b", false),
        ("work(a)", "work", false),
    ];
    for (line, at, expected) in table {
        let column = u32::try_from(line.find(at).unwrap() + 1).unwrap();
        assert_eq!(calls::is_entry(line, column), expected, "{line}");
    }
    assert!(!calls::is_entry("(a) => b", 0) && !calls::is_entry("", 7) && !calls::is_entry("(", 1));
}

fn look(call: Option<calls::Call>) -> Look {
    let culprit =
        Culprit { function: "formatRows".into(), file: "src/report.js".into(), line: 88, package: None };
    Look { culprit: Some(culprit), call }
}

fn observed() -> Observed {
    Observed {
        worker: 2,
        route: Some("POST /reports/:id".into()),
        looks: vec![look(None)],
        total_ms: 412,
        cpu_ms: Some(400),
        waited: 37,
        rescued: 35,
        end: End::Turned,
        ..Observed::default()
    }
}

#[test]
fn an_incident_is_one_sentence_in_the_users_words() {
    let parse = || calls::at("JSON.parse(x)", 6);
    let guess = || calls::near(&["JSON.parse(x)".to_owned()]);
    let body = Some(Body { bytes: 2_200_000, content_type: ContentType::Json });
    let table = [
        (
            observed(),
            "POST /reports/:id blocked worker 2 for 412 ms in formatRows (src/report.js:88); 37 requests waited, \
             35 were rescued",
        ),
        (
            Observed { looks: vec![look(parse())], body, waited: 1, rescued: 1, ..observed() },
            "POST /reports/:id blocked worker 2 for 412 ms in JSON.parse, called from formatRows (src/report.js:88), \
             with 2.0 MB of JSON in the request; 1 request waited and was rescued",
        ),
        (
            Observed { looks: vec![look(guess())], waited: 0, ..observed() },
            "POST /reports/:id blocked worker 2 for 412 ms in formatRows (src/report.js:88), probably in JSON.parse",
        ),
        (
            Observed { looks: vec![look(Some(calls::unknown()))], body, waited: 0, ..observed() },
            "POST /reports/:id blocked worker 2 for 412 ms in formatRows (src/report.js:88), probably in JSON.parse, \
             with 2.0 MB of JSON in the request",
        ),
        (
            Observed { gc_ms: 390, waited: 0, ..observed() },
            "worker 2 stood still for 412 ms, 390 ms of it collecting garbage, in formatRows (src/report.js:88)",
        ),
        (
            Observed { cpu_ms: Some(20), throttled_ms: 380, waited: 0, ..observed() },
            "worker 2 stood still for 412 ms: the container had used up its CPU quota",
        ),
        (
            Observed { cpu_ms: Some(20), delayed_ms: 390, body, ..observed() },
            "worker 2 stood still for 412 ms, 390 ms of it waiting for a CPU; 37 requests waited, 35 were rescued",
        ),
        (
            Observed { was_stopped: true, total_ms: 61_300, waited: 0, end: End::Died, ..observed() },
            "worker 2 stood still for 61.3 s until its process ended: its process was stopped",
        ),
        (
            Observed { route: None, answered: Some("GET /b".into()), waited: 0, ..observed() },
            "probably GET /b blocked worker 2 for 412 ms in formatRows (src/report.js:88)",
        ),
        (
            Observed {
                route: None,
                alone: Some("GET /events".into()),
                answered: Some("GET /b".into()),
                waited: 0,
                ..observed()
            },
            "probably GET /events blocked worker 2 for 412 ms in formatRows (src/report.js:88)",
        ),
        (
            Observed { alone: Some("GET /events".into()), waited: 0, ..observed() },
            "POST /reports/:id blocked worker 2 for 412 ms in formatRows (src/report.js:88)",
        ),
        (
            Observed { looks: Vec::new(), route: None, waited: 0, end: End::Lasts, ..observed() },
            "worker 2 stood still for 412 ms so far; what it did is not known",
        ),
    ];
    for (observed, expected) in table {
        assert_eq!(conclude(&observed).text, expected);
    }
}

#[test]
fn throttling_is_blamed_only_where_the_worker_was_off_its_cpu() {
    let kind = |observed: Observed| conclude(&observed).kind;
    assert_eq!(kind(Observed { throttled_ms: 412, ..observed() }), Kind::JavaScript);
    assert_eq!(kind(Observed { throttled_ms: 412, cpu_ms: None, ..observed() }), Kind::JavaScript);
    assert_eq!(kind(Observed { throttled_ms: 412, cpu_ms: Some(100), ..observed() }), Kind::CpuThrottling);
}

#[test]
fn who_waits_for_a_cpu_is_not_blamed_and_who_uses_one_is() {
    let told = |cpu_ms, delayed_ms| conclude(&Observed { cpu_ms, delayed_ms, ..observed() });
    assert_eq!(told(Some(400), 0).kind, Kind::JavaScript);
    assert_eq!(told(Some(110), 302).kind, Kind::JavaScript);
    assert_eq!(told(None, 0).kind, Kind::JavaScript);
    let starved = told(Some(100), 309);
    assert_eq!((starved.kind, starved.delayed_ms), (Kind::CpuStarvation, 309));
    assert_eq!((starved.function, starved.file), (None, None));
    // A throttled container has no CPU either.
    let throttled = Observed { cpu_ms: Some(10), delayed_ms: 400, throttled_ms: 390, ..observed() };
    assert_eq!(conclude(&throttled).kind, Kind::CpuThrottling);
}

#[test]
fn of_several_looks_the_most_frequent_counts() {
    let other = Look {
        culprit: Some(Culprit { function: "b".into(), file: "b.js".into(), line: 1, package: None }),
        call: None,
    };
    let nothing = Look { culprit: None, call: None };
    let looks = vec![other.clone(), nothing.clone(), look(None), nothing, look(None)];
    assert_eq!(conclude(&Observed { looks, ..observed() }).function.as_deref(), Some("formatRows"));
    let looks = vec![other, look(None)];
    assert_eq!(conclude(&Observed { looks, ..observed() }).function.as_deref(), Some("b"));
}

#[test]
fn where_nobody_is_to_blame_all_routes_are_one_group() {
    let mut book = Book::default();
    for route in ["GET /a", "GET /b"] {
        let starved =
            Observed { route: Some(route.into()), delayed_ms: 400, waited: 0, rescued: 0, ..observed() };
        book.note(conclude(&starved), Instant::now());
    }
    let groups = book.groups();
    let told = groups.iter().map(|group| (group.kind, group.route.as_deref(), group.count, group.cost_ms));
    assert_eq!(told.collect::<Vec<_>>(), [(Kind::CpuStarvation, None, 2, 824)]);
}

#[test]
fn what_repeats_is_one_line_in_a_minute() {
    let mut book = Book::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert!(book.note(conclude(&observed()), at(0)).is_some());
    assert_eq!(book.next_line(), None);
    for seconds in 1..=5 {
        assert_eq!(book.note(conclude(&observed()), at(seconds)), None);
    }
    let other = Observed { route: Some("GET /b".into()), ..observed() };
    assert!(book.note(conclude(&other), at(6)).is_some(), "another cause is told at once");
    assert_eq!((book.next_line(), book.tell(at(59))), (Some(at(60)), Vec::new()));
    let line = "POST /reports/:id blocked its workers 5 more times in formatRows (src/report.js) within 60 s: \
                2.0 s together, 412 ms at worst";
    assert_eq!(
        (book.tell(at(60)), book.tell(at(61)), book.next_line()),
        (vec![line.to_owned()], Vec::new(), None)
    );
    assert!(book.note(conclude(&observed()), at(200)).is_some(), "it was quiet for long");

    let groups = book.groups();
    assert_eq!((groups.len(), groups[0].count, groups[0].total_ms, groups[0].waited), (2, 7, 2884, 259));
    assert_eq!(book.kinds()[0], (Kind::JavaScript, 8, 3296));
    assert_eq!(book.recent().count(), 8);
}

#[test]
fn a_guess_is_no_line_of_its_own_where_it_was_seen() {
    let (mut book, now) = (Book::default(), Instant::now());
    let guess = |route: &str| Observed { route: None, alone: Some(route.into()), ..observed() };
    assert!(book.note(conclude(&observed()), now).is_some());
    assert_eq!(book.note(conclude(&guess("POST /reports/:id")), now), None);
    let line = book.note(conclude(&guess("GET /b")), now).unwrap();
    assert!(line.starts_with("probably GET /b blocked worker 2"), "{line}");
    let groups = book.groups();
    assert_eq!((groups.len(), groups[0].count, groups[0].route_is_guess), (2, 2, false));
}

/// The groups after such incidents of one function: a route that was seen, or one that was answered first.
fn groups(incidents: &[(Option<&str>, Option<&str>)]) -> Vec<(Option<String>, bool, u64)> {
    let mut book = Book::default();
    for (route, answered) in incidents {
        let [route, answered] = [route, answered].map(|name| name.map(str::to_owned));
        let _line = book.note(conclude(&Observed { route, answered, ..observed() }), Instant::now());
    }
    book.groups().into_iter().map(|group| (group.route, group.route_is_guess, group.count)).collect()
}

#[test]
fn a_route_that_nobody_saw_is_told_where_nearly_all_point_at_it() {
    let (a, b) = (Some("GET /a"), Some("GET /b"));
    type Row<'a> = (&'a str, Vec<(Option<&'a str>, Option<&'a str>)>, Vec<(Option<&'a str>, bool, u64)>);
    let table: [Row<'_>; 7] = [
        ("one", vec![(None, a)], vec![(a, true, 1)]),
        ("four of five", vec![(None, a), (None, a), (None, b), (None, a), (None, a)], vec![(a, true, 5)]),
        ("a timer", vec![(None, a), (None, b), (None, a)], vec![(None, false, 3)]),
        ("it is not always known", vec![(None, a), (None, None)], vec![(None, false, 2)]),
        ("it was seen later", vec![(None, a), (a, None), (a, b)], vec![(a, false, 3)]),
        ("it was seen before", vec![(a, None), (None, a), (None, b)], vec![(a, false, 2), (b, true, 1)]),
        ("another was seen", vec![(None, a), (b, None), (b, None)], vec![(b, false, 2), (a, true, 1)]),
    ];
    for (case, incidents, expected) in table {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(route, is_guess, count)| (route.map(str::to_owned), is_guess, count))
            .collect();
        assert_eq!(groups(&incidents), expected, "{case}");
    }
}

#[test]
fn the_book_has_an_end() {
    let mut book = Book::default();
    for n in 0..1000 {
        let route = Some(format!("GET /{n}"));
        let _line = book.note(conclude(&Observed { route, total_ms: 100 + n, ..observed() }), Instant::now());
    }
    assert_eq!((book.recent().count(), book.groups().len(), book.forgotten()), (100, 200, 800));
    assert_eq!(book.groups()[0].worst_ms, 1099);
}

#[test]
fn content_types_are_told_apart() {
    let table: [(&[u8], ContentType); 8] = [
        (b"application/json; charset=utf-8", ContentType::Json),
        (b"Application/Problem+JSON", ContentType::Json),
        (b"application/x-www-form-urlencoded", ContentType::Form),
        (b"multipart/form-data; boundary=x", ContentType::Multipart),
        (b"text/xml", ContentType::Xml),
        (b"TEXT/csv", ContentType::Text),
        (b"", ContentType::Other),
        (b"application/octet-stream", ContentType::Other),
    ];
    for (value, expected) in table {
        assert_eq!(ContentType::of(value), expected, "{}", String::from_utf8_lossy(value));
    }
}
