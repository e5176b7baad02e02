//! What a line says of itself: its level, its message, its request and its trace.
//!
//! Lines are scanned once over their bytes; nothing is copied, allocated or validated beyond what is looked for,
//! because this is done for every line of every worker. What looks like JSON and is not whole is a plain line with
//! whatever was found in it.

mod fingerprint;
mod json;
mod level;
mod logfmt;
mod plain;

use std::ops::Range;

pub(super) use self::fingerprint::{fingerprint, hash};
use super::record::{Level, Shape, Stream};
use crate::concerns::context::parent::{Parent, TraceId};

/// What was found in a line. Ranges are places in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    pub shape: Shape,
    pub level: Level,
    pub message: Range<usize>,
    pub request: Option<Range<usize>>,
    pub trace: Option<[u8; 16]>,
    /// Its trace is recorded: somebody will look for these lines.
    pub is_traced: bool,
}

/// What the scanners fill in.
#[derive(Debug, Default)]
struct Found {
    level: Option<Level>,
    message: Option<Range<usize>>,
    request: Option<Range<usize>>,
    trace: Option<[u8; 16]>,
    is_traced: bool,
}

/// Reads a line. Any bytes will do.
#[must_use]
pub fn understand(line: &[u8], stream: Stream) -> Understood {
    let (shape, found) = match line.first() {
        Some(b'{') => json::scan(line),
        _ => logfmt::scan(line)
            .map_or_else(|| (Shape::Plain, Found::default()), |found| (Shape::Logfmt, found)),
    };
    let level = found.level.or_else(|| if shape == Shape::Plain { plain::level(line) } else { None });
    Understood {
        shape,
        level: level.unwrap_or_else(|| usual(shape, stream)),
        message: found.message.unwrap_or(0..line.len()),
        request: found.request.filter(|range| !range.is_empty()),
        trace: found.trace,
        is_traced: found.is_traced,
    }
}

/// The level of a line that does not say. What goes to stderr as plain text is an error (`console.error`); JSON may
/// go there by the logger's choice of stream.
fn usual(shape: Shape, stream: Stream) -> Level {
    match (shape, stream) {
        (Shape::Plain, Stream::Stderr) => Level::Error,
        _ => Level::Info,
    }
}

impl Found {
    /// Notes a field, whatever the form of the line. `nested` is what JSON alone can say.
    fn note(&mut self, key: &[u8], value: &[u8], place: Range<usize>) {
        match key {
            b"level" | b"lvl" | b"severity" | b"severityText" | b"severity_text" | b"SeverityText"
            | b"log.level" | b"loglevel" => {
                self.level = level::of(value).or(self.level);
            }
            b"severityNumber" | b"severity_number" | b"SeverityNumber" => {
                self.level = self.level.or_else(|| level::of_otel_number(value));
            }
            b"msg" | b"message" | b"body" | b"Body" => self.message = Some(place),
            b"reqId" | b"req_id" | b"reqid" | b"requestId" | b"request_id" | b"requestID" | b"RequestId"
            | b"x-request-id" | b"http.request.id" => {
                self.request = Some(place);
            }
            b"correlationId" | b"correlation_id" if self.request.is_none() => self.request = Some(place),
            b"trace_id" | b"traceId" | b"traceID" | b"TraceId" | b"trace.id" => {
                self.trace = TraceId::read(value).map(|id| id.0).or(self.trace);
            }
            b"traceparent" => {
                if let Some(parent) = Parent::read(value) {
                    self.trace = Some(parent.trace.0);
                    self.is_traced |= parent.is_sampled();
                }
            }
            b"trace_flags" | b"traceFlags" | b"TraceFlags" => self.is_traced |= is_sampled(value),
            _ => {}
        }
    }
}

/// The flags of a trace, alone: `01` or `1`.
fn is_sampled(flags: &[u8]) -> bool {
    let last = flags.last().and_then(|digit| char::from(*digit).to_digit(16));
    last.is_some_and(|digit| digit & 1 == 1)
}

#[cfg(test)]
mod tests;
