//! One line of the access log: what the gateway knows of a request that is over.
//!
//! A line is written straight to where it is gathered. Nothing is allocated for it or for one of its fields, because
//! with `--access-log all` this happens once per request on the gateway's thread. Whatever a client sent is escaped:
//! no header can make a second line, or a field.

mod combined;
mod head;
mod json;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

pub use self::head::Fields;
use super::record::{Level, Shape};
use crate::concerns::context::parent::Parent;

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    None,
    /// Those that failed.
    Errors,
    /// All, sampled as the lines of the app are.
    Sample,
    /// All, whatever their number.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    /// As Apache and nginx call it.
    Combined,
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The second in which it ended, as the format has it, and the rest in milliseconds.
    pub second: &'a str,
    pub milliseconds: u16,
    pub level: Level,
    /// The head of the request as it was sent; empty where it is no longer known.
    pub head: &'a [u8],
    /// The head of the app's answer, if there was one.
    pub answer: &'a [u8],
    pub client: &'a str,
    /// Where the head does not say.
    pub method: &'a str,
    pub route: Option<&'a str>,
    pub status: u16,
    /// Why the gateway gave up, as `x-plimsoll-error` says it, or `cut`.
    pub error: Option<&'a str>,
    /// Of the body of the answer, as far as they were sent.
    pub bytes: u64,
    pub times: Times,
    pub worker: Option<u16>,
    pub rescued: u32,
    pub retried: u32,
}

/// All from the moment in which the head of the request was there, but for `claim`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Until it was sent to the worker that answered.
    pub queue: Duration,
    /// In that worker, until it began to run.
    pub claim: Duration,
    /// Until the head of the answer was there.
    pub first_byte: Option<Duration>,
    pub total: Duration,
}

/// What a line says of itself; places are counted from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Of the line. What was written after it is the request's id, where the line itself has no place for it.
    pub length: usize,
    pub shape: Shape,
    /// What requests of one place have in common.
    pub message: Range<usize>,
    pub request: Option<Range<usize>>,
    pub trace: Option<[u8; 16]>,
    /// Its trace is recorded.
    pub is_traced: bool,
}

impl Entry<'_> {
    /// Appends the line, without a newline, and what [`Written::length`] says.
    pub fn write(&self, format: Format, text: &mut Vec<u8>) -> Written {
        let asked = Fields::read(self.head);
        let answered = Fields::read(self.answer);
        // The client's own come first: the app may have made one because it did not know them.
        let request = asked.request.or(answered.request);
        let parent = |fields: &Fields<'_>| fields.traceparent.and_then(Parent::read);
        let trace = parent(&asked).or_else(|| parent(&answered));
        let start = text.len();
        let mut places = match format {
            Format::Json => json::write(self, &asked, (request, trace.map(|parent| parent.trace)), text),
            Format::Combined => combined::write(self, &asked, text),
        };
        let length = text.len() - start;
        if let (None, Some(request)) = (&places.request, request) {
            text.extend_from_slice(request);
            places.request = Some(start + length..text.len());
        }
        let from_start = |place: Range<usize>| place.start - start..place.end - start;
        Written {
            length,
            shape: if format == Format::Json { Shape::Json } else { Shape::Plain },
            message: from_start(places.message),
            request: places.request.map(from_start),
            trace: trace.map(|parent| parent.trace.0),
            is_traced: trace.is_some_and(Parent::is_sampled),
        }
    }
}

/// Places in the text that was appended to.
struct Places {
    message: Range<usize>,
    request: Option<Range<usize>>,
}

fn push_number(number: u64, text: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Exactly three digits.
fn push_thousandths(number: u64, text: &mut Vec<u8>) {
    let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    text.extend_from_slice(&[digit(number / 100), digit(number / 10), digit(number)]);
}
