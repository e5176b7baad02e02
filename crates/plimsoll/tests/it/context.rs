//! Ids and traces: what the app and the client see of them, and what a collector gets, read with the types of OTLP.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::Signal;

use crate::harness::{App, Collector, Launch, Response, Server, node, signal, until};

/// Answers with the headers it saw. `/block` runs until its file is there; `/call?to=…` calls at once, `/later?to=…`
/// after an `await`, and both answer with the status of that.
const APP: &str = r"
const fs = require('node:fs');
const http = require('node:http');
const get = (url, options = {}) => new Promise((resolve, reject) => {
  http.get(url, options, (answer) => answer.resume().on('end', () => resolve(answer.statusCode))).on('error', reject);
});
const server = http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  const to = searchParams.get('to');
  if (pathname === '/fail') response.statusCode = 500;
  if (pathname === '/own') response.setHeader('X-Request-Id', 'mine');
  if (pathname === '/exit') process.exit(3);
  if (pathname === '/block') block();
  let called = 0;
  if (pathname === '/call') called = await get(to);
  if (pathname === '/set') called = await get(to, { headers: { Traceparent: 'own' } });
  if (pathname === '/fetch') called = (await fetch(to)).status;
  if (pathname === '/later') {
    await new Promise((resolve) => setImmediate(resolve));
    called = await get(to);
  }
  response.end(JSON.stringify({ raw: request.rawHeaders, headers: request.headers, called }));
}).listen(process.env.PORT);
function block () {
  fs.writeFileSync(process.env.GATE + '.blocked', '');
  while (!fs.existsSync(process.env.GATE));
}
";

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn ask(server: &Server, target: &str, headers: &str) -> Response {
    let mut client = server.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
    client.response("GET")
}

/// Names and values of the headers that the app saw.
fn raw(answer: &Response) -> Vec<String> {
    answer.json()["raw"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn header(answer: &Response, name: &str) -> String {
    answer.json()["headers"][name].as_str().unwrap_or_default().to_owned()
}

/// The app, traced to a collector.
struct Traced {
    server: Server,
    collector: Collector,
    folder: tempfile::TempDir,
}

impl Traced {
    fn start(launch: impl FnOnce(Launch) -> Launch) -> Self {
        let collector = Collector::start(200);
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let app = Launch::plimsoll(App::source(APP))
            .env("GATE", gate.as_os_str())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collector.port))
            .env("OTEL_SERVICE_NAME", "shop");
        let server = launch(app).start();
        Self { server, collector, folder }
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.collector.bodies_at("/v1/traces").into_iter().map(|body| {
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            for of_resource in &request.resource_spans {
                let resource = of_resource.resource.as_ref().unwrap();
                assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("shop"));
            }
            request
        });
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The span for which this holds, once it has come.
    fn span(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        until(what, || self.spans().into_iter().find(&is_it))
    }

    fn server_span(&self, path: &str) -> Span {
        self.span(path, |span| span.kind == 2 && text(&span.attributes, "url.path").as_deref() == Some(path))
    }

    fn blocks(&self) {
        let blocked = self.folder.path().join("gate.blocked");
        until("the loop is blocked", || blocked.exists().then_some(()));
    }

    fn unblock(&self) {
        std::fs::write(self.folder.path().join("gate"), "").unwrap();
    }
}

fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name}: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn without_being_asked_for_no_header_is_added() {
    let server = Launch::plimsoll(App::source(APP)).start();
    let headers = format!("traceparent: {PARENT}\r\nX-Request-ID: a b\r\n");
    let answer = ask(&server, "/", &headers);
    assert_eq!(raw(&answer), ["Host", "a", "traceparent", PARENT, "X-Request-ID", "a b"]);
    assert_eq!(answer.header("x-request-id"), None);
}

