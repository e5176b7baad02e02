//! The messages of `opentelemetry/proto/collector/logs/v1` that are needed, by their numbers there.
//!
//! Of our own: the crate that has them all brings a dozen others.

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::observe::logs::sinks::http) resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    pub(in crate::observe::logs::sinks::http) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::observe::logs::sinks::http) scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::observe::logs::sinks::http) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    pub(in crate::observe::logs::sinks::http) scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    pub(in crate::observe::logs::sinks::http) log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct InstrumentationScope {
    #[prost(string, tag = "1")]
    pub(in crate::observe::logs::sinks::http) name: String,
    #[prost(string, tag = "2")]
    pub(in crate::observe::logs::sinks::http) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct LogRecord {
    #[prost(fixed64, tag = "1")]
    pub(in crate::observe::logs::sinks::http) time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    pub(in crate::observe::logs::sinks::http) severity_number: i32,
    #[prost(string, tag = "3")]
    pub(in crate::observe::logs::sinks::http) severity_text: String,
    #[prost(message, optional, tag = "5")]
    pub(in crate::observe::logs::sinks::http) body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    pub(in crate::observe::logs::sinks::http) attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    pub(in crate::observe::logs::sinks::http) trace_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    pub(in crate::observe::logs::sinks::http) observed_time_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(in crate::observe::logs::sinks::http) key: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::observe::logs::sinks::http) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5, 6")]
    pub(in crate::observe::logs::sinks::http) value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(in crate::observe::logs::sinks::http) enum Value {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    List(KeyValueList),
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::observe::logs::sinks::http) values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::observe::logs::sinks::http) values: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(in crate::observe::logs::sinks::http) partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::observe::logs::sinks::http) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(in crate::observe::logs::sinks::http) rejected_log_records: i64,
    #[prost(string, tag = "2")]
    pub(in crate::observe::logs::sinks::http) error_message: String,
}
