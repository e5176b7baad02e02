//! The first flight of a request: its head, signed for the link it goes by, and what is there of its body.
//!
//! It stands in the connection's buffer until the worker has answered, so that it can be sent again, by another
//! link and under another signature, as long as the request has not begun to run.

use std::io::Write as _;
use std::ops::Range;

use plimsoll_wire::names::peer::WAITS;

use super::Target;
use super::buffer::Buffer;
use super::claim::pack_body;
use super::connection::Connection;
use super::context::Ids;
use super::failure::Failure;
use super::http1::body::Body;
use super::http1::framing::Framing;
use super::http1::request::Request;
use super::lanes::Kept;
use super::links::Link;
use crate::ids::RouteId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) route: RouteId,
    /// It is kept to a lane.
    pub(super) kept: Option<Kept>,
    /// The whole body, as claims keep it.
    body: u64,
    /// Bytes of the connection's buffer.
    pub(super) length: usize,
    /// How many of them the link has taken.
    pub(super) sent: usize,
    /// The body after those bytes.
    pub(super) rest: Body,
    /// What stands between the client's headers and the body: the empty line, and our private header before it.
    signature: Range<usize>,
}

impl Flight {
    /// # Errors
    /// The body is broken, or larger than the settings allow.
    pub(super) fn new(
        connection: &mut Connection,
        request: &Request,
        route: RouteId,
    ) -> Result<Self, Failure> {
        let removed = connection.ids.as_deref().map(Ids::removed).unwrap_or_default();
        let Some(buffer) = &mut connection.buffer else { return Err(Failure::BadRequest) };
        let mut rest = Body::from(request.framing);
        let body = rest
            .advance(buffer.filled().get(request.head_len..).unwrap_or_default())
            .map_err(|_| Failure::BadRequest)?;
        if is_too_large(request.framing, &rest, connection.thread.config.body_bytes_max) {
            return Err(Failure::BodyTooLarge);
        }
        let mut head = request.head_len;
        let mut leave_out = |line: &Range<usize>| {
            head -= line.len();
            buffer.splice(line.clone(), b"");
        };
        if removed.is_empty() {
            request.forged.iter().rev().for_each(&mut leave_out);
        } else {
            let mut lines = [request.forged.as_slice(), removed].concat();
            lines.sort_unstable_by_key(|line| line.start);
            lines.iter().rev().for_each(&mut leave_out);
        }
        let whole = if let Framing::Length(length) = request.framing { length } else { 0 };
        let whole = if whole == 0 { 0 } else { pack_body(whole, request.content_type) };
        Ok(Self {
            route,
            kept: None,
            body: whole,
            length: head + body,
            sent: 0,
            rest,
            signature: head - 2..head,
        })
    }

    /// Of the client's head: without the empty line, and what stands before it.
    pub(super) fn head_len(&self) -> usize {
        self.signature.start
    }

    pub(super) fn is_complete(&self) -> bool {
        self.rest.is_done()
    }

    /// Makes the flight ready to go by `link`, whatever link it went by before.
    pub(super) fn sign(&mut self, buffer: &mut Buffer, (ids, private): (&[u8], &str), link: &mut Link) {
        debug_assert!(self.length > 0, "the flight was let go of");
        let complete = self.is_complete();
        let text = match link.worker.target {
            Target::Unix { .. } => signature(ids, private, link, complete),
            Target::Tcp(_) => [ids, b"\r\n"].concat(),
        };
        buffer.splice(self.signature.clone(), &text);
        self.length = self.length - self.signature.len() + text.len();
        self.signature.end = self.signature.start + text.len();
        self.sent = 0;
        if let Some(claim) = &mut link.claim {
            claim.send(self.route, self.body);
        }
    }
}

/// What the request is known by, the private header and the empty line. The link's first request tells the agent the link's slot; a request
/// whose body is still to come asks to be told when it has begun to run, for only then the rest is sent.
fn signature(ids: &[u8], private: &str, link: &Link, complete: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(ids.len() + private.len() + 16);
    text.extend_from_slice(ids);
    text.extend_from_slice(private.as_bytes());
    if let Some(claim) = &link.claim {
        if !claim.is_announced() {
            let written = write!(text, " {}", claim.index());
            debug_assert!(written.is_ok(), "writing to a vector cannot fail");
        }
        if !complete {
            text.push(b' ');
            text.extend_from_slice(WAITS.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n\r\n");
    text
}

/// Whether a body is over the limit of the settings, as far as that can be known yet.
pub(super) fn is_too_large(framing: Framing, body: &Body, max: Option<u64>) -> bool {
    let known = match framing {
        Framing::Length(length) => length,
        _ => body.data_bytes(),
    };
    max.is_some_and(|max| known > max)
}
