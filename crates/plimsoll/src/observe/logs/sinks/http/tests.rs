//! What is sent, and what becomes of each answer.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::concerns::logs::record::{Level, Shape};
use crate::config::{Compress, HttpTarget};
use crate::observe::logs::sinks::tests::record;
use crate::observe::ship::until::{Ending, Then, Until};
use crate::observe::ship::{Outlet, Trouble};

fn identity() -> Identity {
    Identity { service: "shop".to_owned(), host: "pod-1".to_owned() }
}

fn json(level: Level, line: &str) -> Arc<Record> {
    let trace = Some([0xab; 16]);
    Arc::new(Record { shape: Shape::Json, trace, ..Record::clone(&record(level, line.to_owned())) })
}

/// Gives each of `answers` to a request, on as many connections as are made; tells the bodies.
fn collector(answers: &[&'static str]) -> (u16, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, bodies) = mpsc::channel();
    let mut answers = Vec::from(answers).into_iter();
    drop(thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream);
            while let Some(body) = read_request(&mut reader) {
                let Some(answer) = answers.next() else { return };
                told.send(body).unwrap();
                if answer == "reset" {
                    break;
                }
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    }));
    (port, bodies)
}

fn read_request(reader: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 0 && line != "\r\n" {
        let header = line.to_ascii_lowercase();
        length = header.strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
        line.clear();
    }
    let mut body = vec![0; length];
    (length > 0).then_some(())?;
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn sink(port: u16, compress: Compress) -> ToHttp<Record> {
    sink_of(SinkProtocol::Ndjson, port, compress)
}

fn sink_of(protocol: SinkProtocol, port: u16, compress: Compress) -> ToHttp<Record> {
    let settings = HttpSink {
        protocol,
        labels: Vec::new(),
        target: HttpTarget {
            url: crate::config::Url {
                is_secure: false,
                host: "127.0.0.1".to_owned(),
                port,
                path: "/in".to_owned(),
            },
            ca: None,
            headers: Vec::new(),
            compress,
            batch_bytes: 1000,
            batch_wait: Duration::ZERO,
            timeout: Duration::from_secs(30),
        },
    };
    start(&settings, &identity()).unwrap()
}

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn each_answer_has_its_consequence() {
    const TABLE: [(&str, &str); 6] = [
        (OK, ""),
        ("HTTP/1.1 400 Bad\r\ncontent-length: 7\r\n\r\nno\nmore", "never:answered 400: no"),
        ("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", "later:answered 401"),
        ("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", "later 7:answered 429"),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "later:answered 500"),
        ("reset", "later:does not answer"),
    ];
    for (answer, expected) in TABLE {
        // A reset connection is tried once more, with a new one.
        let (port, bodies) = collector(&[answer, answer]);
        let outcome = sink(port, Compress::Off).deliver(&[record(Level::Info, "one")], &Until::never());
        let (kind, text) = expected.split_once(':').unwrap_or(("", ""));
        let (is, why) = match outcome {
            Ok(()) => (String::new(), String::new()),
            Err(Trouble::Later { why, after, .. }) => {
                (after.map_or("later".to_owned(), |after| format!("later {}", after.as_secs())), why)
            }
            Err(Trouble::Never { why }) => ("never".to_owned(), why),
            Err(other) => panic!("{other:?}"),
        };
        assert!(is == kind && why.contains(text), "{answer}: {is} {why}");
        let body: serde_json::Value = serde_json::from_slice(&bodies.recv().unwrap()).unwrap();
        assert_eq!((&body["line"], &body["level"]), (&"one".into(), &"info".into()));
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    const LARGE: &str = "HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n";
    let (port, bodies) = collector(&[LARGE, OK, LARGE, OK, OK]);
    let batch: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|line| record(Level::Info, line)).collect();
    assert_eq!(sink(port, Compress::Off).deliver(&batch, &Until::never()), Ok(()));
    let lines: Vec<usize> =
        bodies.try_iter().map(|body| body.split(|byte| *byte == b'\n').count() - 1).collect();
    assert_eq!(lines, [4, 2, 2, 1, 1]);
}

#[test]
fn a_half_that_is_refused_or_must_wait_does_not_take_the_other_with_it() {
    const LARGE: &str = "HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n";
    const BAD: &str = "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let batch: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|line| record(Level::Info, line)).collect();
    let texts = |bodies: &mpsc::Receiver<Vec<u8>>| -> Vec<String> {
        let line = |text: &[u8]| {
            let line: serde_json::Value = serde_json::from_slice(text).unwrap();
            line["line"].as_str().unwrap().to_owned()
        };
        let text = |body: Vec<u8>| body.trim_ascii().split(|byte| *byte == b'\n').map(line).collect();
        bodies.try_iter().map(text).collect()
    };
    let (port, bodies) = collector(&[LARGE, BAD, OK]);
    let outcome = sink(port, Compress::Off).deliver(&batch, &Until::never());
    assert!(matches!(outcome, Err(Trouble::Partly { items: 2, .. })), "{outcome:?}");
    assert_eq!(texts(&bodies), ["abcd", "ab", "cd"]);

    let (port, bodies) = collector(&[LARGE, BAD, BAD]);
    let outcome = sink(port, Compress::Off).deliver(&batch, &Until::never());
    assert!(matches!(outcome, Err(Trouble::Never { .. })), "{outcome:?}");
    assert_eq!(texts(&bodies), ["abcd", "ab", "cd"]);

    let (port, bodies) = collector(&[LARGE, OK, BUSY, BAD, OK]);
    let mut sink = sink(port, Compress::Off);
    let outcome = sink.deliver(&batch, &Until::never());
    assert!(matches!(outcome, Err(Trouble::Later { .. })), "{outcome:?}");
    let outcome = sink.deliver(&batch, &Until::never());
    assert!(matches!(outcome, Err(Trouble::Partly { items: 2, .. })), "{outcome:?}");
    assert_eq!(sink.deliver(&batch[..1], &Until::never()), Ok(()));
    assert_eq!(texts(&bodies), ["abcd", "ab", "cd", "cd", "a"], "what was taken is not sent again");
}

