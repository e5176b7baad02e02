//! Finds the end of a head, line by line, before anything is parsed.
//!
//! `httparse` is lenient about line endings (a bare LF ends a line for it), and so is many a server, but not
//! all in the same way. Here a line ends with CRLF or the head is refused. The scan is incremental: bytes that
//! were looked at are not looked at again, so a head that trickles in costs no more than one that comes whole.

use memchr::memchr;

/// Why the bytes so far can never become a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    #[error("a header line is folded")]
    Folded,
    #[error("the message does not begin with a token")]
    NotHttp,
}

/// Progress through a head that may arrive in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scan {
    /// Start of the line that is not complete yet.
    line: usize,
    /// Everything before this has been looked at.
    seen: usize,
    lines: usize,
}

impl Scan {
    /// Looks at `bytes`, which begin where the message begins and have only grown since the last call.
    /// `Some(length)` once the head is complete: its bytes with the empty line that ends it.
    ///
    /// # Errors
    /// The head can not become valid any more.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        if bytes.first().is_some_and(|&first| !is_token(first)) {
            return Err(Error::NotHttp);
        }
        while let Some(rest) = bytes.get(self.seen..) {
            let Some(offset) = memchr(b'\n', rest) else { break };
            let line_feed = self.seen + offset;
            let before = line_feed.checked_sub(1).and_then(|at| bytes.get(at));
            if before != Some(&b'\r') || line_feed == self.line {
                return Err(Error::BareLineFeed);
            }
            let is_empty = line_feed - self.line == 1;
            let folded = matches!(bytes.get(self.line), Some(b' ' | b'\t'));
            if folded && !is_empty {
                return Err(Error::Folded);
            }
            self.line = line_feed + 1;
            self.seen = line_feed + 1;
            self.lines += 1;
            if is_empty {
                return Ok(Some(line_feed + 1));
            }
        }
        self.seen = bytes.len();
        Ok(None)
    }

    /// The first line, without its CRLF, once it is there.
    #[must_use]
    pub fn first_line<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        if self.lines == 0 {
            return None;
        }
        bytes.get(..memchr(b'\r', bytes)?)
    }
}

/// How many bytes of empty lines stand before a message. RFC 9112 §2.2 has servers skip "at least one"; Node's
/// parser skips any number.
#[must_use]
pub fn leading_empty_lines(bytes: &[u8]) -> usize {
    let mut skipped = 0;
    while bytes.get(skipped..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
        skipped += 2;
    }
    skipped
}

/// `tchar` of RFC 9110 §5.6.2.
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// The elements of a comma-separated header value, trimmed, empty ones left out.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}
