//! Spans, as OpenTelemetry names things: the conventions for HTTP servers and clients (1.23 and later).

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use plimsoll_wire::spans;
use prost::Message as _;

use super::hold::{Call, Finished, Moment, Pause, Stall};
use super::{Alone, Recorded, Settings, Trace};
use crate::concerns::context::parent::{Parent, SpanId, TraceId};
use crate::observe::origin::Origin;
use crate::observe::otlp::{CONTENT_TYPE, number, real, rejected, resource, scope, text};
use crate::observe::ship::http::Encoding;

pub(super) struct Otlp {
    resource: Resource,
}

impl Otlp {
    pub(super) fn new(settings: &Settings) -> Self {
        let usual = [
            ("service.name", settings.service.as_str()),
            ("host.name", settings.host.as_str()),
            ("telemetry.sdk.name", "plimsoll"),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ];
        Self { resource: resource(&settings.resource, &usual) }
    }
}

impl Encoding<Recorded> for Otlp {
    fn content_type(&self) -> &'static str {
        CONTENT_TYPE
    }

    fn encode(&self, batch: &[Arc<Recorded>]) -> Vec<u8> {
        let spans = batch.iter().flat_map(|one| spans_of(one)).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let partial = ExportTraceServiceResponse::decode(answer).ok()?.partial_success?;
        rejected(partial.rejected_spans, &partial.error_message)
    }
}

fn spans_of(recorded: &Recorded) -> Vec<Span> {
    match recorded {
        Recorded::Request(trace) => of_request(trace).collect(),
        Recorded::Alone(call) => vec![alone(call)],
    }
}

fn of_request(trace: &Trace) -> impl Iterator<Item = Span> {
    let parent = trace.finished.parent;
    let server = parent.map(|own| server(own, trace));
    let calls = trace.calls.iter().filter_map(move |Call { said, .. }| Some(client(parent?, said)));
    let of_trace = |span| Span { trace_state: trace.finished.state.clone(), ..span };
    server.into_iter().chain(calls).map(of_trace)
}

/// A trace of its own; what is known is the worker. Its id is random where the id of the span is.
fn alone(call: &Alone) -> Span {
    let Alone { worker, said } = call;
    let trace = u128::from(u64::from_be_bytes(said.id)) * ((1 << 64) + 1);
    let mut span = client(Parent::new(TraceId(trace.to_be_bytes()), SpanId(said.id), false), said);
    span.parent_span_id.clear();
    span.attributes.push(number("plimsoll.worker", u64::from(worker.index)));
    span.attributes.push(text("plimsoll.recorded", call.why().word()));
    span
}

fn server(own: Parent, trace: &Trace) -> Span {
    let finished = &*trace.finished;
    let Finished { method, route, .. } = finished;
    let name = route.as_ref().map_or_else(|| (*method).to_owned(), |route| format!("{method} {route}"));
    let is_failed = finished.status >= 500 || finished.error == Some("cut");
    Span {
        parent_span_id: finished.caller.map(|caller| caller.0.to_vec()).unwrap_or_default(),
        name,
        kind: SpanKind::Server as i32,
        start_time_unix_nano: finished.started,
        end_time_unix_nano: finished.started.saturating_add(nanoseconds(finished.times.total)),
        attributes: attributes(finished),
        events: events(trace),
        status: is_failed.then(|| Status { code: StatusCode::Error as i32, ..Status::default() }),
        ..begin(own, &own.span.0)
    }
}

fn begin(of: Parent, id: &[u8]) -> Span {
    Span {
        trace_id: of.trace.0.to_vec(),
        span_id: id.to_vec(),
        flags: u32::from(of.is_sampled()),
        ..Span::default()
    }
}

