//! Lines of `key=value key="a value"`.

use std::ops::Range;

use super::Found;

/// Reads a line whose first word is `key=…` and which says its level or its message; any other is not logfmt.
pub(super) fn scan(line: &[u8]) -> Option<Found> {
    let first = key_end(line, 0)?;
    let mut found = Found::default();
    let (mut start, mut equals) = (0, first);
    loop {
        let place = value(line, equals + 1);
        let key = line.get(start..equals)?;
        found.note(key, line.get(place.clone())?, place.clone());
        let closing = usize::from(line.get(place.end) == Some(&b'"'));
        start = skip_spaces(line, place.end + closing);
        match key_end(line, start) {
            Some(end) => equals = end,
            None => break,
        }
    }
    (found.level.is_some() || found.message.is_some()).then_some(found)
}

/// Where the key that begins at `start` ends with `=`.
fn key_end(line: &[u8], start: usize) -> Option<usize> {
    let rest = line.get(start..)?;
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let length = rest.iter().position(|byte| !is_of_key(byte))?;
    (length > 0 && rest.get(length) == Some(&b'=')).then_some(start + length)
}

fn value(line: &[u8], start: usize) -> Range<usize> {
    let rest = line.get(start..).unwrap_or_default();
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        return start..start + memchr::memchr(b' ', rest).unwrap_or(rest.len());
    };
    let mut at = 0;
    while let Some(hit) = memchr::memchr2(b'"', b'\\', quoted.get(at..).unwrap_or_default()) {
        at += hit;
        if quoted.get(at) == Some(&b'"') {
            return start + 1..start + 1 + at;
        }
        at += 2;
    }
    start + 1..line.len()
}

fn skip_spaces(line: &[u8], start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| **byte == b' ').count()
}
