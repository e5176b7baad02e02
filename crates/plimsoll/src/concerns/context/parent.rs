//! The place of a request in a trace: `traceparent`, as <https://www.w3.org/TR/trace-context/> has it.

use super::{push_hex, read_hex};

const SAMPLED: u8 = 1;
/// The last seven bytes of the trace id are random (level 2 of the specification).
const RANDOM: u8 = 2;

/// Length of a `traceparent` of version 00.
pub const LENGTH: usize = 55;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// What a caller says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    pub trace: TraceId,
    pub span: SpanId,
    flags: u8,
}

impl Parent {
    /// `None`: it is not to be understood, and a new trace begins. Versions to come are read as far as 00 goes.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (own, more) = text.split_at_checked(LENGTH)?;
        let mut parts = own.split(|byte| *byte == b'-');
        let [version] = read_hex::<1>(parts.next()?)?;
        let (trace, span) = (TraceId::read(parts.next()?)?, read_hex(parts.next()?)?);
        let [flags] = read_hex(parts.next()?)?;
        let is_whole = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        let is_valid = is_whole && parts.next().is_none() && span != [0; 8];
        is_valid.then_some(Self { trace, span: SpanId(span), flags })
    }

    #[must_use]
    pub fn new(trace: TraceId, span: SpanId, is_sampled: bool) -> Self {
        Self { trace, span, flags: RANDOM | u8::from(is_sampled) }
    }

    /// The same trace, as seen by whom `span` calls.
    #[must_use]
    pub fn with_span(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Appends it as version 00, with the flags that this one has.
    pub fn push(self, text: &mut Vec<u8>) {
        text.extend_from_slice(b"00-");
        push_hex(&self.trace.0, text);
        text.push(b'-');
        push_hex(&self.span.0, text);
        text.push(b'-');
        push_hex(&[self.flags & (SAMPLED | RANDOM)], text);
    }
}

impl TraceId {
    /// `None`: it is not 32 digits of lower-case hexadecimal, or all of them are 0. Datadog's decimal ids and
    /// Jaeger's short ones are not read.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        read_hex(text).filter(|id| *id != [0; 16]).map(Self)
    }
}

impl SpanId {
    /// `None`: that is no span.
    #[must_use]
    pub fn of(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn write(parent: Parent) -> String {
        let mut text = Vec::new();
        parent.push(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_parent_reads_back_as_itself() {
        let parent = Parent::read(GOOD.as_bytes()).unwrap();
        assert_eq!(write(parent), GOOD);
        assert!(parent.is_sampled());
        let next = parent.with_span(SpanId([1; 8]));
        assert_eq!(write(next), "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-01");
        let fresh = Parent::new(parent.trace, SpanId([2; 8]), false);
        assert_eq!(write(fresh), "00-4bf92f3577b34da6a3ce929d0e0e4736-0202020202020202-02");
        assert_eq!(Parent::read(write(fresh).as_bytes()), Some(fresh));
    }

    #[test]
    fn what_is_not_to_be_understood_begins_a_new_trace() {
        let cut =
            |text: &str, at: usize, with: &str| format!("{}{with}{}", &text[..at], &text[at + with.len()..]);
        let bad = [
            String::new(),
            "no".to_owned(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-more"),
            format!("{GOOD} "),
            cut(GOOD, 0, "ff"),
            cut(GOOD, 3, "4BF9"),
            cut(GOOD, 3, &"0".repeat(32)),
            cut(GOOD, 36, &"0".repeat(16)),
            cut(GOOD, 35, "x"),
            cut(GOOD, 53, "g1"),
        ];
        for text in bad {
            assert_eq!(Parent::read(text.as_bytes()), None, "{text}");
        }
        // A version to come may say more.
        for text in [cut(GOOD, 0, "01"), format!("{}-more", cut(GOOD, 0, "cc"))] {
            assert!(Parent::read(text.as_bytes()).is_some(), "{text}");
        }
        assert_eq!(Parent::read(format!("{}x", cut(GOOD, 0, "01")).as_bytes()), None);
    }
}