fn attributes(finished: &Finished) -> Vec<KeyValue> {
    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    let times = &finished.times;
    let mut all = vec![
        text("http.request.method", finished.method),
        text("url.scheme", "http"),
        text("client.address", finished.client.as_str()),
        number("http.response.status_code", u64::from(finished.status)),
        number("http.response.body.size", finished.bytes),
        text("plimsoll.recorded", finished.why.word()),
        real("plimsoll.queue_ms", milliseconds(times.queue)),
        real("plimsoll.claim_ms", milliseconds(times.claim)),
    ];
    let texts = [
        ("http.route", &finished.route),
        ("url.path", &finished.path),
        ("user_agent.original", &finished.user_agent),
        ("plimsoll.request_id", &finished.request_id),
    ];
    all.extend(texts.into_iter().filter_map(|(name, value)| Some(text(name, value.as_deref()?))));
    all.extend(finished.request_bytes.map(|bytes| number("http.request.body.size", bytes)));
    all.extend(finished.worker.map(|worker| number("plimsoll.worker", u64::from(worker.index))));
    if let Some(first_byte) = times.first_byte {
        all.push(real("plimsoll.first_byte_ms", milliseconds(first_byte)));
        all.push(real("plimsoll.body_ms", milliseconds(times.total.saturating_sub(first_byte))));
    }
    let by_status = || (finished.status >= 500).then(|| finished.status.to_string());
    all.extend(finished.error.map(str::to_owned).or_else(by_status).map(|error| text("error.type", error)));
    all
}

fn events(Trace { finished, stall, pauses, .. }: &Trace) -> Vec<Event> {
    let moments = finished.moments.iter().map(|(at, moment)| Event {
        time_unix_nano: *at,
        name: match moment {
            Moment::Rescued => "rescued",
            Moment::Retried => "retried",
            Moment::Shed => "shed",
        }
        .to_owned(),
        ..Event::default()
    });
    let stall = stall.as_ref().map(|stall| Event {
        time_unix_nano: stall.began,
        name: "stall".to_owned(),
        attributes: stalled(stall),
        ..Event::default()
    });
    moments.chain(stall).chain(pauses.iter().map(paused)).collect()
}

fn paused(pause: &Pause) -> Event {
    Event {
        time_unix_nano: pause.began,
        name: "gc_pause".to_owned(),
        attributes: vec![number("plimsoll.gc_ms", u64::from(pause.ms))],
        ..Event::default()
    }
}

fn stalled(stall: &Stall) -> Vec<KeyValue> {
    let mut all = vec![number("plimsoll.stall_ms", u64::from(stall.ms))];
    // V8 writes `    at formatRows (/app/report.js:88:9)`; what is Node's own is not who did it.
    let frames = stall.stack.lines().map(str::trim).filter_map(|line| line.strip_prefix("at "));
    let own = frames.clone().find(|frame| !frame.contains("node:")).or_else(|| frames.clone().next());
    all.extend(own.map(|frame| text("code.function.name", frame)));
    if !stall.stack.is_empty() {
        all.push(text("code.stacktrace", stall.stack.as_str()));
    }
    all
}

fn client(request: Parent, said: &spans::Span) -> Span {
    let (name, kind) = match said.kind {
        spans::Kind::Http => (said.method.clone(), SpanKind::Client),
        spans::Kind::Pool => (format!("wait for a connection of {}", said.to), SpanKind::Internal),
    };
    let is_failed = !said.error.is_empty() || said.status >= 400;
    let start = said.start_us.saturating_mul(1000);
    Span {
        parent_span_id: request.span.0.to_vec(),
        name,
        kind: kind as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(said.took_us.saturating_mul(1000)),
        attributes: match said.kind {
            spans::Kind::Http => called(said),
            spans::Kind::Pool => vec![text("db.client.connection.pool.name", said.to.as_str())],
        },
        status: is_failed.then(|| Status { code: StatusCode::Error as i32, ..Status::default() }),
        ..begin(request, &said.id)
    }
}

fn called(said: &spans::Span) -> Vec<KeyValue> {
    let Origin { host, port, .. } = Origin::of(&said.to);
    let mut all = vec![
        text("http.request.method", said.method.as_str()),
        text("server.address", host),
        text("url.full", format!("{}{}", said.to, said.path)),
    ];
    all.extend(port.parse().ok().map(|port| number("server.port", port)));
    if said.status > 0 {
        all.push(number("http.response.status_code", u64::from(said.status)));
    }
    if !said.error.is_empty() {
        all.push(text("error.type", said.error.as_str()));
    } else if said.status >= 400 {
        all.push(text("error.type", said.status.to_string()));
    }
    if said.waited_us > 0 {
        all.push(number("plimsoll.waited_us", said.waited_us));
    }
    all
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