#[test]
fn each_request_has_an_id_which_the_app_and_the_client_are_told() {
    let server = Launch::plimsoll(App::source(APP)).env("PLIMSOLL_CONTEXT_REQUEST_ID", "on").start();
    let answer = ask(&server, "/", "X-Request-ID: mine-7\r\nB: c\r\n");
    assert_eq!(raw(&answer), ["Host", "a", "X-Request-ID", "mine-7", "B", "c"]);
    assert_eq!(answer.header("x-request-id"), Some("mine-7"));

    let mut ids = BTreeSet::new();
    for bad in ["", "x-request-id: a b\r\n", "x-request-id: a\r\nX-Request-Id: b\r\n"] {
        let answer = ask(&server, "/", &format!("{bad}B: c\r\n"));
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(raw(&answer), ["Host", "a", "B", "c", "x-request-id", &id]);
        assert_eq!((id.len(), &id[14..15]), (36, "7"), "{id}");
        assert!(ids.insert(id), "each its own");
    }
    // What the app says itself stays; what the gateway answers has the id as well.
    assert_eq!(ask(&server, "/own", "").header("x-request-id"), Some("mine"));
    let lost = ask(&server, "/exit", "x-request-id: last\r\n");
    assert_eq!((lost.status, lost.header("x-request-id")), (502, Some("last")));
    server.wait_for_stdout("\"request_id\":\"last\"");
}

#[test]
fn a_client_is_not_told_where_that_is_not_wanted() {
    let launch = Launch::plimsoll(App::source(APP)).env("PLIMSOLL_CONTEXT_REQUEST_ID", "on");
    let server = launch.env("PLIMSOLL_CONTEXT_ECHO", "off").start();
    let answer = ask(&server, "/", "");
    assert_eq!((answer.header("x-request-id"), header(&answer, "x-request-id").len()), (None, 36));
}

#[test]
fn a_trace_is_continued_through_the_gateway_and_the_app() {
    let traced = Traced::start(|launch| launch);
    let answer =
        ask(&traced.server, "/users/42?secret=1", &format!("traceparent: {PARENT}\r\ntracestate: a=b\r\n"));
    let span = traced.server_span("/users/42");
    assert_eq!((header(&answer, "tracestate").as_str(), span.trace_state.as_str()), ("a=b", "a=b"));
    let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&span.span_id));
    assert_eq!(header(&answer, "traceparent"), expected);
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(span.name, "GET /users/:id");
    assert_eq!(text(&span.attributes, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(text(&span.attributes, "plimsoll.worker").as_deref(), Some("0"));
    assert_eq!(text(&span.attributes, "plimsoll.request_id"), Some(header(&answer, "x-request-id")));
    assert!(!traced.collector.has("secret"), "a query may hold what is secret");
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
}

#[test]
fn a_trace_that_begins_here_says_how_likely_it_was_to_be_recorded() {
    let traced = Traced::start(|launch| launch.env("OTEL_TRACES_SAMPLER", "always_on"));
    traced.server.wait_for_stderr("requests are traced");
    let answer = ask(&traced.server, "/one", "tracestate: of=another\r\n");
    let span = traced.server_span("/one");
    assert_eq!((header(&answer, "tracestate"), span.trace_state.as_str()), ("ot=th:0".to_owned(), "ot=th:0"));
}

#[test]
fn of_what_is_not_sampled_that_is_recorded_which_failed_or_stalled() {
    let traced = Traced::start(|launch| launch.env("OTEL_TRACES_SAMPLER", "always_off"));
    traced.server.wait_for_stderr("requests are traced");
    let fine = ask(&traced.server, "/fine", "");
    assert!(header(&fine, "traceparent").ends_with("-02"), "not sampled: {fine:?}");
    assert_eq!(ask(&traced.server, "/fail", "").status, 500);
    let failed = traced.server_span("/fail");
    assert_eq!(failed.status.unwrap().code, 2);
    assert_eq!(text(&failed.attributes, "plimsoll.recorded").as_deref(), Some("failed"));

    let mut client = traced.server.connect();
    client.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    traced.blocks();
    until("the stall is told", || {
        let incidents = traced.server.plimsoll(&["incidents"]);
        String::from_utf8_lossy(&incidents.stdout).contains("block").then_some(())
    });
    traced.unblock();
    assert_eq!(client.response("GET").status, 200);
    let stalled = traced.server_span("/block");
    let [event] = &stalled.events[..] else { panic!("{stalled:?}") };
    let function = text(&event.attributes, "code.function.name").unwrap_or_default();
    assert!(event.name == "stall" && function.starts_with("block ("), "{event:?}");

    assert!(!traced.spans().iter().any(|span| span.name == "GET /fine"), "{:?}", traced.spans());
    let metrics = traced.server.admin("/metrics").text();
    for line in [
        "plimsoll_context_recorded_traces_total{reason=\"failed\"} 1",
        "plimsoll_context_recorded_traces_total{reason=\"stalled\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_request_that_goes_to_another_worker_keeps_its_ids() {
    let traced = Traced::start(|launch| launch.env("OTEL_TRACES_SAMPLER", "always_off"));
    let mut blocker = traced.server.connect();
    blocker.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    traced.blocks();
    let mut waiting = traced.server.connect();
    waiting.send(format!("GET /moved HTTP/1.1\r\nHost: a\r\ntraceparent: {PARENT}\r\nB: c\r\n\r\n"));
    until("it has been sent", || {
        let status = traced.server.status();
        (status["workers"][0]["in_flight"].as_u64()? == 2).then_some(())
    });
    signal(traced.server.workers(1)[0], Signal::KILL);
    assert_eq!(blocker.response("GET").status, 502);
    let answer = waiting.response("GET");
    let (id, parent) = (header(&answer, "x-request-id"), header(&answer, "traceparent"));
    assert_eq!(raw(&answer), ["Host", "a", "B", "c", "x-request-id", &id, "traceparent", &parent]);
    assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    let span = traced.server_span("/moved");
    assert_eq!(parent, format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&span.span_id)));
    let names: Vec<_> = span.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["retried"]);
    assert_eq!(text(&span.attributes, "plimsoll.recorded").as_deref(), Some("moved"));
}

