//! The admin server: read-only, over TCP, for probes, scrapers and people.
//!
//! It runs beside the app loop and waits for no worker (for `/metrics` they are asked, and half a second is all that they
//! have), so it answers while every worker's loop is blocked. Nothing here changes anything: that is what the control
//! socket is for. No answer carries a CORS header, and where it listens on the loopback alone it answers only to names of
//! the loopback ([`host`]): no page of somebody else gets a browser to read it.

mod bind;
mod host;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::header::{ACCEPT, ALLOW, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};

pub use self::bind::{Error, bind};
use super::control::{Error as Unanswered, Inquiry};
use super::dashboard::{self, Streams};
use super::findings;
use super::history::History;
use super::metrics::{Format, Source};
use super::query;
use super::server::{self, Body, Handler, Limits, Listener, WhenFull};
use super::status::{Readiness, Status, WorkerState};

/// A scrape of many series over a slow line takes a second; 15 are the default timeout of nobody.
const LIMITS: Limits =
    Limits { connections_max: 64, when_full: WhenFull::CloseOldest, lifetime: Some(Duration::from_secs(15)) };

/// Answers on `listener` until `stop` resolves.
pub async fn serve(listener: TcpListener, source: Source, history: History, stop: impl Future<Output = ()>) {
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let (inquiry, streams) = (source.inquiry.clone(), Streams::new(history));
    server::serve(listener, LIMITS, Admin { inquiry, source, streams, is_loopback }, stop).await;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _address): (TcpStream, SocketAddr) = TcpListener::accept(self).await?;
        Ok(stream)
    }
}

struct Admin {
    inquiry: Inquiry,
    source: Source,
    streams: Streams,
    /// It listens where only this host can come.
    is_loopback: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Live,
    Ready,
    Status,
    Findings,
    Metrics,
    Page,
    Events,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" | "/healthz" => Self::Live,
            "/readyz" => Self::Ready,
            "/status" => Self::Status,
            findings::PATH => Self::Findings,
            "/metrics" => Self::Metrics,
            "/" => Self::Page,
            "/events" => Self::Events,
            _ => return None,
        })
    }
}

impl Handler for Admin {
    async fn handle(&self, request: Request<()>) -> Response<Body> {
        if self.is_loopback && !host::is_of_loopback(&request) {
            return server::text(StatusCode::MISDIRECTED_REQUEST, host::REFUSAL);
        }
        let Some(route) = Route::of(request.uri().path()) else {
            return server::text(StatusCode::NOT_FOUND, "nothing is here; see /\n");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = server::text(StatusCode::METHOD_NOT_ALLOWED, "read-only: GET and HEAD\n");
            server::set(&mut refusal, ALLOW, "GET, HEAD");
            return refusal;
        }
        match route {
            Route::Live => self.live().await,
            Route::Ready => self.ready().await,
            Route::Status => self.status().await,
            Route::Findings => self.findings().await,
            Route::Metrics => self.metrics(request.uri().query(), request.headers().get(ACCEPT)).await,
            Route::Page => dashboard::page(),
            Route::Events if *request.method() == Method::HEAD => {
                server::response(StatusCode::OK, "text/event-stream", "")
            }
            Route::Events => self.streams.open(&self.inquiry).await,
        }
    }
}

impl Admin {
    /// Alive is the supervisor that turns, however busy its workers are: to restart it would help none of
    /// them. The text tells a probe's reader which of the two it is.
    async fn live(&self) -> Response<Body> {
        match self.inquiry.status().await {
            Ok(status) => server::text(StatusCode::OK, format!("ok: {}\n", workers_in_words(&status))),
            Err(error) => unavailable(&format!("not live: {error}\n")),
        }
    }

    async fn ready(&self) -> Response<Body> {
        match self.inquiry.status().await.map(|status| status.readiness()) {
            Ok(Readiness::Ready) => server::text(StatusCode::OK, "ready\n"),
            Ok(Readiness::NotReady(why)) => unavailable(&format!("not ready: {why}\n")),
            Err(error) => unavailable(&format!("not ready: {error}\n")),
        }
    }

    async fn status(&self) -> Response<Body> {
        answer(self.inquiry.status().await)
    }

    /// What `plimsoll doctor` says.
    async fn findings(&self) -> Response<Body> {
        answer(self.inquiry.findings().await)
    }

    async fn metrics(&self, query: Option<&str>, accept: Option<&HeaderValue>) -> Response<Body> {
        let format = Format::accepted(accept.and_then(|types| types.to_str().ok()));
        let each = query::parse(query).iter().any(|(name, value)| name == "app" && value == "each");
        let scrape =
            self.source.read(move |scrape, apps| scrape.with_apps(apps, each, format).encode(format));
        match scrape.await {
            Ok(Ok(exposition)) => server::response(StatusCode::OK, format.content_type(), exposition),
            Ok(Err(error)) => server::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            Err(error) => server::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

fn answer(asked: Result<impl Serialize, Unanswered>) -> Response<Body> {
    match asked {
        Ok(told) => server::json(StatusCode::OK, &told),
        Err(error) => {
            server::json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "error": error.to_string() }))
        }
    }
}

fn unavailable(text: &str) -> Response<Body> {
    let mut response = server::text(StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
    server::set(&mut response, RETRY_AFTER, "1");
    response
}

fn workers_in_words(status: &Status) -> String {
    let in_flight: u64 = status.processes().map(|worker| u64::from(worker.in_flight)).sum();
    format!(
        "{} of {} workers ready, {in_flight} requests in flight",
        status.workers_in(WorkerState::Ready),
        status.workers.len()
    )
}

#[cfg(test)]
mod tests;
