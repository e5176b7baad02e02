//! What is told comes out as the spans of the protocol; read with the protocol's own types.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use plimsoll_wire::spans::{self, Kind};
use prost::Message as _;

use super::*;
use crate::concerns::context::parent::{Parent, SpanId, TraceId};
use crate::concerns::logs::access::Times;

const WORKER: WorkerId = WorkerId { index: 1, incarnation: 4 };
const STARTED: u64 = 1_795_803_753_000_000_000;

fn finished(span: u8, why: Why) -> Box<Finished> {
    let ms = Duration::from_millis;
    Box::new(Finished {
        why,
        parent: Some(Parent::new(TraceId([7; 16]), SpanId([span; 8]), false)),
        caller: Some(SpanId([9; 8])),
        state: "ot=th:fd7".to_owned(),
        started: STARTED,
        times: Times { queue: ms(2), claim: ms(3), first_byte: Some(ms(250)), total: ms(300) },
        method: "GET",
        route: Some("/users/:id".to_owned()),
        path: Some("/users/42".to_owned()),
        user_agent: None,
        request_id: Some("r-1".to_owned()),
        client: "10.0.0.7".to_owned(),
        status: 502,
        error: Some("worker_died"),
        request_bytes: Some(0),
        bytes: 17,
        worker: Some(WORKER),
        running: Some((5, 42 << 2)),
        moments: vec![(STARTED + 1, Moment::Rescued)],
    })
}

fn call(request: u8, id: u8) -> Event {
    Event::Call(Box::new(Call {
        request: SpanId([request; 8]),
        said: spans::Span {
            kind: Kind::Http,
            request: [request; 8],
            id: [id; 8],
            to: "http://stock:8080".to_owned(),
            method: "GET".to_owned(),
            path: "/items".to_owned(),
            start_us: 1_795_803_753_010_000,
            took_us: 200_000,
            waited_us: 5,
            status: 503,
            error: String::new(),
            untold: 0,
        },
    }))
}

fn settings() -> Settings {
    Settings {
        target: crate::config::target_usual(crate::config::Signal::Traces).unwrap(),
        resource: vec![("service.name".to_owned(), "shop".to_owned())],
        service: "dir".to_owned(),
        host: "pod-1".to_owned(),
        share: 0.01,
        buffer_bytes: 1 << 20,
    }
}

fn spans_of(traces: Vec<Trace>) -> Vec<Span> {
    otlp_of(traces.into_iter().map(Recorded::Request))
}

fn otlp_of(recorded: impl IntoIterator<Item = Recorded>) -> Vec<Span> {
    let batch: Vec<_> = recorded.into_iter().map(Arc::new).collect();
    let bytes = super::super::ship::http::Encoding::encode(&Otlp::new(&settings()), &batch);
    let request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
    let [of_resource] = &request.resource_spans[..] else { panic!() };
    let attributes = &of_resource.resource.as_ref().unwrap().attributes;
    assert_eq!(text(attributes, "service.name"), "shop");
    assert_eq!(text(attributes, "host.name"), "pod-1");
    of_resource.scope_spans[0].spans.clone()
}

fn text(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_request_its_calls_and_its_stall_are_one_trace() {
    let start = Instant::now();
    let mut hold = Hold::default();
    let process = (WORKER, 1);
    let stack = "    at pbkdf2Sync (node:crypto:1:2)\n    at formatRows (/app/report.js:88:9)".to_owned();
    hold.take(Event::Stalled { process, stall: 1, at_ms: 100, running: (5, 42 << 2 | 2), stack }, start);
    hold.take(call(1, 11), start);
    hold.take(call(2, 12), start);
    hold.take(Event::Finished(finished(1, Why::Failed)), start);
    hold.take(Event::Resumed { process, stall: 1, total_ms: 240 }, start);
    hold.take(call(1, 13), start);
    assert!(hold.release(start).is_empty(), "more may come");
    let spans = spans_of(hold.release(start + Duration::from_secs(1)));

    let [server, first, second] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((server.name.as_str(), server.kind), ("GET /users/:id", 2));
    assert_eq!((server.trace_id.as_slice(), server.span_id.as_slice()), (&[7; 16][..], &[1; 8][..]));
    assert_eq!(server.parent_span_id, [9; 8]);
    assert!(spans.iter().all(|span| span.trace_state == "ot=th:fd7"), "{spans:?}");
    assert_eq!(server.end_time_unix_nano - server.start_time_unix_nano, 300_000_000);
    assert_eq!(server.status.as_ref().unwrap().code, 2);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/users/:id"),
        ("url.path", "/users/42"),
        ("http.response.status_code", "502"),
        ("error.type", "worker_died"),
        ("http.response.body.size", "17"),
        ("plimsoll.worker", "1"),
        ("plimsoll.queue_ms", "2"),
        ("plimsoll.claim_ms", "3"),
        ("plimsoll.first_byte_ms", "250"),
        ("plimsoll.body_ms", "50"),
        ("plimsoll.recorded", "failed"),
        ("plimsoll.request_id", "r-1"),
    ] {
        assert_eq!(text(&server.attributes, name), value, "{name}");
    }
    let names: Vec<_> = server.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["rescued", "stall"]);
    let stall = &server.events[1].attributes;
    assert_eq!(text(stall, "code.function.name"), "formatRows (/app/report.js:88:9)");
    assert_eq!(text(stall, "plimsoll.stall_ms"), "240");

    for (call, id) in [(first, 11), (second, 13)] {
        assert_eq!((call.name.as_str(), call.kind), ("GET", 3));
        assert_eq!((call.trace_id.as_slice(), call.parent_span_id.as_slice()), (&[7; 16][..], &[1; 8][..]));
        assert_eq!(call.span_id, [id; 8]);
        assert_eq!(text(&call.attributes, "url.full"), "http://stock:8080/items");
        assert_eq!(text(&call.attributes, "server.port"), "8080");
        assert_eq!(
            (text(&call.attributes, "error.type"), call.status.as_ref().unwrap().code),
            ("503".to_owned(), 2)
        );
    }
}

