//! The answers that the gateway gives by itself: one table.
//!
//! Each has a status, a code for `x-plimsoll-error`, and a sentence for the outside that gives nothing away.
//! The inside story goes to the log.

use std::io::Write as _;

use super::http1::request::Refusal;
use crate::observe::http::Method;
use crate::observe::units::Utc;

/// Why the gateway answers instead of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    BadRequest,
    HeadTooLarge,
    TargetTooLong,
    ConnectRefused,
    HeaderTimeout,
    BodyTimeout,
    BodyTooLarge,
    ConnectionsExhausted,
    NoWorker,
    Overloaded,
    BadResponse,
    WorkerClosed,
    WorkerDied,
    RequestTimeout,
}

impl Failure {
    /// Each of them, as docs/operate/README.md lists them.
    pub const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::ConnectRefused,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::BadResponse,
        Self::WorkerClosed,
        Self::WorkerDied,
        Self::NoWorker,
        Self::Overloaded,
        Self::ConnectionsExhausted,
        Self::RequestTimeout,
    ];

    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::ConnectRefused => 405,
            Self::HeaderTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::BadResponse | Self::WorkerClosed | Self::WorkerDied => 502,
            Self::ConnectionsExhausted | Self::NoWorker | Self::Overloaded => 503,
            Self::RequestTimeout => 504,
        }
    }

    /// The closed set of `x-plimsoll-error` and of the metric's label.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::ConnectRefused => "connect_refused",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::ConnectionsExhausted => "connections_exhausted",
            Self::NoWorker => "no_worker",
            Self::Overloaded => "overloaded",
            Self::BadResponse => "bad_response",
            Self::WorkerClosed => "worker_closed",
            Self::WorkerDied => "worker_died",
            Self::RequestTimeout => "request_timeout",
        }
    }

    const fn reason(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Content Too Large",
            414 => "URI Too Long",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Gateway Timeout",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is malformed",
            Self::HeadTooLarge => "the request's headers are too large",
            Self::TargetTooLong => "the request's target is too long",
            Self::ConnectRefused => "CONNECT is not served here",
            Self::HeaderTimeout => "the request's headers did not arrive in time",
            Self::BodyTimeout => "the request's body did not arrive in time",
            Self::BodyTooLarge => "the request's body is too large",
            Self::ConnectionsExhausted => "there are too many connections",
            Self::NoWorker => "no worker is available",
            Self::Overloaded => "there are more requests than can be served in time",
            Self::BadResponse => "the application's answer could not be understood",
            Self::WorkerClosed => "the application closed the connection",
            Self::WorkerDied => "the application ended while it served the request",
            Self::RequestTimeout => "the application did not answer in time",
        }
    }

    /// A client may simply try again: the request was not looked at.
    const fn retry_after(self) -> &'static str {
        match self {
            Self::ConnectionsExhausted | Self::NoWorker | Self::Overloaded => "retry-after: 1\r\n",
            Self::ConnectRefused => "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
            _ => "",
        }
    }

    /// The whole answer, with the header line that tells the id of the request, if it has one. Always the last of its
    /// connection.
    #[must_use]
    pub fn response(self, method: Method, id: &[u8]) -> Vec<u8> {
        let body = format!("{{\"error\":\"{}\",\"message\":\"{}\"}}\n", self.code(), self.message());
        let mut bytes = Vec::with_capacity(360);
        let head = write!(
            bytes,
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\ndate: {}\r\nx-plimsoll-error: {}\r\n{}",
            self.status(),
            self.reason(),
            body.len(),
            date(),
            self.code(),
            self.retry_after(),
        );
        debug_assert!(head.is_ok(), "writing to a vector cannot fail");
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(b"connection: close\r\n\r\n");
        if method != Method::Head {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

/// Caches and clients reckon ages from it; who makes an answer and has a clock must tell it.
fn date() -> String {
    Utc::of(crate::observe::now()).http_date()
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeadTooLarge | Refusal::TooManyHeaders => Self::HeadTooLarge,
            Refusal::TargetTooLong => Self::TargetTooLong,
            Refusal::Connect => Self::ConnectRefused,
            _ => Self::BadRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code and status of each row of the table, as they are written.
    fn documented() -> Vec<(String, String)> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate/README.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, section) = page.split_once("## Errors that clients see").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let cell = |row: &str, index| row.split('|').nth(index).unwrap().trim().trim_matches('`').to_owned();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| (cell(row, 1), cell(row, 2))).collect()
    }

    #[test]
    fn the_operators_page_lists_every_failure_in_its_order() {
        let mut expected: Vec<_> =
            Failure::ALL.map(|failure| (failure.code().to_owned(), failure.status().to_string())).to_vec();
        // Counted like the others, but there is no answer any more to put a code into.
        expected.push(("cut".to_owned(), "none".to_owned()));
        assert_eq!(documented(), expected);
    }

    #[test]
    fn every_answer_tells_its_length_its_date_and_its_code() {
        for failure in Failure::ALL {
            let text = String::from_utf8(failure.response(Method::Get, b"")).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let value =
                |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
            assert_eq!(value("content-length: "), body.len().to_string());
            assert_eq!(value("x-plimsoll-error: "), failure.code());
            assert_eq!(value("date: ").len(), "Fri, 27 Nov 2026 18:22:33 GMT".len(), "{head}");
        }
    }

    #[test]
    fn codes_are_distinct_and_none_is_left_out() {
        let mut codes = Failure::ALL.map(Failure::code);
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "{codes:?}");
        // The last of the enum: a variant that is added makes the table longer, or fails here.
        assert_eq!(Failure::ALL.len(), Failure::RequestTimeout as usize + 1);
    }
}
