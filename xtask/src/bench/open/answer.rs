//! How an answer ends: read from its head, without keeping its body.

use super::Outcome;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    end: usize,
    status: u16,
    length: Length,
    closes: bool,
    code: Option<String>,
}

/// How much is to come of a body.
#[derive(Debug, PartialEq, Eq)]
enum Length {
    Left(usize),
    Chunked(Chunks),
    /// As an error page that ends with its connection.
    UntilClose,
}

/// Where in a body that comes in chunks the next byte belongs.
#[derive(Debug, PartialEq, Eq)]
enum Chunks {
    /// What is left of a chunk, more than nothing.
    Data {
        left: usize,
    },
    Line(Line),
}

/// What stands around the chunks.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A chunk's size: what its digits say so far, which end before an extension.
    Size {
        bytes: usize,
        is_read: bool,
    },
    /// What ends a chunk.
    After,
    /// A line after the last chunk: an empty one is the end of all.
    Trailer {
        is_empty: bool,
    },
    End,
}

impl Chunks {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self {
                Self::Data { left } => {
                    let now = bytes.len().min(*left);
                    *left -= now;
                    if *left == 0 {
                        *self = Self::Line(Line::After);
                    }
                    bytes.get(now..).unwrap_or_default()
                }
                Self::Line(line) => {
                    *self = line.with(byte);
                    rest
                }
            };
        }
    }
}

impl Line {
    const BEGIN: Self = Self::Size { bytes: 0, is_read: false };

    /// A byte further on.
    fn with(&self, byte: u8) -> Chunks {
        Chunks::Line(match (self, byte) {
            (Self::Size { bytes: 0, .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::Size { bytes, .. }, b'\n') => return Chunks::Data { left: *bytes },
            (Self::Size { bytes, is_read }, byte) => match char::from(byte).to_digit(16) {
                Some(digit) if !is_read => Self::Size {
                    bytes: bytes.saturating_mul(16).saturating_add(digit as usize),
                    is_read: false,
                },
                _ => Self::Size { bytes: *bytes, is_read: true },
            },
            (Self::After, b'\n') => Self::BEGIN,
            (Self::After, _) => Self::After,
            (Self::Trailer { is_empty: true }, b'\n') | (Self::End, _) => Self::End,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::Trailer { is_empty }, byte) => Self::Trailer { is_empty: *is_empty && byte == b'\r' },
        })
    }
}

impl Head {
    /// `None` while it is not whole.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut head = Self { end, status, length: Length::UntilClose, closes: false, code: None };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            head.take(name, value.trim());
        }
        Some(head)
    }

    fn take(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.parse().map_or(Length::UntilClose, Length::Left);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.length = Length::Chunked(Chunks::Line(Line::BEGIN));
        } else if name.eq_ignore_ascii_case("connection") {
            self.closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("x-plimsoll-error") {
            self.code = Some(value.to_owned());
        }
    }

    /// Where the body begins.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// What has come of the body.
    pub(crate) fn take_body(&mut self, bytes: &[u8]) {
        match &mut self.length {
            Length::Left(left) => *left = left.saturating_sub(bytes.len()),
            Length::Chunked(chunks) => chunks.take(bytes),
            Length::UntilClose => {}
        }
    }

    /// Whether all of the body has come.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.length, Length::Left(0) | Length::Chunked(Chunks::Line(Line::End)))
    }

    /// Whether the end of the connection is the end of the answer.
    pub(crate) fn ends_by_close(&self) -> bool {
        self.length == Length::UntilClose
    }

    pub(crate) fn keeps_connection(&self) -> bool {
        !self.ends_by_close() && !self.closes
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        if self.status == 200 { Outcome::Ok } else { Outcome::Status(self.status, self.code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(bytes: &[u8]) -> bool {
        // However it is cut up.
        let of_size = |size| {
            let mut head = Head::parse(bytes).unwrap();
            bytes[head.end()..].chunks(size).for_each(|block| head.take_body(block));
            head.is_whole()
        };
        let found = of_size(bytes.len());
        assert!([1, 2, 3].into_iter().all(|size| of_size(size) == found), "{bytes:?}");
        found
    }

    #[test]
    fn heads_tell_length_persistence_and_code() {
        let bytes = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\nX-Plimsoll-Error: worker_died\r\nConnection: close\r\n\r\nabc";
        let head = Head::parse(bytes).unwrap();
        assert!(is_whole(bytes) && !is_whole(&bytes[..bytes.len() - 1]));
        assert!(!head.keeps_connection());
        assert_eq!(head.into_outcome(), Outcome::Status(502, Some("worker_died".to_owned())));
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Le").is_none());
    }

    #[test]
    fn chunks_and_the_end_of_the_connection_end_a_body() {
        let bodies: [&[u8]; 5] = [
            b"2\r\nok\r\n0\r\n\r\n",
            b"0\r\n\r\n",
            // What looks like the end in the middle of the data, and sizes of more than one digit.
            b"00a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            b"1A;ab=cd\r\nabcdefghijklmnopqrstuvwxyz\r\n0;end\r\n\r\n",
            b"1\r\nx\r\n0\r\nchecksum: 0\r\nother: 1\r\n\r\n",
        ];
        for body in bodies {
            let whole = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", body].concat();
            let begin = whole.len() - body.len();
            assert!(is_whole(&whole), "{body:?}");
            for end in begin..whole.len() {
                assert!(!is_whole(&whole[..end]), "{body:?} up to {end}");
            }
        }
        let closed = b"HTTP/1.1 200 OK\r\n\r\nall of it";
        let head = Head::parse(closed).unwrap();
        assert!(head.ends_by_close() && !is_whole(closed) && !head.keeps_connection());
    }
}
