//! The members of a JSON object, hand-scanned.
//!
//! A general parser allocates, checks what nobody asked for, or both. Here strings are skipped by `memchr`, nested
//! values by counting brackets, and only the keys that say something about the line are looked at. Depth costs
//! nothing: there is no recursion.

use std::ops::Range;

use super::Found;
use crate::concerns::logs::record::Shape;

/// Reads a line that begins with `{`.
pub(super) fn scan(line: &[u8]) -> (Shape, Found) {
    let mut found = Found::default();
    let mut walk = Walk { bytes: line, at: 1 };
    let is_whole = walk.members(|key, value| note(&mut found, line, key, value)).is_some()
        && line.get(walk.at..).is_some_and(|rest| rest.trim_ascii().is_empty());
    (if is_whole { Shape::Json } else { Shape::Plain }, found)
}

fn note(found: &mut Found, line: &[u8], key: &[u8], value: Value) {
    match value {
        Value::Text(place) | Value::Bare(place) => {
            let text = line.get(place.clone()).unwrap_or_default();
            found.note(key, text, place);
        }
        // As pino-http and fastify write it: `"req":{"id":7,…}`.
        Value::Nested(place) if matches!(key, b"req" | b"request") && found.request.is_none() => {
            let mut inner = Walk { bytes: line.get(..place.end).unwrap_or_default(), at: place.start + 1 };
            let _whole = inner.members(|key, value| match value {
                Value::Text(place) | Value::Bare(place) if key == b"id" => found.request = Some(place),
                _ => {}
            });
        }
        Value::Nested(_) => {}
    }
}

/// The first quote or backslash. Most strings of a log are short, and a call that prepares for long ones would cost more
/// than they do: the first bytes are looked at by eights.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 4;
    let (words, _) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().take(SHORT).enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = zeros(word ^ every(b'"')) | zeros(word ^ every(b'\\'));
        if hits != 0 {
            return Some(place * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(SHORT) * 8;
    memchr::memchr2(b'"', b'\\', bytes.get(seen..)?).map(|hit| seen + hit)
}

const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is 0; of the bytes behind the first such, some more may have it.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every(1)) & !word & every(0x80)
}

enum Value {
    /// Between its quotes.
    Text(Range<usize>),
    /// A number, or one of `true`, `false`, `null`.
    Bare(Range<usize>),
    Nested(Range<usize>),
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Goes through an object, from behind its `{` to behind its `}`. `None`: it is not whole.
    fn members(&mut self, mut visit: impl FnMut(&'a [u8], Value)) -> Option<()> {
        loop {
            match self.next()? {
                b'"' => {}
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                b',' => {
                    self.at += 1;
                    continue;
                }
                _ => return None,
            }
            let key = self.string()?;
            let key = self.bytes.get(key)?;
            if self.next()? != b':' {
                return None;
            }
            self.at += 1;
            let value = self.value()?;
            visit(key, value);
        }
    }

    /// The next byte that is no white space; it is not taken.
    fn next(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn value(&mut self) -> Option<Value> {
        match self.next()? {
            b'"' => self.string().map(Value::Text),
            b'{' | b'[' => self.nested().map(Value::Nested),
            _ => {
                let start = self.at;
                let rest = self.bytes.get(start..)?;
                let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'"'))?;
                self.at = start + length;
                (length > 0).then_some(Value::Bare(start..self.at))
            }
        }
    }

    /// A string, from its opening quote to behind its closing one; the place between them.
    fn string(&mut self) -> Option<Range<usize>> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let hit = at + end_of_string(self.bytes.get(at..)?)?;
            if self.bytes.get(hit) == Some(&b'"') {
                self.at = hit + 1;
                return Some(start..hit);
            }
            at = hit + 2;
        }
    }

    /// An object or an array, with all that is in it.
    fn nested(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            let rest = self.bytes.get(self.at..)?;
            self.at += rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))?;
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth = depth.checked_sub(1)?,
            }
            self.at += 1;
            if depth == 0 {
                return Some(start..self.at);
            }
        }
    }
}
