//! Whole lines out of chunks. Pure: bytes in, bytes out.

/// An unfinished line is held up to this size; what is longer is passed on in pieces.
const HELD_MAX: usize = 256 * 1024;

/// The unfinished line at the end of what was read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Passes on all lines that are complete, in one piece, and holds the rest.
    pub(super) fn feed(&mut self, chunk: &[u8], mut pass_on: impl FnMut(&[u8])) {
        let end = memchr::memrchr(b'\n', chunk).map_or(0, |newline| newline + 1);
        let (whole, rest) = chunk.split_at_checked(end).unwrap_or((chunk, &[]));
        if !whole.is_empty() {
            if self.held.is_empty() {
                pass_on(whole);
            } else {
                self.held.extend_from_slice(whole);
                pass_on(&std::mem::take(&mut self.held));
            }
        }
        self.held.extend_from_slice(rest);
        if self.held.len() >= HELD_MAX {
            pass_on(&std::mem::take(&mut self.held));
        }
    }

    /// The writer is gone: its last line ends here, so that no other is glued to it.
    pub(super) fn end(mut self, mut pass_on: impl FnMut(&[u8])) {
        if !self.held.is_empty() {
            self.held.push(b'\n');
            pass_on(&self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(chunks: &[&[u8]], expected: &[&[u8]]) {
        let mut lines = Lines::default();
        let mut passed: Vec<Vec<u8>> = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, |bytes| passed.push(bytes.to_vec()));
        }
        lines.end(|bytes| passed.push(bytes.to_vec()));
        assert_eq!(passed, expected, "{chunks:?}");
    }

    #[test]
    fn only_whole_lines_are_passed_on() {
        check(&[b"a\n"], &[b"a\n"]);
        check(&[b"a", b"b\nc", b"\n"], &[b"ab\n", b"c\n"]);
        check(&[b"a\nb\nc"], &[b"a\nb\n", b"c\n"]);
        check(&[b"\n", b"", b"\xff\x00"], &[b"\n", b"\xff\x00\n"]);
        check(&[], &[]);
    }

    #[test]
    fn an_endless_line_is_passed_on_in_pieces() {
        let mut lines = Lines::default();
        let mut longest = 0;
        let mut total = 0;
        for _ in 0..100 {
            lines.feed(&[b'x'; 65_536], |bytes| {
                longest = longest.max(bytes.len());
                total += bytes.len();
            });
        }
        assert_eq!((longest, total), (HELD_MAX, 100 * 65_536));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_torn(chunks in proptest::collection::vec("[ab\n]{0,9}", 0..20)) {
            let mut lines = Lines::default();
            let mut passed = Vec::new();
            for chunk in &chunks {
                lines.feed(chunk.as_bytes(), |bytes| {
                    assert_eq!(bytes.last(), Some(&b'\n'));
                    passed.extend_from_slice(bytes);
                });
            }
            lines.end(|bytes| passed.extend_from_slice(bytes));
            let written = chunks.concat();
            let ended = if written.is_empty() || written.ends_with('\n') { written } else { written + "\n" };
            prop_assert_eq!(String::from_utf8(passed).unwrap(), ended);
        }
    }
}
