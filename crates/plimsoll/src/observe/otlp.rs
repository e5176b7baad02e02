//! What all signals of OpenTelemetry have in common where they are written as OTLP: who speaks, and values.
//!
//! The messages are those of `opentelemetry-proto`; they are sent by [`ship::http`](super::ship::http). Each signal has
//! an `Encoding` beside its data: logs in `logs::sinks::http::otlp`, traces in `traces::otlp`.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Of all our requests.
pub(super) const CONTENT_TYPE: &str = "application/x-protobuf";

/// The thing that is observed: what was given, and `usual` where that says nothing.
pub(super) fn resource(given: &[(String, String)], usual: &[(&str, &str)]) -> Resource {
    let mut attributes: Vec<KeyValue> =
        given.iter().map(|(name, value)| text(name, value.as_str())).collect();
    for (name, value) in usual {
        if !given.iter().any(|(given, _)| given == name) {
            attributes.push(text(name, *value));
        }
    }
    Resource { attributes, ..Resource::default() }
}

/// Who observes it.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "plimsoll".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(super) fn pair(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(any(value)), ..KeyValue::default() }
}

pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

pub(super) fn number(key: &str, value: u64) -> KeyValue {
    pair(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

pub(super) fn real(key: &str, value: f64) -> KeyValue {
    pair(key, Value::DoubleValue(value))
}

/// What a collector says of what it took in part: how many it did not, and why.
pub(super) fn rejected(count: i64, message: &str) -> Option<(u64, String)> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    Some((count, format!("{count} of a batch were rejected: {message}")))
}
