//! `[[logs.sink]]`: what it may say, and every way of getting it wrong.

use std::path::Path;
use std::time::Duration;

use super::{check_refused, load_file, variables};
use crate::config::{Compress, Format, LogFormat, LogLevel, SinkTarget, Sources, Unseen, render_effective};

#[test]
fn sinks_are_a_list_and_stdout_is_our_own() {
    let text = "
        [logs]
        rate = 500
        [[logs.sink]]
        type = 'stdout'
        level = 'off'
        [[logs.sink]]
        type = 'file'
        name = 'errors'
        level = 'error'
        path = 'log/errors.log'
        rotate_every = '1d'
        keep = 30
        compress = 'off'
    ";
    let config = load_file(text, Sources::default()).unwrap().config;
    assert_eq!((config.logs.rate, config.logs.standard.level), (Some(500), None));
    let [sink] = &config.logs.sinks[..] else { panic!("{:?}", config.logs.sinks) };
    assert_eq!((sink.name.as_str(), sink.level), ("errors", Some(LogLevel::Error)));
    let SinkTarget::File(file) = &sink.target else { panic!("{sink:?}") };
    assert_eq!(
        (file.path.as_path(), file.keep, file.compress),
        (Path::new("log/errors.log"), 30, Compress::Off)
    );
    assert_eq!((file.rotate_every, file.format), (Some(Duration::from_secs(86_400)), LogFormat::Raw));
}

#[test]
fn what_is_wrong_with_a_sink_is_said_with_its_place() {
    let table = [
        (
            "[[logs.sink]]\ntype = 'file'\npath = 'a'\nroate_size = '1MB'",
            "unknown key `roate_size` of a sink of type `file`",
            "4:1",
            "the nearest known key is `rotate_size`",
        ),
        ("[[logs.sink]]\ntype = 'fiel'", "`fiel` is no type of sink", "2:8", "the nearest type is `file`"),
        (
            "[[logs.sink]]\ntype = 'file'",
            "a sink of type `file` needs `path`",
            "1:1",
            "write the path of a file",
        ),
        (
            "[[logs.sink]]\ntype = 'stdout'\npath = 'a'",
            "a sink of type `stdout` has no `path`",
            "3:1",
            "it is for `file`",
        ),
        (
            "[[logs.sink]]\ntype = 'stdout'\nlevel = 'loud'",
            "logs.sink.level: `loud` is not known",
            "3:9",
            "write `error` or `warn` or `info` or `debug` or `trace`; or `off`",
        ),
        (
            "[[logs.sink]]\ntype = 'file'\npath = ['a']",
            "logs.sink.path cannot be of type array",
            "3:8",
            "write the path of a file",
        ),
        ("logs.sink = 'file'", "logs.sink is a list", "1:13", "write each sink under `[[logs.sink]]`"),
        (
            "[[logs.sink]]\ntype = 'file'\npath = 'a'\n[[logs.sink]]\ntype = 'file'\npath = 'b'",
            "two sinks are called `file`",
            "4:1",
            "give one of them a `name` of its own",
        ),
        (
            "[[logs.snk]]\ntype = 'file'",
            "unknown key `logs.snk`",
            "1:8",
            "the nearest known key is `logs.sink`",
        ),
    ];
    check(&table);
    let untyped = load_file("[[logs.sink]]\npath = 'a'", Sources::default()).unwrap_err();
    assert!(
        untyped.contains("a sink needs a `type`") && untyped.contains("`stdout`, `file`, `otlp`"),
        "{untyped}"
    );
}

/// For each file the one problem: `(file, what, line:column, hint)`.
fn check(table: &[(&str, &str, &str, &str)]) {
    for (text, what, place, hint) in table {
        let problems = load_file(text, Sources::default()).unwrap_err();
        check_refused(&problems, &[(what, &format!("plimsoll.toml:{place}"), hint)]);
    }
}

#[test]
fn what_is_wrong_with_a_sink_that_sends_is_said_with_its_place() {
    check(&[
        (
            "[[logs.sink]]\ntype = 'loki'\nurl = 'ftp://loki'",
            "logs.sink.url: `ftp://loki` is not a URL",
            "3:7",
            "write a URL like `http://collector:4318`",
        ),
        (
            "[[logs.sink]]\ntype = 'otlp'\nurl = 'http://a'\nheader = {}",
            "unknown key `header` of a sink of type `otlp`",
            "4:1",
            "the nearest known key is `headers`",
        ),
        (
            "[[logs.sink]]\ntype = 'http'\nurl = 'http://a'\n[logs.sink.headers]\nA = '${NONE}'",
            "logs.sink.headers: the environment has no `NONE`",
            "5:5",
            "set it where plimsoll is started",
        ),
        (
            "[[logs.sink]]\ntype = 'http'\nurl = 'http://a'\nheaders = { 'a:' = 'x' }",
            "logs.sink.headers: `a:` is no header",
            "4:20",
            "letters, digits and `-`; no line breaks",
        ),
        (
            "[[logs.sink]]\ntype = 'syslog'\naddress = 'localhost'",
            "logs.sink.address: `localhost` is no address of syslog",
            "3:11",
            "write an address like `unix:///dev/log`, `udp://host:514`, `tcp://host:601` or `tls://host:6514`",
        ),
    ]);
}

#[test]
fn headers_take_secrets_from_the_environment_and_show_none() {
    let text = "
        [[logs.sink]]
        type = 'otlp'
        url = 'http://collector:4318'
        [logs.sink.headers]
        Authorization = 'Bearer ${TOKEN}'
        X-Key = 'abc'
        [logs.sink.labels]
        'deployment.environment' = 'test'
    ";
    let effective = load_file(text, variables(&[("TOKEN", "s3cret")])).unwrap();
    let SinkTarget::Http(http) = &effective.config.logs.sinks[0].target else { panic!() };
    let values: Vec<_> = http.target.headers.iter().map(|header| header.value.as_str()).collect();
    assert_eq!(values, ["Bearer s3cret", "abc"]);
    assert_eq!(http.target.url.to_string(), "http://collector:4318/v1/logs");
    let shown = render_effective(&effective, Format::Toml) + &render_effective(&effective, Format::Json);
    assert!(!shown.contains("s3cret") && !shown.contains("abc"), "{shown}");
    assert!(
        shown.contains(r#"headers = { "Authorization" = "Bearer ${TOKEN}", "X-Key" = "***" }"#),
        "{shown}"
    );
    assert!(!format!("{:?}", effective.config).contains("s3cret"));
}

#[test]
fn a_variable_that_will_be_set_elsewhere_is_no_problem_and_is_told() {
    let text = "
        [[logs.sink]]
        type = 'http'
        url = 'http://collector'
        [logs.sink.headers]
        A = '${TOKEN} ${TOKEN}'
        B = '${KNOWN}'
    ";
    let these = |names: &[&str]| Unseen::These(names.iter().map(|&name| name.to_owned()).collect());
    for (unseen, told) in [
        (Unseen::Any, Some(vec!["TOKEN".to_owned()])),
        (these(&["OTHER", "TOKEN"]), Some(vec!["TOKEN".to_owned()])),
        (these(&["OTHER"]), None),
        (Unseen::default(), None),
    ] {
        let sources = Sources { unseen: unseen.clone(), ..variables(&[("KNOWN", "x")]) };
        let loaded = load_file(text, sources);
        assert_eq!(loaded.as_ref().ok().map(|effective| effective.unseen.clone()), told, "{unseen:?}");
        if let Err(problems) = loaded {
            assert!(problems.contains("the environment has no `TOKEN`"), "{problems}");
        }
    }
}
