//! The streams of those who have the page open.
//!
//! A tick is written down once, by the first stream that needs it, and shared by all. A stream whose reader is slow skips
//! ticks and keeps none: it holds the bytes that are on their way, and waits for the latest.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::tick;
use crate::observe::control::Inquiry;
use crate::observe::history::{History, Tick};
use crate::observe::server::{self, Body, Lasting};

/// Pages that are open at the same time, on all screens of a team.
const STREAMS_MAX: usize = 16;
/// After a stream was lost, its page comes back so many milliseconds later.
const RETRY: &str = "retry: 2000\n\n";

#[derive(Debug)]
pub(in crate::observe) struct Streams {
    history: History,
    places: Arc<Semaphore>,
}

impl Streams {
    pub(in crate::observe) fn new(history: History) -> Self {
        Self { history, places: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }

    pub(in crate::observe) async fn open(&self, inquiry: &Inquiry) -> Response<Body> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return stream(Full::from(full()).boxed_unsync());
        };
        let mut ticks = self.history.watch();
        // What was last seen of others is in the history already.
        ticks.mark_unchanged();
        let mut first = RETRY.as_bytes().to_vec();
        first.extend(tick::history(&self.history.all()));
        match inquiry.status().await {
            Ok(status) => first.extend(tick::status(status)),
            Err(error) => return server::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        }
        let body = Stream { first: Some(first.into()), next: Box::pin(next(ticks)), _place: place };
        let mut response = stream(body.boxed_unsync());
        response.extensions_mut().insert(Lasting);
        response
    }
}

fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    for (name, value) in [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A stream all the same: of any other answer a page sees nothing, and does not ask again.
fn full() -> String {
    format!("{RETRY}event: full\ndata: {STREAMS_MAX} pages are open: close one of them.\n\n")
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Ticks)>> + Send>>;
type Ticks = watch::Receiver<Option<Arc<Tick>>>;

struct Stream {
    first: Option<Bytes>,
    next: Next,
    _place: OwnedSemaphorePermit,
}

/// The next tick as bytes; nothing when the instance ends.
async fn next(mut ticks: Ticks) -> Option<(Bytes, Ticks)> {
    loop {
        ticks.changed().await.ok()?;
        let latest = ticks.borrow_and_update().clone();
        if let Some(latest) = latest {
            let bytes = latest.bytes.get_or_init(|| tick::tick(&latest).into()).clone();
            return Some((bytes, ticks));
        }
    }
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        Poll::Ready(ready!(self.next.as_mut().poll(cx)).map(|(bytes, ticks)| {
            self.next = Box::pin(next(ticks));
            Ok(Frame::data(bytes))
        }))
    }
}
