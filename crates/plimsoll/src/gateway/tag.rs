//! By which ids the app's log may know a request: looked up only while the log is being sampled, so that the lines of
//! requests that failed or were slow can be kept.

use bytes::Bytes;

use super::context::Ids;
use crate::concerns::context::parent::Parent;
use crate::concerns::logs::access::Fields;

/// The ids in a head: the client's, or the app's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) request: Option<Bytes>,
    pub(super) trace: Option<[u8; 16]>,
    /// It is recorded here, and the lines of the request should be there with it.
    pub(super) is_traced: bool,
}

impl Tag {
    /// By what the request is known to the app.
    pub(super) fn add(&mut self, ids: &Ids) {
        if let Some(request) = ids.request() {
            self.request = Some(Bytes::copy_from_slice(request));
        }
        self.trace = ids.parent().map(|parent| parent.trace.0).or(self.trace);
        self.is_traced = ids.is_sampled();
    }

    pub(super) fn read(head: &[u8]) -> Self {
        let fields = Fields::read(head);
        Self {
            request: fields.request.map(Bytes::copy_from_slice),
            trace: fields.traceparent.and_then(Parent::read).map(|parent| parent.trace.0),
            is_traced: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_heads() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: one \r\nrequest-id: two\r\n\
                     traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
        let tag = Tag::read(head);
        assert_eq!(tag.request.as_deref(), Some(&b"one"[..]));
        assert_eq!(tag.trace.map(|trace| trace[..2].to_vec()), Some(vec![0x4b, 0xf9]));
        let long =
            format!("HTTP/1.1 200 OK\r\nx-request-id: {}\r\ntraceparent: no\r\nodd\r\n\r\n", "x".repeat(129));
        assert_eq!(Tag::read(long.as_bytes()), Tag::default());
        assert_eq!(Tag::read(b""), Tag::default());
    }
}
