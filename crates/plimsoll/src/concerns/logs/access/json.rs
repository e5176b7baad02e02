//! As JSON: the names of the fields are those of the reference in `docs/concerns/logs.md`.

use std::time::Duration;

use super::head::Fields;
use super::{Entry, Places, push_number, push_thousandths};
use crate::concerns::context::parent::TraceId;
use crate::concerns::context::push_hex;

/// More of a target than this tells nobody anything.
const TARGET_BYTES_MAX: usize = 2048;
const FIELD_BYTES_MAX: usize = 512;

/// A field's name with all that stands around it, put down at once.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

pub(super) fn write(
    entry: &Entry<'_>,
    asked: &Fields<'_>,
    (request, trace): (Option<&[u8]>, Option<TraceId>),
    text: &mut Vec<u8>,
) -> Places {
    let (method, target) = asked.asked();
    let method = if method.is_empty() { entry.method.as_bytes() } else { method };
    text.extend_from_slice(b"{\"time\":\"");
    text.extend_from_slice(entry.second.as_bytes());
    text.push(b'.');
    push_thousandths(entry.milliseconds.into(), text);
    text.extend_from_slice(b"Z\",\"level\":\"");
    text.extend_from_slice(entry.level.word().as_bytes());
    text.extend_from_slice(b"\",\"msg\":\"");
    let start = text.len();
    push_escaped(method, FIELD_BYTES_MAX, text);
    text.push(b' ');
    push_escaped(place(entry, target), FIELD_BYTES_MAX, text);
    text.push(b' ');
    push_number(entry.status.into(), text);
    let message = start..text.len();
    text.push(b'"');

    push_string(key!("method"), method, FIELD_BYTES_MAX, text);
    if !target.is_empty() {
        push_string(key!("target"), target, TARGET_BYTES_MAX, text);
    }
    push_optional(key!("route"), entry.route.map(str::as_bytes), text);
    push_field(key!("status"), entry.status.into(), text);
    push_optional(key!("error"), entry.error.map(str::as_bytes), text);
    push_field(key!("bytes"), entry.bytes, text);
    push_time(key!("total_ms"), entry.times.total, text);
    push_time(key!("queue_ms"), entry.times.queue, text);
    push_time(key!("claim_ms"), entry.times.claim, text);
    if let Some(first_byte) = entry.times.first_byte {
        push_time(key!("first_byte_ms"), first_byte, text);
    }
    if let Some(worker) = entry.worker {
        push_field(key!("worker"), worker.into(), text);
    }
    push_field(key!("rescued"), entry.rescued.into(), text);
    push_field(key!("retried"), entry.retried.into(), text);
    push_string(key!("client"), entry.client.as_bytes(), FIELD_BYTES_MAX, text);
    let request = request.map(|id| {
        push_string(key!("request_id"), id, FIELD_BYTES_MAX, text);
        let length = escaped_length(id);
        text.len() - 1 - length..text.len() - 1
    });
    if let Some(trace) = trace {
        text.extend_from_slice(key!("trace_id"));
        text.push(b'"');
        push_hex(&trace.0, text);
        text.push(b'"');
    }
    push_optional(key!("forwarded_for"), asked.forwarded_for, text);
    push_optional(key!("referer"), asked.referer, text);
    push_optional(key!("user_agent"), asked.user_agent, text);
    text.push(b'}');
    Places { message, request }
}

/// The route, or where it has none the path.
fn place<'a>(entry: &Entry<'a>, target: &'a [u8]) -> &'a [u8] {
    match entry.route {
        Some(route) => route.as_bytes(),
        None if target.is_empty() => b"-",
        None => target.split(|byte| *byte == b'?').next().unwrap_or_default(),
    }
}

fn push_field(key: &[u8], number: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(key);
    push_number(number, text);
}

fn push_time(key: &[u8], time: Duration, text: &mut Vec<u8>) {
    text.extend_from_slice(key);
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    push_number(microseconds / 1000, text);
    text.push(b'.');
    push_thousandths(microseconds % 1000, text);
}

fn push_optional(key: &[u8], value: Option<&[u8]>, text: &mut Vec<u8>) {
    if let Some(value) = value {
        push_string(key, value, FIELD_BYTES_MAX, text);
    }
}

fn push_string(key: &[u8], value: &[u8], bytes_max: usize, text: &mut Vec<u8>) {
    text.extend_from_slice(key);
    text.push(b'"');
    push_escaped(value, bytes_max, text);
    text.push(b'"');
}

/// Any bytes, as the inside of a JSON string. What is no UTF-8 is read as Latin-1, as HTTP once had it.
fn push_escaped(value: &[u8], bytes_max: usize, text: &mut Vec<u8>) {
    let value = value.get(..bytes_max).unwrap_or(value);
    // Without a way out of the loop the compiler takes many bytes at a time.
    let is_plain = |plain, byte: &u8| plain & !needs_escape(*byte) & byte.is_ascii();
    if value.iter().fold(true, is_plain) {
        return text.extend_from_slice(value);
    }
    let is_text = std::str::from_utf8(value).is_ok();
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            byte if needs_escape(*byte) || (!byte.is_ascii() && !is_text) => {
                text.extend_from_slice(b"\\u00");
                push_hex(&[*byte], text);
            }
            byte => text.push(*byte),
        }
    }
}

/// How long an id is that [`push_escaped`] has written.
fn escaped_length(id: &[u8]) -> usize {
    let is_text = std::str::from_utf8(id).is_ok();
    let length = |byte: &u8| match byte {
        b'"' | b'\\' => 2,
        byte if needs_escape(*byte) || (!byte.is_ascii() && !is_text) => 6,
        _ => 1,
    };
    id.iter().map(length).sum()
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f)
}
