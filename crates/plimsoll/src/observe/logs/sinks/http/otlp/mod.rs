//! OpenTelemetry's logs, in protobuf over HTTP.
//!
//! Of a JSON line the message is the body and the other fields are attributes, as a collector that parses it would
//! have them; any other line is the body as it is. What the line says of its level, time, request and trace is in the
//! fields that the protocol has for it.

pub(super) mod message;

use std::sync::Arc;

use prost::Message as _;
use serde_json::Value as Json;

use self::message::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, LogRecord, Request, Resource,
    ResourceLogs, Response, ScopeLogs, Value,
};
use super::Encoding;
use crate::concerns::logs::record::{Level, Record, Shape};
use crate::concerns::logs::time;
use crate::observe::logs::sinks::Identity;

/// What the protocol has fields of its own for, and the names of the message.
const TAKEN: [&str; 7] = ["level", "severity", "time", "timestamp", "ts", "trace_id", "traceId"];
const MESSAGES: [&str; 3] = ["msg", "message", "body"];
const TIMES: [&str; 3] = ["time", "timestamp", "ts"];

pub(super) struct Otlp {
    resource: Resource,
}

impl Otlp {
    pub(super) fn new(labels: &[(String, String)], identity: &Identity) -> Self {
        let mut attributes: Vec<KeyValue> =
            labels.iter().map(|(name, value)| text(name.as_str(), value.as_str())).collect();
        for (name, value) in [("service.name", &identity.service), ("host.name", &identity.host)] {
            if !labels.iter().any(|(given, _)| given == name) {
                attributes.push(text(name, value.as_str()));
            }
        }
        Self { resource: Resource { attributes } }
    }
}

impl Encoding for Otlp {
    fn content_type(&self) -> &'static str {
        "application/x-protobuf"
    }

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8> {
        let scope = InstrumentationScope {
            name: "plimsoll".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let log_records = batch.iter().map(|record| convert(record)).collect();
        let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records }];
        let resource = Some(self.resource.clone());
        Request { resource_logs: vec![ResourceLogs { resource, scope_logs }] }.encode_to_vec()
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let partial = Response::decode(answer).ok()?.partial_success?;
        let lines = u64::try_from(partial.rejected_log_records).ok().filter(|lines| *lines > 0)?;
        Some((lines, format!("{lines} of a batch were rejected: {}", partial.error_message)))
    }
}

fn convert(record: &Record) -> LogRecord {
    let (body, mut attributes, said_at) = read(record);
    attributes.push(text("log.iostream", record.stream.word()));
    attributes.push(number("process.pid", u64::from(record.pid)));
    if let Some(worker) = record.worker {
        attributes.push(number("plimsoll.worker", u64::from(worker.index)));
    }
    if let Some(request) = record.request() {
        attributes.push(text("request.id", String::from_utf8_lossy(request)));
    }
    if record.weight > 1 {
        attributes.push(number("plimsoll.weight", u64::from(record.weight)));
    }
    LogRecord {
        time_unix_nano: said_at.unwrap_or(record.at),
        observed_time_unix_nano: record.at,
        severity_number: severity(record.level),
        severity_text: record.level.word().to_ascii_uppercase(),
        body: Some(body),
        attributes,
        trace_id: record.trace.map(|trace| trace.to_vec()).unwrap_or_default(),
    }
}

/// The body and the fields of a line, and the time that it says.
fn read(record: &Record) -> (AnyValue, Vec<KeyValue>, Option<u64>) {
    let parsed = (record.shape == Shape::Json).then(|| serde_json::from_slice(&record.line).ok()).flatten();
    let Some(Json::Object(mut fields)) = parsed else {
        return (any(Value::String(String::from_utf8_lossy(&record.line).into_owned())), Vec::new(), None);
    };
    let said_at = TIMES.iter().find_map(|name| match fields.get(*name)? {
        Json::Number(number) => time::of_number(number.as_f64()?),
        Json::String(text) => time::of_text(text),
        _ => None,
    });
    let message = MESSAGES.iter().find_map(|name| fields.remove(*name)).unwrap_or_default();
    fields.retain(|name, _| !TAKEN.contains(&name.as_str()));
    let attributes = fields.into_iter().map(|(key, value)| KeyValue { key, value: Some(of_json(value)) });
    (of_json(message), attributes.collect(), said_at)
}

/// How deep it goes is bounded by the parser.
fn of_json(value: Json) -> AnyValue {
    match value {
        Json::Null => AnyValue { value: None },
        Json::Bool(is) => any(Value::Bool(is)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => any(Value::Int(whole)),
            None => any(Value::Double(number.as_f64().unwrap_or_default())),
        },
        Json::String(text) => any(Value::String(text)),
        Json::Array(values) => {
            any(Value::Array(ArrayValue { values: values.into_iter().map(of_json).collect() }))
        }
        Json::Object(fields) => {
            let values = fields.into_iter().map(|(key, value)| KeyValue { key, value: Some(of_json(value)) });
            any(Value::List(KeyValueList { values: values.collect() }))
        }
    }
}

fn severity(level: Level) -> i32 {
    match level {
        Level::Trace => 1,
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error => 17,
        Level::Fatal => 21,
    }
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(Value::String(value.into()))) }
}

fn number(key: &str, value: u64) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(Value::Int(i64::try_from(value).unwrap_or(i64::MAX)))) }
}