#[test]
fn the_calls_of_a_request_are_its_children_where_that_is_certain() {
    let service = Launch::plain(App::source(APP)).start();
    let traced = Traced::start(|launch| launch.env("OTEL_TRACES_SAMPLER", "always_on"));
    let url = format!("http://127.0.0.1:{}/stock?token=1", service.port());
    let is_exact = follows();
    // The first call loads what watches them; from then on each is known.
    assert_eq!(ask(&traced.server, &format!("/call?to={url}"), "").json()["called"], 200);
    for (path, is_known) in [("/call", true), ("/fetch", is_exact), ("/later", is_exact)] {
        let answer =
            ask(&traced.server, &format!("{path}?to={url}"), &format!("x-request-id: {}\r\n", &path[1..]));
        let parent = header(&answer, "traceparent");
        let server = traced
            .span(path, |span| text(&span.attributes, "plimsoll.request_id").as_deref() == Some(&path[1..]));
        assert_eq!(parent, format!("00-{}-{}-03", hex(&server.trace_id), hex(&server.span_id)));
        if is_known {
            let call = traced.span("its call", |span| span.parent_span_id == server.span_id);
            assert_eq!((call.kind, &call.trace_id, call.name.as_str()), (3, &server.trace_id, "GET"));
            let full = format!("http://127.0.0.1:{}/stock", service.port());
            assert_eq!(text(&call.attributes, "url.full"), Some(full));
            assert_eq!(text(&call.attributes, "http.response.status_code").as_deref(), Some("200"));
        }
    }
}