#[test]
fn a_stall_of_another_request_of_the_same_slot_is_not_told() {
    let now = Instant::now();
    for (running, worker) in [
        ((5, 43 << 2), WORKER),
        ((6, 42 << 2), WORKER),
        ((5, 42 << 2), WorkerId { incarnation: 5, ..WORKER }),
    ] {
        let mut hold = Hold::default();
        let stack = String::new();
        hold.take(Event::Stalled { process: (worker, 1), stall: 1, at_ms: 100, running, stack }, now);
        hold.take(Event::Finished(finished(1, Why::Slow)), now);
        assert!(hold.release_all()[0].stall.is_none(), "{running:?} {worker:?}");
    }
}

#[test]
fn a_pause_of_the_collector_is_told_of_all_that_it_hit() {
    let now = Instant::now();
    let ms = |ms: u64| STARTED + ms * 1_000_000;
    let other = WorkerId { index: 0, ..WORKER };
    for (worker, began, has_hit) in [
        (WORKER, ms(100), true),
        (WORKER, STARTED - 60_000_000, true),
        (WORKER, ms(299), true),
        (WORKER, STARTED - 81_000_000, false),
        (WORKER, ms(301), false),
        (other, ms(100), false),
    ] {
        let mut hold = Hold::default();
        hold.take(Event::Finished(finished(1, Why::Slow)), now);
        hold.take(Event::Paused { worker, began, ms: 80 }, now);
        let spans = spans_of(hold.release_all());
        let told = spans[0].events.iter().find(|event| event.name == "gc_pause");
        assert_eq!(told.is_some(), has_hit, "{worker:?} {began}");
        if let Some(told) = told {
            assert_eq!(
                (told.time_unix_nano, text(&told.attributes, "plimsoll.gc_ms").as_str()),
                (began, "80")
            );
        }
    }
}

#[test]
fn a_call_of_nobody_is_told_of_its_worker() {
    let Event::Call(call) = call(0, 3) else { panic!() };
    let own = [3; 8];
    let span = otlp_of([Recorded::Alone(Alone { worker: WORKER, said: call.said })]).remove(0);
    assert_eq!((span.span_id.as_slice(), span.parent_span_id.as_slice()), (own.as_slice(), [].as_slice()));
    assert_eq!(span.trace_id, [own, own].concat());
    let told = ["plimsoll.worker", "plimsoll.recorded", "server.address", "http.response.status_code"];
    assert_eq!(told.map(|name| text(&span.attributes, name)), ["1", "failed", "stock", "503"]);
}

#[test]
fn an_address_without_a_port_is_whole() {
    let Event::Call(mut call) = call(1, 2) else { panic!() };
    call.said.to = "http://[::1]".to_owned();
    let span = otlp_of([Recorded::Alone(Alone { worker: WORKER, said: call.said })]).remove(0);
    let told = ["server.address", "server.port"];
    assert_eq!(told.map(|name| text(&span.attributes, name)), ["[::1]", "80"]);
}

#[test]
fn what_is_held_is_bounded() {
    let now = Instant::now();
    let mut hold = Hold::default();
    (0..100).for_each(|_| hold.take(call(1, 1), now));
    assert_eq!(hold.dropped(), 36, "64 of one request");
    // Those of requests that never end are forgotten, oldest first, and after a while.
    for request in 0..20_000_u64 {
        let Event::Call(mut call) = call(1, 1) else { panic!() };
        call.request = SpanId((request + (1 << 60)).to_be_bytes());
        hold.take(Event::Call(call), now);
    }
    hold.take(Event::Finished(finished(1, Why::Slow)), now);
    assert!(hold.release_all()[0].calls.is_empty());
    hold.take(call(2, 1), now);
    assert!(hold.release(now + Duration::from_secs(61)).is_empty());
    hold.take(Event::Finished(finished(2, Why::Slow)), now);
    assert!(hold.release_all()[0].calls.is_empty());
    // And nobody waits for long where very many are told at once.
    (0..3000).for_each(|_| hold.take(Event::Finished(finished(3, Why::Failed)), now));
    assert_eq!(hold.release(now).len(), 3000 - 2048);
    assert!(hold.patience(now).is_some());
}
