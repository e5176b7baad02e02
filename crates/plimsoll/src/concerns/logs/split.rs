//! Lines out of chunks of bytes: `any` way of cutting the same bytes into chunks gives the same lines.
//!
//! A line that lies in one chunk is a slice of it and is not copied. What a chunk ends with is held until the rest
//! comes. A line longer than the limit keeps its beginning, and its end says how many bytes are gone: 100 MB without
//! a newline take no more memory than the limit.

use std::ops::Range;

use bytes::Bytes;

/// Where bytes are missing, by what they ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A newline: what comes next is a whole line.
    AtNewline,
    /// Anything else: what comes next is the end of a line.
    InLine,
}

impl Gap {
    #[must_use]
    pub fn after(missing: &[u8]) -> Self {
        if missing.ends_with(b"\n") { Self::AtNewline } else { Self::InLine }
    }
}

#[derive(Debug)]
pub struct Splitter {
    held: Vec<u8>,
    /// Bytes of the held line that were beyond the limit.
    cut: u64,
    /// A piece is missing: what comes up to the next newline is the end of a line whose beginning is lost.
    is_after_gap: bool,
    line_max: usize,
}

impl Splitter {
    #[must_use]
    pub fn new(line_max: usize) -> Self {
        Self { held: Vec::new(), cut: 0, is_after_gap: false, line_max }
    }

    /// Gives each line that is complete with this chunk, without its newline.
    pub fn feed(&mut self, chunk: &Bytes, mut emit: impl FnMut(Bytes)) {
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', chunk) {
            let line = self.complete(chunk, start..newline);
            start = newline + 1;
            if !std::mem::take(&mut self.is_after_gap) {
                emit(line);
            }
        }
        self.hold(chunk.get(start..).unwrap_or_default());
    }

    /// The writer is gone: its last line ends here.
    pub fn end(&mut self) -> Option<Bytes> {
        let is_torn = std::mem::take(&mut self.is_after_gap);
        let is_line = !self.held.is_empty() || self.cut > 0;
        let line = is_line.then(|| self.take());
        line.filter(|_| !is_torn)
    }

    /// Bytes are missing here: the line that is held has no end, and the next one may have no beginning.
    pub fn gap(&mut self, gap: Gap) {
        self.held = Vec::new();
        self.cut = 0;
        self.is_after_gap = gap == Gap::InLine;
    }

    fn complete(&mut self, chunk: &Bytes, line: Range<usize>) -> Bytes {
        if self.held.is_empty() && self.cut == 0 && line.len() <= self.line_max {
            return chunk.slice(line);
        }
        self.hold(chunk.get(line).unwrap_or_default());
        self.take()
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.line_max.saturating_sub(self.held.len());
        let (fits, beyond) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.held.extend_from_slice(fits);
        self.cut += beyond.len() as u64;
    }

    fn take(&mut self) -> Bytes {
        let mut line = std::mem::take(&mut self.held);
        let cut = std::mem::take(&mut self.cut);
        if cut > 0 {
            line.extend_from_slice(format!(" [plimsoll: {cut} bytes cut]").as_bytes());
        }
        line.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], line_max: usize) -> Vec<Bytes> {
        let mut splitter = Splitter::new(line_max);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(&Bytes::copy_from_slice(chunk), |line| lines.push(line));
        }
        lines.extend(splitter.end());
        lines
    }

    #[test]
    fn lines_are_whole_wherever_the_chunks_are_cut() {
        assert_eq!(lines(&[b"a\n"], 99), ["a"]);
        assert_eq!(lines(&[b"a", b"b\nc", b"\n"], 99), ["ab", "c"]);
        assert_eq!(lines(&[b"a\n\nc\r"], 99), ["a", "", "c\r"]);
        assert_eq!(lines(&[b"\n", b"", b"\xff\x00"], 99), [&b""[..], b"\xff\x00"]);
        assert!(lines(&[], 99).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_and_says_so() {
        assert_eq!(lines(&[b"abcdef\nxy\n"], 4), ["abcd [plimsoll: 2 bytes cut]", "xy"]);
        let piece = [b'x'; 65_536];
        let mut splitter = Splitter::new(1000);
        for _ in 0..1600 {
            splitter.feed(&Bytes::copy_from_slice(&piece), |_line| panic!("there is no newline"));
            assert!(splitter.held.len() <= 1000);
        }
        let line = splitter.end().unwrap();
        assert!(line.ends_with(b"x [plimsoll: 104856600 bytes cut]"), "{line:?}");
    }

    #[test]
    fn no_line_is_made_of_the_two_sides_of_a_gap() {
        let mut splitter = Splitter::new(99);
        let mut seen = Vec::new();
        splitter.feed(&Bytes::from_static(b"one\ntw"), |line| seen.push(line));
        splitter.gap(Gap::after(b"o\nth"));
        splitter.feed(&Bytes::from_static(b"ree\nfour\n"), |line| seen.push(line));
        assert_eq!(seen, ["one", "four"]);
        splitter.feed(&Bytes::from_static(b"fi"), |line| seen.push(line));
        splitter.gap(Gap::after(b"ve\nsix\n"));
        splitter.feed(&Bytes::from_static(b"seven\n"), |line| seen.push(line));
        assert_eq!(seen, ["one", "four", "seven"], "what is whole on either side stays");
        splitter.gap(Gap::InLine);
        splitter.feed(&Bytes::from_static(b"rest"), |line| seen.push(line));
        assert_eq!(splitter.end(), None);
    }

    proptest! {
        #[test]
        fn any_chunks_of_the_same_bytes_are_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0_usize..200, 0..8),
            line_max in 1_usize..40,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&chunks, line_max), lines(&[&bytes], line_max));
            let whole = lines(&chunks, usize::MAX).join(&b'\n');
            let written = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            prop_assert_eq!(&whole[..], written);
        }
    }
}