#[test]
fn calls_tell_of_their_trace_unless_the_app_does_or_it_is_switched_off() {
    let echo = Launch::plain(App::source(ECHO)).start();
    let url = format!("http://127.0.0.1:{}/", echo.port());
    for (mode, is_told) in [("exact", true), ("off", false)] {
        let traced = Traced::start(|launch| {
            launch.env("OTEL_TRACES_SAMPLER", "always_on").env("PLIMSOLL_CONTEXT_PROPAGATE", mode)
        });
        for path in ["/call", "/fetch", "/set"] {
            let answer = ask(
                &traced.server,
                &format!("{path}?to={url}"),
                &format!("x-request-id: {}\r\n", &path[1..]),
            );
            let parent = header(&answer, "traceparent");
            let seen = echo.get_json("/last");
            let seen = seen["traceparent"].as_str().unwrap_or_default();
            match path {
                "/set" => assert_eq!(seen, "own"),
                // Whether it is made before or after an await is up to the version.
                "/fetch" if seen.is_empty() && !follows() => {}
                _ if is_told => {
                    assert_eq!(seen[..36], parent[..36], "the same trace: {seen}");
                    assert_ne!(seen[36..52], parent[36..52], "under a span of its own");
                    let call = traced.span("the call", |span| hex(&span.span_id) == seen[36..52]);
                    assert_eq!(hex(&call.parent_span_id), parent[36..52]);
                }
                _ => assert_eq!(seen, ""),
            }
        }
    }
}

const ECHO: &str = r"
let last = {};
require('node:http').createServer((request, response) => {
  if (request.url === '/last') return response.end(JSON.stringify(last));
  last = request.headers;
  response.end();
}).listen(process.env.PORT);
";

#[test]
fn a_collector_that_is_away_costs_nothing_but_counted_traces() {
    let traced = Traced::start(|launch| {
        launch.env("OTEL_TRACES_SAMPLER", "always_on").env("PLIMSOLL_CONTEXT_BUFFER", "64KB")
    });
    traced.collector.status.store(503, Ordering::SeqCst);
    let mut client = traced.server.connect();
    let dropped = until("what finds no room is counted", || {
        for _ in 0..50 {
            client.send("GET /fine HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.response("GET").status, 200);
        }
        let status = traced.server.status();
        let counts = status["traces"]["dropped"].as_array()?.clone();
        counts.into_iter().find(|count| count["reason"] == "queue_full")
    });
    assert!(dropped["traces"].as_u64().unwrap() > 0);
    assert!(traced.server.status()["traces"]["queue_bytes"].as_u64().unwrap() <= 64 * 1024);
    traced.server.wait_for_stderr("traces to http://127.0.0.1");
    let metrics = traced.server.admin("/metrics").text();
    assert!(metrics.contains("plimsoll_context_dropped_traces_total{reason=\"queue_full\"}"), "{metrics}");
    // And what failed is the last to go.
    assert_eq!(ask(&traced.server, "/fail", "").status, 500);
    traced.collector.status.store(200, Ordering::SeqCst);
    traced.server_span("/fail");
    traced.server.wait_for_stderr("are delivered again");
}

#[test]
fn what_waits_is_sent_before_the_end() {
    let mut traced = Traced::start(|launch| launch.env("OTEL_TRACES_SAMPLER", "always_on"));
    assert_eq!(ask(&traced.server, "/last", "").status, 200);
    traced.server.signal(Signal::TERM);
    assert_eq!(traced.server.exit_code(), 0);
    assert!(traced.spans().iter().any(|span| text(&span.attributes, "url.path").as_deref() == Some("/last")));
}

#[test]
fn variables_that_cannot_be_followed_are_told_and_the_app_runs() {
    let launch =
        Launch::plimsoll(App::source(APP)).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    let server = launch.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").start();
    let answer = ask(&server, "/", "");
    assert_eq!((answer.status, raw(&answer)), (200, vec!["Host".to_owned(), "a".to_owned()]));
    server.wait_for_stderr("`grpc` is not spoken");
    server.wait_for_stderr("requests are not traced");
    server.wait_for_stderr("metrics are not sent");
    assert_eq!(server.stderr().matches("is not spoken").count(), 1, "{}", server.stderr());
}

/// Node itself carries a request's context through `await`.
fn follows() -> bool {
    let version = std::process::Command::new(node()).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.unwrap() >= 24
}
