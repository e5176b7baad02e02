//! A small HTTP/1.1 server with bounds, for everything that is not the data path: admin and control.
//!
//! One request per connection, no request body, a deadline for the head: a client can hold a connection and
//! nothing else, and of connections there is a limit. The tasks of connections live in the set of [`serve`] and
//! end with it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Boxed, so that a route may stream.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Must lose no connection when the future is dropped.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

pub(super) trait Handler: Send + Sync + 'static {
    fn handle(&self, request: Request<()>) -> impl Future<Output = Response<Body>> + Send;
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections_max: usize,
    pub(super) when_full: WhenFull,
    /// From accepting to the last byte of the answer; `None` for answers that take as long as they take.
    pub(super) lifetime: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// The one that has taken longest is the one that misbehaves: a probe always gets its answer.
    CloseOldest,
    CloseNew,
}

/// In the extensions of an answer: it goes on for as long as somebody reads it, up to [`LASTS_MAX`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting;

/// Then whoever reads it asks again; who has gone without a word does not.
const LASTS_MAX: Duration = Duration::from_secs(3600);

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Least that hyper accepts; heads of probes and scrapes are far below it.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// After a failed `accept` (no descriptors left): long enough not to spin, short enough for a probe.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long answers that are under way may take once the server is to stop.
const LINGER: Duration = Duration::from_secs(1);

/// Serves until `stop` resolves, then lets the connections that are left end within [`LINGER`].
pub(super) async fn serve<L: Listener, H: Handler>(
    listener: L,
    limits: Limits,
    handler: H,
    stop: impl Future<Output = ()>,
) {
    let handler = Arc::new(handler);
    let mut connections = Connections::new(limits);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_ended) = connections.tasks.join_next() => connections.forget_ended(),
            accepted = listener.accept() => match accepted {
                Ok(stream) => connections.add(stream, &handler),
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(LINGER, async { while connections.tasks.join_next().await.is_some() {} }).await;
}

struct Connections {
    limits: Limits,
    tasks: JoinSet<()>,
    /// Oldest first.
    open: VecDeque<Open>,
}

struct Open {
    task: AbortHandle,
    /// Its answer is a lasting one.
    lasts: Arc<AtomicBool>,
}

impl Connections {
    fn new(limits: Limits) -> Self {
        Self { limits, tasks: JoinSet::new(), open: VecDeque::new() }
    }

    fn add<S, H>(&mut self, stream: S, handler: &Arc<H>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Handler,
    {
        self.forget_ended();
        if self.open.len() >= self.limits.connections_max {
            match self.limits.when_full {
                WhenFull::CloseNew => return,
                WhenFull::CloseOldest => self.close_oldest(),
            }
        }
        let lasts = Arc::<AtomicBool>::default();
        let connection = connection(stream, Arc::clone(handler), self.limits.lifetime, Arc::clone(&lasts));
        self.open.push_back(Open { task: self.tasks.spawn(connection), lasts });
    }

    /// Of those that have no lasting answer: these are limited by who gives them.
    fn close_oldest(&mut self) {
        let oldest = self.open.iter().position(|open| !open.lasts.load(Relaxed)).unwrap_or(0);
        if let Some(oldest) = self.open.remove(oldest) {
            oldest.task.abort();
        }
    }

    fn forget_ended(&mut self) {
        self.open.retain(|open| !open.task.is_finished());
    }
}

async fn connection<S, H>(stream: S, handler: Arc<H>, lifetime: Option<Duration>, lasts: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let service = service_fn(|request| answer(request, &*handler, &lasts));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let result = match lifetime {
        None => serving.await,
        Some(lifetime) => match timeout(lifetime, &mut serving).await {
            Err(_elapsed) if lasts.load(Relaxed) => timeout(LASTS_MAX, serving).await.unwrap_or(Ok(())),
            ended => ended.unwrap_or(Ok(())),
        },
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn answer<H: Handler>(
    request: Request<Incoming>,
    handler: &H,
    lasts: &AtomicBool,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    if !body.is_end_stream() {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "a request must not have a body here\n"));
    }
    let response = handler.handle(Request::from_parts(head, ())).await;
    lasts.store(response.extensions().get::<Lasting>().is_some(), Relaxed);
    Ok(response)
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    response(status, "text/plain; charset=utf-8", body)
}

pub(super) fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => response(status, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

pub(super) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    for (name, value) in
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        set(&mut response, name, value);
    }
    response
}

pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