#[test]
fn no_more_is_counted_as_rejected_than_was_sent() {
    // A collector that rejects 9 of what it was sent, in protobuf.
    let (port, _bodies) = collector(&["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\x0a\x02\x08\x09"]);
    let outcome = sink_of(SinkProtocol::Otlp, port, Compress::Off)
        .deliver(&[record(Level::Info, "one")], &Until::never());
    assert!(matches!(outcome, Err(Trouble::Partly { items: 1, .. })), "{outcome:?}");
}

#[test]
fn a_kept_connection_that_has_died_is_made_anew() {
    let (port, bodies) = collector(&[OK, "reset", OK]);
    let mut sink = sink(port, Compress::Gzip);
    assert_eq!(sink.deliver(&[record(Level::Info, "one")], &Until::never()), Ok(()));
    assert_eq!(sink.deliver(&[record(Level::Info, "two")], &Until::never()), Ok(()));
    let last = bodies.try_iter().last().unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&last[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("\"line\":\"two\""), "{text}");
}

#[test]
fn a_collector_that_never_answers_is_waited_for_until_the_end_also_if_that_comes_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = sink(listener.local_addr().unwrap().port(), Compress::Off);
    let ending = Ending::new();
    let until = ending.until(Then::Nothing);
    let outcome = thread::scope(|scope| {
        let other_side = scope.spawn(|| {
            let stream = listener.accept().unwrap();
            ending.tell(Instant::now() + Duration::from_millis(50));
            stream
        });
        let outcome = sink.deliver(&[record(Level::Info, "one")], &until);
        drop(other_side.join());
        outcome
    });
    assert!(
        matches!(&outcome, Err(Trouble::Later { why, .. }) if why.contains("no answer within 0.")),
        "{outcome:?}"
    );
}

#[test]
fn loki_gets_a_stream_for_each_worker_stream_and_level() {
    let loki = loki::Loki::new(&[("env".to_owned(), "test".to_owned())], &identity());
    let batch =
        [record(Level::Info, "a"), record(Level::Error, &b"\xff"[..]), record(Level::Info, "{\"b\":1}")];
    let pushed: serde_json::Value = serde_json::from_slice(&loki.encode(&batch)).unwrap();
    let labels = |level: &str| serde_json::json!({ "env": "test", "level": level, "service_name": "shop", "stream": "stdout", "worker": "3" });
    let at = "1795803753123000000";
    assert_eq!(
        pushed,
        serde_json::json!({ "streams": [
            { "stream": labels("info"), "values": [[at, "a"], [at, "{\"b\":1}"]] },
            { "stream": labels("error"), "values": [[at, "\u{fffd}"]] },
        ] })
    );
}

#[test]
fn otlp_has_the_message_as_body_and_the_fields_as_attributes() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Request;
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use prost::Message as _;

    let labels = [("service.name".to_owned(), "other".to_owned())];
    let otlp = otlp::Otlp::new(&labels, &identity());
    let line =
        r#"{"level":50,"time":1795803753000,"msg":"lost","err":{"code":"E"},"ms":1.5,"list":[true,null]}"#;
    let bytes = otlp.encode(&[json(Level::Error, line), record(Level::Info, "plain")]);
    let request = Request::decode(&bytes[..]).unwrap();
    let [of_resource] = &request.resource_logs[..] else { panic!() };
    let names: Vec<_> = of_resource.resource.as_ref().unwrap().attributes.iter().map(|it| &it.key).collect();
    assert_eq!(names, ["service.name", "host.name"]);
    let [error, plain] = &of_resource.scope_logs[0].log_records[..] else { panic!() };
    let string = |value: &Option<AnyValue>| match &value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((string(&error.body), string(&plain.body)), ("lost".to_owned(), "plain".to_owned()));
    assert_eq!((error.severity_number, error.severity_text.as_str()), (17, "ERROR"));
    assert_eq!((error.trace_id.len(), plain.trace_id.len()), (16, 0));
    assert_eq!(error.time_unix_nano, 1_795_803_753_000_000_000, "as the line says");
    assert_eq!(plain.time_unix_nano, 1_795_803_753_123_000_000, "as it was read");
    let mut names: Vec<_> = error.attributes.iter().map(|it| it.key.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["err", "list", "log.iostream", "ms", "plimsoll.worker", "process.pid"]);
}

#[test]
fn lines_that_a_collector_rejects_are_counted() {
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess as PartialSuccess, ExportLogsServiceResponse as Response,
    };
    use prost::Message as _;

    let otlp = otlp::Otlp::new(&[], &identity());
    let answer = |rejected| {
        let partial = PartialSuccess { rejected_log_records: rejected, error_message: "too old".to_owned() };
        Response { partial_success: Some(partial) }.encode_to_vec()
    };
    assert_eq!(otlp.rejected(&answer(2)), Some((2, "2 of a batch were rejected: too old".to_owned())));
    for nothing in [answer(0), answer(-1), b"{}".to_vec(), Vec::new()] {
        assert_eq!(otlp.rejected(&nothing), None);
    }
}
