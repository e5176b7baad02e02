//! The head of a worker's response.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::framing::{self, Framing};
use super::head;
use super::request::Persistence;
use crate::config::HEADERS_MAX;
use crate::observe::http::Method;

/// Largest head that a worker may send. Node sets itself no limit; this one only bounds our memory.
pub const HEAD_BYTES_MAX: usize = 256 * 1024;

/// Why a worker's answer is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error(transparent)]
    Head(#[from] head::Error),
    #[error(transparent)]
    Framing(#[from] framing::Error),
    #[error("the head is malformed: {0}")]
    Malformed(httparse::Error),
    #[error("the head is larger than {HEAD_BYTES_MAX} bytes")]
    TooLarge,
}

/// What the gateway must know of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub head_len: usize,
    pub status: u16,
    pub framing: Framing,
    /// Of the link, and so of the client's connection too: the header passes through.
    pub persistence: Persistence,
    /// The `Connection` header line, whole, where there is exactly one: replaced while draining.
    pub connection_line: Option<Range<usize>>,
    /// Switches to WebSocket, if it switches at all.
    pub websocket: bool,
    /// It tells the id of the request.
    pub has_request_id: bool,
}

impl Response {
    /// Reads the head at the start of `bytes`.
    ///
    /// # Errors
    /// It is not an HTTP/1 response that every client would frame in the same way.
    pub fn read(bytes: &[u8], scan: &mut head::Scan, method: Method) -> Result<Option<Self>, Bad> {
        let Some(head_len) = scan.advance(bytes)? else {
            return if bytes.len() < HEAD_BYTES_MAX { Ok(None) } else { Err(Bad::TooLarge) };
        };
        let head = bytes.get(..head_len).unwrap_or_default();
        let mut headers = [MaybeUninit::<httparse::Header<'_>>::uninit(); HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, head, &mut headers)
            .map_err(Bad::Malformed)?;
        if status != httparse::Status::Complete(head_len) {
            return Err(Bad::Malformed(httparse::Error::NewLine));
        }
        let code = parsed.code.unwrap_or_default();
        let bodiless = method == Method::Head || code < 200 || code == 204 || code == 304;
        let mut fields = Fields::default();
        for header in &*parsed.headers {
            fields.add(head, header)?;
        }
        // RFC 9110 §8.6 and RFC 9112 §6.1 forbid it, and Node 18 would wait for that body.
        if code < 200 && code != 101 && fields.framing.announces_body() {
            return Err(framing::Error::BodyInInterim.into());
        }
        let framing = fields.framing.of_response(bodiless)?;
        let is_http10 = parsed.version == Some(0);
        let ends = fields.close || (is_http10 && !fields.keep_alive) || framing == Framing::UntilClose;
        Ok(Some(Self {
            head_len,
            status: code,
            framing,
            persistence: if ends { Persistence::Close } else { Persistence::KeepAlive },
            connection_line: fields.connection_line,
            websocket: fields.websocket,
            has_request_id: fields.has_request_id,
        }))
    }

    /// 100 to 199 without 101: more heads follow.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

#[derive(Debug, Default)]
struct Fields {
    framing: framing::Fields,
    close: bool,
    keep_alive: bool,
    connection_line: Option<Range<usize>>,
    websocket: bool,
    has_request_id: bool,
}

impl Fields {
    fn add(&mut self, head: &[u8], header: &httparse::Header<'_>) -> Result<(), Bad> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            7 if is("upgrade") => {
                self.websocket = header.value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            }
            10 if is("connection") => {
                for option in head::list(header.value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                self.connection_line = Some(super::request::line_of(head, header));
            }
            12 if is("x-request-id") => self.has_request_id = true,
            14 if is("content-length") => self.framing.content_length(header.value)?,
            17 if is("transfer-encoding") => {
                self.framing.transfer_encoding(super::request::raw_value(head, header))?
            }
            _ => {}
        }
        Ok(())
    }
}
