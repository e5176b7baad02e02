//! The headers by which a request is known to others, as far as they must be found again: `x-request-id` and the two
//! of a trace. They are noted while a head is read, whether or not anybody will want them: the lengths of their names are
//! rare.

use std::ops::Range;

use super::request::line_of;

/// Where those of one name stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    first: Option<Range<usize>>,
    /// Those after the first.
    more: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    pub request_id: Lines,
    pub traceparent: Lines,
    pub tracestate: Lines,
}

impl Lines {
    pub(super) fn note(&mut self, head: &[u8], header: &httparse::Header<'_>) {
        let line = line_of(head, header);
        match self.first {
            None => self.first = Some(line),
            Some(_) => self.more.push(line),
        }
    }

    /// The value, where there is exactly one.
    #[must_use]
    pub fn one<'h>(&self, head: &'h [u8]) -> Option<&'h [u8]> {
        let line = head.get(self.first.clone().filter(|_| self.more.is_empty())?)?;
        let colon = memchr::memchr(b':', line)?;
        Some(line.get(colon + 1..)?.trim_ascii())
    }

    /// All of them are to be left out.
    pub fn remove(&self, removed: &mut Vec<Range<usize>>) {
        removed.extend(self.first.iter().chain(&self.more).cloned());
    }
}
