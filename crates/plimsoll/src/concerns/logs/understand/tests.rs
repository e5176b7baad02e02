use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Shape, level, message and request of a line on stdout.
fn read(line: &str) -> (Shape, Level, &str, Option<&str>) {
    let understood = understand(line.as_bytes(), Stream::Stdout);
    let request = understood.request.map(|place| &line[place]);
    (understood.shape, understood.level, &line[understood.message], request)
}

#[test]
fn json_of_the_usual_loggers_is_understood() {
    let table = [
        (
            r#"{"level":30,"time":1700000000000,"pid":7,"hostname":"h","msg":"hello"}"#,
            Level::Info,
            "hello",
            None,
        ),
        (
            r#"{"level":50,"reqId":"r-1","err":{"type":"E","stack":"a\n b"},"msg":"a \"b\""}"#,
            Level::Error,
            r#"a \"b\""#,
            Some("r-1"),
        ),
        (
            r#"{"level":20,"req":{"method":"GET","headers":{"id":"no"},"id":17},"msg":"in"}"#,
            Level::Debug,
            "in",
            Some("17"),
        ),
        (
            r#"{"name":"app","hostname":"h","pid":1,"level":40,"msg":"w","time":"2026-01-01T00:00:00Z","v":0}"#,
            Level::Warn,
            "w",
            None,
        ),
        (r#"{"message":"hi","level":"verbose","requestId":"x"}"#, Level::Debug, "hi", Some("x")),
        (r#"{"level":"log","pid":1,"timestamp":1,"message":"m","context":"App"}"#, Level::Info, "m", None),
        (r#"{"severityText":"ERROR","body":"m"}"#, Level::Error, "m", None),
        (r#"{"severityNumber":21,"body":"m"}"#, Level::Fatal, "m", None),
        (r#"{"severity":"WARNING","message":"m"}  "#, Level::Warn, "m", None),
        (r#" {"#, Level::Info, " {", None),
        (r"{}", Level::Info, "{}", None),
    ];
    for (line, level, message, request) in table {
        let shape = if line.starts_with(' ') { Shape::Plain } else { Shape::Json };
        assert_eq!(read(line), (shape, level, message, request), "{line}");
    }
}

#[test]
fn json_that_is_not_whole_is_a_plain_line_that_keeps_its_level() {
    for line in
        [r#"{"level":50,"msg":"x"#, r#"{"level":50,"a":[1,2}"#, r#"{"level":50}}"#, r#"{"level":50,1:2}"#]
    {
        let (shape, level, ..) = read(line);
        assert_eq!((shape, level), (Shape::Plain, Level::Error), "{line}");
    }
    assert_eq!(read("{ a: 1 }").0, Shape::Plain);
}

#[test]
fn logfmt_is_understood() {
    let line = r#"ts=1 level=warn msg="a \"b\" c" request_id=r7 empty= last=x"#;
    assert_eq!(read(line), (Shape::Logfmt, Level::Warn, r#"a \"b\" c"#, Some("r7")));
    assert_eq!(read("level=error"), (Shape::Logfmt, Level::Error, "level=error", None));
    for line in ["a=b", "x = y", "=", "url?level=error", "msg"] {
        assert_eq!(read(line).0, Shape::Plain, "{line}");
    }
}

#[test]
fn the_level_of_a_plain_line_is_its_leading_word() {
    let table = [
        ("ERROR something", Level::Error),
        ("[error] something", Level::Error),
        ("2026-01-02T10:00:00.000Z WARN x", Level::Warn),
        ("[2026-01-02 10:00:00] DEBUG: x", Level::Debug),
        (
            "\x1b[32m[Nest] 123  - \x1b[39m01/02/2026, 10:00:00 AM \x1b[31m  ERROR\x1b[39m [App] x",
            Level::Error,
        ),
        ("[Nest] 123  - 01/02/2026, 10:00:00 AM     LOG [App] an error", Level::Info),
        ("TypeError: x is not y", Level::Error),
        ("(node:7) DeprecationWarning: x", Level::Warn),
        ("(node:7) Warning: x", Level::Warn),
        ("info: fine", Level::Info),
        ("Log files are in /var", Level::Info),
        ("FATAL ERROR: Reached heap limit", Level::Fatal),
        ("there was an error", Level::Info),
        ("", Level::Info),
        ("listening on 3000", Level::Info),
    ];
    for (line, level) in table {
        assert_eq!(read(line).1, level, "{line}");
    }
    assert_eq!(understand(b"lost", Stream::Stderr).level, Level::Error);
    assert_eq!(understand(b"info: fine", Stream::Stderr).level, Level::Info);
    assert_eq!(
        understand(br#"{"msg":"json says nothing of the stream"}"#, Stream::Stderr).level,
        Level::Info
    );
}

#[test]
fn traces_are_found_in_their_usual_forms() {
    let traced = |line: String| {
        let understood = understand(line.as_bytes(), Stream::Stdout);
        (understood.trace.map(|id| id[0]), understood.is_traced)
    };
    assert_eq!(traced(format!(r#"{{"trace_id":"{TRACE}","trace_flags":"01"}}"#)), (Some(0x4b), true));
    assert_eq!(traced(format!(r#"{{"traceId":"{TRACE}","trace_flags":"00"}}"#)), (Some(0x4b), false));
    assert_eq!(traced(format!(r#"{{"traceparent":"00-{TRACE}-00f067aa0ba902b7-01"}}"#)), (Some(0x4b), true));
    assert_eq!(traced(format!("level=info trace_id={TRACE}")), (Some(0x4b), false));
    for odd in ["", "xyz", "4bf9", &"0".repeat(32), &"g".repeat(32)] {
        assert_eq!(traced(format!(r#"{{"trace_id":"{odd}","traceparent":"00-{odd}-0-0"}}"#)), (None, false));
    }
}

#[test]
fn messages_of_one_place_have_one_fingerprint() {
    let same = [
        ("user 17 not found", "user 99999 not found"),
        ("no key 'a b' here", "no key 'zz' here"),
        ("id 4bf92f35 lost", "id 00f067aa lost"),
        ("can't reach 10.0.0.1:80", "can't reach 10.7.7.1:8080"),
    ];
    for (one, other) in same {
        assert_eq!(fingerprint(one.as_bytes()), fingerprint(other.as_bytes()), "{one}");
    }
    let places = ["user not found", "user not there", "", "a", "b", "key 'x' bad", "key x bad"];
    for (index, one) in places.iter().enumerate() {
        for other in places.iter().skip(index + 1) {
            assert_ne!(fingerprint(one.as_bytes()), fingerprint(other.as_bytes()), "{one} {other}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_understood_somehow(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let understood = understand(&bytes, Stream::Stderr);
        prop_assert!(bytes.get(understood.message.clone()).is_some());
        let _hash = fingerprint(&bytes);
    }

    #[test]
    fn what_is_like_json_is_json_only_if_it_is(line in r#"\{[\{\}\[\]",:a1\\ ]{0,30}"#) {
        let is_json = serde_json::from_str::<serde_json::Value>(&line).is_ok();
        // The scanner lets pass what a parser refuses, never the other way round.
        prop_assert!(!is_json || understand(line.as_bytes(), Stream::Stdout).shape == Shape::Json);
    }
}
