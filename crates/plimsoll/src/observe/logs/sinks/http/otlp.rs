//! OpenTelemetry's logs, in protobuf over HTTP.
//!
//! Of a JSON line the message is the body and the other fields are attributes, as a collector that parses it would
//! have them; any other line is the body as it is. What the line says of its level, time, request and trace is in the
//! fields that the protocol has for it.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use serde_json::Value as Json;

use crate::concerns::logs::record::{Level, Record, Shape};
use crate::concerns::logs::time;
use crate::observe::logs::sinks::Identity;
use crate::observe::otlp::{CONTENT_TYPE, any, number, rejected, resource, scope, text};
use crate::observe::ship::http::Encoding;

/// What the protocol has fields of its own for, and the names of the message.
const TAKEN: [&str; 7] = ["level", "severity", "time", "timestamp", "ts", "trace_id", "traceId"];
const MESSAGES: [&str; 3] = ["msg", "message", "body"];
const TIMES: [&str; 3] = ["time", "timestamp", "ts"];

pub(super) struct Otlp {
    resource: Resource,
}

impl Otlp {
    pub(super) fn new(labels: &[(String, String)], identity: &Identity) -> Self {
        let usual = [("service.name", identity.service.as_str()), ("host.name", identity.host.as_str())];
        Self { resource: resource(labels, &usual) }
    }
}

impl Encoding<Record> for Otlp {
    fn content_type(&self) -> &'static str {
        CONTENT_TYPE
    }

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8> {
        let log_records = batch.iter().map(|record| convert(record)).collect();
        let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() }];
        let resource = Some(self.resource.clone());
        let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
        ExportLogsServiceRequest { resource_logs }.encode_to_vec()
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let partial = ExportLogsServiceResponse::decode(answer).ok()?.partial_success?;
        rejected(partial.rejected_log_records, &partial.error_message)
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
        ..LogRecord::default()
    }
}

/// The body and the fields of a line, and the time that it says.
fn read(record: &Record) -> (AnyValue, Vec<KeyValue>, Option<u64>) {
    let parsed = (record.shape == Shape::Json).then(|| serde_json::from_slice(&record.line).ok()).flatten();
    let Some(Json::Object(mut fields)) = parsed else {
        return (
            any(Value::StringValue(String::from_utf8_lossy(&record.line).into_owned())),
            Vec::new(),
            None,
        );
    };
    let said_at = TIMES.iter().find_map(|name| match fields.get(*name)? {
        Json::Number(number) => time::of_number(number.as_f64()?),
        Json::String(text) => time::of_text(text),
        _ => None,
    });
    let message = MESSAGES.iter().find_map(|name| fields.remove(*name)).unwrap_or_default();
    fields.retain(|name, _| !TAKEN.contains(&name.as_str()));
    let attributes = fields.into_iter().map(|(key, value)| of_pair(key, value));
    (of_json(message), attributes.collect(), said_at)
}

fn of_pair(key: String, value: Json) -> KeyValue {
    KeyValue { key, value: Some(of_json(value)), ..KeyValue::default() }
}

/// How deep it goes is bounded by the parser.
fn of_json(value: Json) -> AnyValue {
    match value {
        Json::Null => AnyValue { value: None },
        Json::Bool(is) => any(Value::BoolValue(is)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => any(Value::IntValue(whole)),
            None => any(Value::DoubleValue(number.as_f64().unwrap_or_default())),
        },
        Json::String(text) => any(Value::StringValue(text)),
        Json::Array(values) => {
            any(Value::ArrayValue(ArrayValue { values: values.into_iter().map(of_json).collect() }))
        }
        Json::Object(fields) => {
            let values = fields.into_iter().map(|(key, value)| of_pair(key, value));
            any(Value::KvlistValue(KeyValueList { values: values.collect() }))
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
