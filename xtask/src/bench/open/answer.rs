//! How an answer ends: read from its head, without keeping its body.

use super::Outcome;

/// The last bytes of a body that comes in chunks. That text in the middle of a body would be taken for its end too, which the
/// apps that are measured do not send.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    end: usize,
    status: u16,
    length: Length,
    closes: bool,
    code: Option<String>,
}

/// What has come of a body: how much, and its last bytes.
#[derive(Debug, Default)]
pub(crate) struct Body {
    length: usize,
    /// As many as the last chunk has, or all.
    last: Vec<u8>,
}

impl Body {
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.last
            .extend_from_slice(bytes.get(bytes.len().saturating_sub(LAST_CHUNK.len())..).unwrap_or(bytes));
        self.last.drain(..self.last.len().saturating_sub(LAST_CHUNK.len()));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    /// As an error page that ends with its connection.
    UntilClose,
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
            self.length = value.parse().map_or(Length::UntilClose, Length::Known);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            self.length = Length::Chunked;
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

    /// Whether this is all of the answer's body.
    pub(crate) fn is_whole(&self, body: &Body) -> bool {
        match self.length {
            Length::Known(length) => body.length >= length,
            Length::Chunked => body.last == LAST_CHUNK,
            Length::UntilClose => false,
        }
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
        let head = Head::parse(bytes).unwrap();
        // However it is cut up.
        [1, 3, bytes.len()].into_iter().all(|size| {
            let mut body = Body::default();
            bytes[head.end()..].chunks(size).for_each(|block| body.take(block));
            head.is_whole(&body)
        })
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
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert!(is_whole(chunked) && !is_whole(&chunked[..chunked.len() - 2]));
        let closed = b"HTTP/1.1 200 OK\r\n\r\nall of it";
        let head = Head::parse(closed).unwrap();
        assert!(head.ends_by_close() && !is_whole(closed) && !head.keeps_connection());
    }
}
