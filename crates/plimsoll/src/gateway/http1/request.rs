//! The head of a request: what the gateway must know of it, or why it is refused.

use std::mem::MaybeUninit;
use std::ops::Range;

use plimsoll_wire::names::PEER_HEADER;

use super::carried::Carried;
use super::framing::{self, Framing};
use super::head;
use crate::concerns::event_loop::incident::ContentType;
use crate::config::HEADERS_MAX;
use crate::observe::http::Method;

/// Bounds of a head, from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub head_bytes_max: usize,
    pub headers_max: usize,
    pub target_bytes_max: usize,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Head(#[from] head::Error),
    #[error(transparent)]
    Framing(#[from] framing::Error),
    #[error("the head is malformed: {0}")]
    Malformed(httparse::Error),
    #[error("the first line does not end with HTTP/1.0 or HTTP/1.1")]
    Version,
    #[error("host is missing")]
    HostMissing,
    #[error("host is given twice")]
    HostTwice,
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("there are too many headers")]
    TooManyHeaders,
    #[error("the request target is too long")]
    TargetTooLong,
    #[error("CONNECT is not served")]
    Connect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

/// May the connection be used again after this message?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    Close,
}

/// What the gateway must know of a request; all offsets count from the start of its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Length of the head with the empty line that ends it.
    pub head_len: usize,
    pub method: Method,
    /// What is asked for, as it was sent.
    pub target: Range<usize>,
    pub version: Version,
    pub framing: Framing,
    /// Of the body, where there is one.
    pub content_type: ContentType,
    pub persistence: Persistence,
    /// The client offers to switch protocols.
    pub upgrade: bool,
    pub expects_continue: bool,
    /// Running it twice has the effect of running it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Headers of the client's that bear our private name: forgeries, to be left out. Whole lines, in order.
    pub forged: Vec<Range<usize>>,
    pub carried: Carried,
}

impl Request {
    /// Reads the head at the start of `bytes`; `scan` remembers how far earlier calls came.
    ///
    /// # Errors
    /// The head is refused; nothing after it may be read as a request.
    pub fn read(bytes: &[u8], scan: &mut head::Scan, limits: &Limits) -> Result<Option<Self>, Refusal> {
        let Some(head_len) = scan.advance(bytes)? else {
            return check_incomplete(bytes, scan, limits).map(|()| None);
        };
        if head_len > limits.head_bytes_max {
            return Err(Refusal::HeadTooLarge);
        }
        let head = bytes.get(..head_len).unwrap_or_default();
        let mut headers = [MaybeUninit::<httparse::Header<'_>>::uninit(); HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == head_len => {}
            Ok(_) => return Err(Refusal::Malformed(httparse::Error::NewLine)),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
            Err(httparse::Error::Version) => return Err(Refusal::Version),
            Err(error) => return Err(Refusal::Malformed(error)),
        }
        if parsed.headers.len() > limits.headers_max {
            return Err(Refusal::TooManyHeaders);
        }
        if parsed.path.is_some_and(|target| target.len() > limits.target_bytes_max) {
            return Err(Refusal::TargetTooLong);
        }
        let method = parsed.method.unwrap_or_default();
        if method == "CONNECT" {
            return Err(Refusal::Connect);
        }
        let version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        let fields = Fields::collect(head, parsed.headers)?;
        let target = parsed.path.unwrap_or_default().as_bytes();
        let start = offset(head, target);
        let mut request = fields.into_request(head_len, method, version)?;
        request.target = start..start + target.len();
        Ok(Some(request))
    }
}

/// A head that is not complete may already be known to be refused: a client that sends garbage should hear so
/// at once, not after the header timeout.
fn check_incomplete(bytes: &[u8], scan: &head::Scan, limits: &Limits) -> Result<(), Refusal> {
    match scan.first_line(bytes) {
        Some(line) if !line.ends_with(b" HTTP/1.1") && !line.ends_with(b" HTTP/1.0") => {
            return Err(Refusal::Version);
        }
        // Method, blank and version are not part of the target; 64 bytes are more than any of them needs.
        None if bytes.len() > limits.target_bytes_max + 64 => return Err(Refusal::TargetTooLong),
        _ => {}
    }
    if bytes.len() >= limits.head_bytes_max { Err(Refusal::HeadTooLarge) } else { Ok(()) }
}

/// What the headers say, before method and version are taken into account.
#[derive(Debug, Default)]
struct Fields {
    framing: framing::Fields,
    hosts: usize,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade: bool,
    expects_continue: bool,
    content_type: ContentType,
    forged: Vec<Range<usize>>,
    carried: Carried,
}

impl Fields {
    fn collect(head: &[u8], headers: &[httparse::Header<'_>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for header in headers {
            fields.add(head, header)?;
        }
        Ok(fields)
    }

    /// The length of a name is enough to pass over nearly all headers.
    fn add(&mut self, head: &[u8], header: &httparse::Header<'_>) -> Result<(), Refusal> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            4 if is("host") => self.hosts += 1,
            6 if is("expect") => {
                self.expects_continue |= header.value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
            }
            7 if is("upgrade") => self.upgrade = true,
            10 if is("connection") => self.connection(header.value),
            10 if is(PEER_HEADER) => self.forged.push(line_of(head, header)),
            10 if is("tracestate") => self.carried.tracestate.note(head, header),
            11 if is("traceparent") => self.carried.traceparent.note(head, header),
            12 if is("x-request-id") => self.carried.request_id.note(head, header),
            12 if is("content-type") => self.content_type = ContentType::of(header.value),
            14 if is("content-length") => self.framing.content_length(header.value)?,
            // Node takes it for the other; what it makes of a connection we must know.
            16 if is("proxy-connection") => self.connection(header.value),
            17 if is("transfer-encoding") => self.framing.transfer_encoding(raw_value(head, header))?,
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in head::list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn into_request(self, head_len: usize, method: &str, version: Version) -> Result<Request, Refusal> {
        let is_http10 = version == Version::Http10;
        match self.hosts {
            0 if !is_http10 => return Err(Refusal::HostMissing),
            0 | 1 => {}
            _ => return Err(Refusal::HostTwice),
        }
        let keeps = !self.close && (!is_http10 || self.keep_alive);
        Ok(Request {
            head_len,
            method: Method::from_token(method),
            target: 0..0,
            version,
            framing: self.framing.of_request(is_http10)?,
            content_type: self.content_type,
            persistence: if keeps { Persistence::KeepAlive } else { Persistence::Close },
            // Of HTTP/1.0 too, as Node sees it.
            upgrade: self.upgrade && self.connection_upgrade,
            expects_continue: self.expects_continue && !is_http10,
            idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
            forged: self.forged,
            carried: self.carried,
        })
    }
}

/// The whole line of a header, with its CRLF.
pub(super) fn line_of(head: &[u8], header: &httparse::Header<'_>) -> Range<usize> {
    let start = offset(head, header.name.as_bytes());
    let rest = head.get(start..).unwrap_or_default();
    start..start + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
}

/// The value of a header with the blanks around it, which the parser has trimmed.
pub(super) fn raw_value<'h>(head: &'h [u8], header: &httparse::Header<'_>) -> &'h [u8] {
    let line = head.get(line_of(head, header)).unwrap_or_default();
    let value = line.get(header.name.len() + 1..).unwrap_or_default();
    value.strip_suffix(b"\r\n").unwrap_or(value)
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}
