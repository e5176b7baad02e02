//! The control socket: everything that acts on a running instance, for its owner alone.
//!
//! HTTP/1.1 over a Unix socket with mode 0600. The mode already keeps others out; the peer's user is checked as
//! well, because a mode is lost when a directory is copied or a umask is wrong. Root may always.
//!
//! `POST /stop[?haste=now]` answers when everything is over, with how it ended; whoever asks waits as long as
//! the drain takes. If the asker goes away, the stop goes on.
//!
//! `POST /reload[?surge=N&env=K=V&…]` and `POST /scale?workers=N` answer at once with 200 and then line by line, each
//! one JSON object: `{"line": "…"}` as things happen, and at the end how it went, as for a stop. Names and values are
//! percent-encoded.
//!
//! `POST /profile?seconds=N&interval_us=N[&worker=N][&stall_ms=N]` and `POST /heap-snapshot[?worker=N]` answer in the same
//! way; at the end stands where the file lies. If the asker goes away, the order is given up.
//!
//! `GET /status` and `GET /findings` answer what the admin server answers there.
//!
//! `GET /logs[?follow&worker=N&level=L&grep=RE&request=ID&lines=N]` answers with the last lines of the log, one JSON
//! object each, and goes on with each new one if it is to follow.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use hyper::header::ALLOW;
use hyper::{Method, Request, Response, StatusCode};
use rustix::process::geteuid;
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};

use super::control::{Error, Haste, Inquiry, Profile};
use super::findings;
use super::logs::{self, Recent};
use super::query::{self, Query};
use super::report;
use super::server::{self, Body, Handler, Limits, Listener, WhenFull};

/// Name of the socket in an instance's directory.
pub const FILE_NAME: &str = "control.sock";

pub const STATUS_PATH: &str = "/status";
pub const STOP_PATH: &str = "/stop";
pub const RELOAD_PATH: &str = "/reload";
pub const SCALE_PATH: &str = "/scale";
pub const PROFILE_PATH: &str = "/profile";
pub const HEAP_SNAPSHOT_PATH: &str = "/heap-snapshot";
pub const HASTE_NOW: &str = "haste=now";

const LIMITS: Limits = Limits { connections_max: 64, when_full: WhenFull::CloseNew, lifetime: None };

/// Makes the socket in `directory`, which must be ours alone (0700) and hold no other instance's socket.
///
/// # Errors
/// The socket cannot be made there.
pub fn bind(directory: &Path) -> io::Result<UnixListener> {
    let path = directory.join(FILE_NAME);
    let listener = UnixListener::bind(&path)?;
    // Between the two calls the directory's mode keeps others out.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers until `stop` resolves; answers that are under way are then still written.
pub async fn serve(
    listener: UnixListener,
    inquiry: Inquiry,
    recent: Arc<Recent>,
    stop: impl Future<Output = ()>,
) {
    server::serve(Owned(listener), LIMITS, Control { inquiry, recent }, stop).await;
}

/// Accepts from our own user and from root.
struct Owned(UnixListener);

impl Listener for Owned {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _address) = self.0.accept().await?;
            let peer = stream.peer_cred()?.uid();
            if may_control(peer, geteuid().as_raw()) {
                return Ok(stream);
            }
            tracing::warn!(uid = peer, "a foreign user was refused at the control socket");
        }
    }
}

fn may_control(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

struct Control {
    inquiry: Inquiry,
    recent: Arc<Recent>,
}

impl Handler for Control {
    async fn handle(&self, request: Request<()>) -> Response<Body> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, STATUS_PATH) => answer(self.inquiry.status().await),
            (&Method::GET, findings::PATH) => answer(self.inquiry.findings().await),
            (&Method::POST, STOP_PATH) => self.stop(haste(request.uri().query())).await,
            (&Method::POST, RELOAD_PATH) => self.reload(&query::parse(request.uri().query())).await,
            (&Method::POST, SCALE_PATH) => self.scale(&query::parse(request.uri().query())).await,
            (&Method::POST, PROFILE_PATH) => {
                self.profile(query::profile(&query::parse(request.uri().query()))).await
            }
            (&Method::POST, HEAP_SNAPSHOT_PATH) => {
                self.profile(query::heap_snapshot(&query::parse(request.uri().query()))).await
            }
            (&Method::GET, logs::PATH) => self.logs(&query::parse(request.uri().query())),
            (_, STATUS_PATH | findings::PATH | logs::PATH) => not_allowed("GET"),
            (_, STOP_PATH | RELOAD_PATH | SCALE_PATH | PROFILE_PATH | HEAP_SNAPSHOT_PATH) => {
                not_allowed("POST")
            }
            (_, path) => problem(StatusCode::NOT_FOUND, &format!("this build knows no {path}")),
        }
    }
}

impl Control {
    fn logs(&self, query: &Query) -> Response<Body> {
        logs::answer(&self.recent, query).unwrap_or_else(|mistake| problem(StatusCode::BAD_REQUEST, &mistake))
    }

    async fn stop(&self, haste: Haste) -> Response<Body> {
        let ended = match self.inquiry.stop(haste).await {
            Ok(end) => end.await.map_err(|_dropped| Error::Gone),
            Err(error) => Err(error),
        };
        match ended {
            Ok(ended) => server::json(StatusCode::OK, &ended),
            Err(error) => unanswered(error),
        }
    }
}

impl Control {
    async fn reload(&self, query: &Query) -> Response<Body> {
        let order = match query::reload(query) {
            Ok(order) => order,
            Err(mistake) => return problem(StatusCode::BAD_REQUEST, &mistake),
        };
        self.inquiry.reload(order).await.map_or_else(unanswered, report::stream)
    }

    async fn scale(&self, query: &Query) -> Response<Body> {
        let workers = match query::workers(query) {
            Ok(workers) => workers,
            Err(mistake) => return problem(StatusCode::BAD_REQUEST, &mistake),
        };
        self.inquiry.scale(workers).await.map_or_else(unanswered, report::stream)
    }

    async fn profile(&self, order: Result<Profile, String>) -> Response<Body> {
        match order {
            Ok(order) => self.inquiry.profile(order).await.map_or_else(unanswered, report::stream),
            Err(mistake) => problem(StatusCode::BAD_REQUEST, &mistake),
        }
    }
}

fn haste(query: Option<&str>) -> Haste {
    if query == Some(HASTE_NOW) { Haste::Now } else { Haste::Drain }
}

fn answer(asked: Result<impl Serialize, Error>) -> Response<Body> {
    match asked {
        Ok(told) => server::json(StatusCode::OK, &told),
        Err(error) => unanswered(error),
    }
}

fn unanswered(error: Error) -> Response<Body> {
    problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("use {allow}"));
    server::set(&mut response, ALLOW, allow);
    response
}

fn problem(status: StatusCode, error: &str) -> Response<Body> {
    server::json(status, &serde_json::json!({ "error": error }))
}

#[cfg(test)]
mod tests;
