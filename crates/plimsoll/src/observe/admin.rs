//! The admin server: read-only, over TCP, for probes, scrapers and people.
//!
//! It runs beside the app loop and waits for no worker (for `/metrics` they are asked, and half a second is all that they
//! have), so it answers while every worker's loop is blocked. Nothing here changes anything: that is what the control
//! socket is for. No `Host` is checked, because there is nothing to protect by it: a page that gets a browser to come here
//! can read what the address was opened for, and no answer carries a CORS header.

mod bind;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::header::{ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};

pub use self::bind::{Error, bind};
use super::control::{Error as Unanswered, Inquiry};
use super::findings;
use super::metrics::{Format, Source};
use super::page;
use super::query;
use super::server::{self, Body, Handler, Limits, Listener, WhenFull};
use super::status::{Readiness, Status, WorkerState};

/// A scrape of many series over a slow line takes a second; 15 are the default timeout of nobody.
const LIMITS: Limits =
    Limits { connections_max: 64, when_full: WhenFull::CloseOldest, lifetime: Some(Duration::from_secs(15)) };

/// Answers on `listener` until `stop` resolves.
pub async fn serve(listener: TcpListener, source: Source, stop: impl Future<Output = ()>) {
    server::serve(listener, LIMITS, Admin { inquiry: source.inquiry.clone(), source }, stop).await;
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Live,
    Ready,
    Status,
    Findings,
    Metrics,
    Page,
    Style,
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
            page::STYLE_PATH => Self::Style,
            _ => return None,
        })
    }
}

impl Handler for Admin {
    async fn handle(&self, request: Request<()>) -> Response<Body> {
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
            Route::Page => self.page().await,
            Route::Style => server::response(StatusCode::OK, "text/css; charset=utf-8", page::STYLE),
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

    async fn page(&self) -> Response<Body> {
        let page = match self.inquiry.status().await {
            Ok(status) => page::render(&status),
            Err(error) => return unavailable(&format!("{error}\n")),
        };
        let mut response = server::response(StatusCode::OK, "text/html; charset=utf-8", page);
        server::set(&mut response, CONTENT_SECURITY_POLICY, page::SECURITY_POLICY);
        server::set(&mut response, REFERRER_POLICY, "no-referrer");
        response
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
