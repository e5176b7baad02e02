//! A stack trace, or an object that was printed over several lines, belongs to the line it began with.
//!
//! Only plain lines are joined: a program that writes JSON or logfmt escapes its newlines. A line continues the one
//! before when it is indented or closes a bracket. Whoever holds a [`Joiner`] flushes it when nothing more came for a
//! moment, because the last line of a program that waits must not wait with it.

use bytes::Bytes;

use super::record::Shape;
use super::understand::Understood;

/// Longer traces go on in a record of their own.
const LINES_MAX: usize = 200;

#[derive(Debug)]
pub struct Joiner {
    pending: Option<Pending>,
    bytes_max: usize,
}

/// One line or several, and what is understood of the first.
#[derive(Debug)]
pub struct Joined {
    pub line: Bytes,
    pub lines: usize,
    pub understood: Understood,
}

#[derive(Debug)]
struct Pending {
    first: Bytes,
    /// The first line and those after it; empty while there is one.
    joined: Vec<u8>,
    lines: usize,
    understood: Understood,
}

impl Joiner {
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { pending: None, bytes_max }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_none()
    }

    /// Takes the next line, if it belongs to the one before. `Err`: it is a line of its own.
    ///
    /// # Errors
    /// The line, which begins something new.
    pub fn extend(&mut self, line: Bytes) -> Result<(), Bytes> {
        match &mut self.pending {
            Some(pending) if continues(&line) && pending.has_room(line.len(), self.bytes_max) => {
                pending.extend(&line);
                Ok(())
            }
            _ => Err(line),
        }
    }

    /// Takes a line that begins something, after a [`Self::flush`]; gives it back if nothing can follow it.
    pub fn begin(&mut self, line: Bytes, understood: Understood) -> Option<Joined> {
        if understood.shape != Shape::Plain {
            return Some(Joined { line, lines: 1, understood });
        }
        self.pending = Some(Pending { first: line, joined: Vec::new(), lines: 1, understood });
        None
    }

    pub fn flush(&mut self) -> Option<Joined> {
        let pending = self.pending.take()?;
        let line = if pending.joined.is_empty() { pending.first } else { pending.joined.into() };
        Some(Joined { line, lines: pending.lines, understood: pending.understood })
    }
}

impl Pending {
    fn has_room(&self, more: usize, bytes_max: usize) -> bool {
        self.lines < LINES_MAX && self.first.len().max(self.joined.len()) + more < bytes_max
    }

    fn extend(&mut self, line: &[u8]) {
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.push(b'\n');
        self.joined.extend_from_slice(line);
        self.lines += 1;
    }
}

fn continues(line: &[u8]) -> bool {
    match line {
        [b' ' | b'\t', rest @ ..] => !rest.trim_ascii().is_empty(),
        [b'}' | b']', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'}' | b']' | b',' | b')' | b';')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concerns::logs::record::Stream;
    use crate::concerns::logs::understand::understand;

    fn join(text: &str) -> Vec<String> {
        let mut joiner = Joiner::new(1000);
        let mut joined = Vec::new();
        for line in text.lines() {
            if let Err(line) = joiner.extend(Bytes::copy_from_slice(line.as_bytes())) {
                let understood = understand(&line, Stream::Stderr);
                joined.extend(joiner.flush());
                joined.extend(joiner.begin(line, understood));
            }
        }
        joined.extend(joiner.flush());
        joined.into_iter().map(|each| String::from_utf8(each.line.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_stack_trace_stays_with_its_first_line() {
        let trace = "Error: lost\n    at a (a.js:1)\n    at b (b.js:2) {\n  code: 'E'\n}";
        assert_eq!(join(&format!("before\n{trace}\nafter")), ["before", trace, "after"]);
        assert_eq!(join("{\n  a: 1\n}\n"), ["{\n  a: 1\n}"]);
    }

    #[test]
    fn what_is_no_continuation_is_a_line_of_its_own() {
        assert_eq!(join("a\n\nb\n   \nc"), ["a", "", "b", "   ", "c"]);
        assert_eq!(join("{\"level\":30}\n  indented"), ["{\"level\":30}", "  indented"]);
        assert_eq!(join("  first\n  second"), ["  first\n  second"]);
        let long = format!("first\n  {}\n  {}", "x".repeat(600), "y".repeat(600));
        assert_eq!(join(&long).len(), 2);
        assert_eq!(join(&format!("first{}", "\n  x".repeat(250))).len(), 2);
    }
}
