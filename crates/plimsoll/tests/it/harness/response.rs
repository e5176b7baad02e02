//! An answer as it came over the wire, taken apart but not interpreted.

use std::fmt;

use serde_json::Value;

/// One answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The status line and every header line, in order and as spelled, without line ends.
    pub(crate) head: Vec<String>,
    /// The body without transfer coding.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
    /// Every byte of it.
    pub(crate) raw: Vec<u8>,
}

pub(super) enum Parsed {
    Whole(Response),
    Partial,
}

impl Response {
    /// Reads one answer to a `method` request. `ended`: no more bytes will come.
    pub(super) fn parse(bytes: &[u8], method: &str, ended: bool) -> Parsed {
        Self::read(bytes, method, ended).map_or(Parsed::Partial, Parsed::Whole)
    }

    /// Every final answer in what a closed connection said; the last may lack its end.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while let Some(answer) = Self::read(bytes, "GET", true) {
            bytes = &bytes[answer.raw.len()..];
            answers.push(answer);
        }
        answers.retain(|answer| answer.status >= 200);
        answers
    }

    fn read(bytes: &[u8], method: &str, ended: bool) -> Option<Self> {
        let end = find(bytes, b"\r\n\r\n")? + 4;
        let head = lines(&bytes[..end - 4]);
        let status = head[0].get(9..12).and_then(|digits| digits.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {:?}", head[0]));
        let mut response = Self { status, head, body: Vec::new(), trailers: Vec::new(), raw: Vec::new() };
        let mut rest = &bytes[end..];
        if status < 200 || status == 204 || status == 304 || method == "HEAD" {
            // No body, whatever the head says.
        } else if response.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            let (body, trailers, used) = dechunk(rest)?;
            (response.body, response.trailers) = (body, trailers);
            rest = &rest[used..];
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().unwrap();
            response.body = rest.get(..length)?.to_vec();
            rest = &rest[length..];
        } else {
            response.body = ended.then(|| rest.to_vec())?;
            rest = &[];
        }
        response.raw = bytes[..bytes.len() - rest.len()].to_vec();
        Some(response)
    }

    /// The value of the first header of this (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head[1..].iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The gateway's own word for why it refused.
    pub(crate) fn error_code(&self) -> Option<&str> {
        self.header("x-plimsoll-error")
    }

    /// The head without what may differ between two runs: the date, and the promise of the app's own idle
    /// timeout, which the gateway's takes the place of.
    pub(crate) fn comparable_head(&self) -> Vec<String> {
        let varies = |line: &&String| {
            let line = line.to_ascii_lowercase();
            line.starts_with("date:") || line.starts_with("keep-alive:")
        };
        self.head.iter().filter(|line| !varies(line)).cloned().collect()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.raw[..self.raw.len().min(4096)];
        write!(f, "{}", String::from_utf8_lossy(shown))
    }
}

/// Header bytes are read as Latin-1, so that none is lost or joined.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    text.split("\r\n").map(str::to_owned).collect()
}

fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, Vec<String>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line_end = at + find(&bytes[at..], b"\r\n")?;
        let line = String::from_utf8_lossy(&bytes[at..line_end]);
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16)
            .unwrap_or_else(|error| panic!("chunk size {line:?}: {error}"));
        at = line_end + 2;
        if size == 0 {
            return trailers(bytes, at).map(|(trailers, at)| (body, trailers, at));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        assert_eq!(bytes.get(at + size..at + size + 2)?, b"\r\n", "the chunk is not as long as it says");
        at += size + 2;
    }
}

fn trailers(bytes: &[u8], at: usize) -> Option<(Vec<String>, usize)> {
    if bytes.get(at..at + 2)? == b"\r\n" {
        return Some((Vec::new(), at + 2));
    }
    let end = at + find(&bytes[at..], b"\r\n\r\n")?;
    Some((lines(&bytes[at..end]), end + 4))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
