//! An answer that grows while something happens: lines of JSON, the last one says how it went.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::control::{Ended, Told};
use super::server::Body;

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Said { line: String },
    Ended(Ended),
}

pub(super) fn stream(told: Told) -> Response<Body> {
    let mut response = Response::new(Lines(Some(told)).boxed_unsync());
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// `None`: the last line is out.
struct Lines(Option<Told>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(told) = &mut self.0 else { return Poll::Ready(None) };
        // What was said comes before the end: the sender of lines is dropped with the other one.
        if let Some(line) = ready!(told.lines.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(frame(&Line::Said { line }))));
        }
        let ended = ready!(Pin::new(&mut told.ended).poll(cx));
        self.0 = None;
        // Without an end the instance is gone: the answer just stops, and whoever asked sees that.
        Poll::Ready(ended.ok().map(|ended| Ok(frame(&Line::Ended(ended)))))
    }
}

fn frame(line: &Line) -> Frame<Bytes> {
    // Strings and numbers alone: there is nothing in it that JSON could not say.
    let mut json = serde_json::to_vec(line).unwrap_or_default();
    json.push(b'\n');
    Frame::data(json.into())
}
