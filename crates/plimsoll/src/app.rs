//! The only wiring: builds the parts, joins them, and turns how it ended into an exit code.
//!
//! ```text
//! main thread ── supervisor ─ (workers::Front) ─► gateway threads
//!             ├─ questions ◄─ admin server, control socket
//!             └─ log pipeline (observe::logs)
//! ```
//!
//! Everything on the main thread is one current-thread runtime. Children must be started from a thread that
//! lives as long as the program, because they are told when it ends.

mod context;
mod front;
mod memory;
mod notice;
mod questions;
mod start;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::front::GatewayFront;
use self::questions::Questions;
use self::start::Parts;
use crate::concerns::logs::record::Level;
use crate::concerns::words::counted;
use crate::config::Config;
use crate::exit::Exit;
use crate::observe::control::Ended;
use crate::observe::history::{self, History};
use crate::observe::logs::Mirror;
use crate::observe::metrics::Source;
use crate::observe::metrics::export::{self, Exported};
use crate::observe::{admin, control, socket};
use crate::workers;

/// How long answers of the admin server and the control socket may take once everything is over.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long the sinks may take for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs `command` behind the gateway until it is stopped.
#[must_use]
pub fn run(config: Config, command: Vec<OsString>, mirror: &Mirror) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say_end(Exit::Failure, &format!("the runtime could not be made: {error}")),
    };
    let (exit, message) = runtime.block_on(async {
        match start::prepare(&config, command).await {
            Ok(parts) => {
                parts.logs.reflect(mirror);
                serve(parts).await
            }
            Err(failure) => (failure.exit, failure.message),
        }
    });
    // What still hangs (a name that is being looked up, for instance) must not hold up the end.
    runtime.shutdown_background();
    say_end(exit, &message)
}

/// Runs all parts until the supervisor ends.
async fn serve(parts: Parts) -> (Exit, String) {
    let (inquiry, mut asked) = control::channel();
    let (stop, stopped) = watch::channel(());
    let mut servers = JoinSet::new();
    let history = History::default();
    let threads = parts.gateway.stats().to_vec();
    servers.spawn(history::run(history.clone(), inquiry.clone(), threads, closed(stopped.clone())));
    let source = Source {
        inquiry: inquiry.clone(),
        threads: parts.gateway.stats().to_vec(),
        routes: Arc::clone(parts.gateway.routes()),
        logs: Arc::clone(parts.logs.stats()),
        apps: parts.apps,
        steady: Arc::default(),
        exported: Exported::to(parts.export.as_ref()),
    };
    if let Some(settings) = parts.export {
        servers.spawn(export::run(settings, source.clone(), closed(stopped.clone())));
    }
    if let Some(listener) = parts.admin {
        servers.spawn(admin::serve(listener, source, history, closed(stopped.clone())));
    }
    servers.spawn(socket::serve(parts.control, inquiry, Arc::clone(parts.logs.recent()), closed(stopped)));

    let (requests, received) = mpsc::channel(16);
    let mut questions = Questions::new(parts.identity, parts.front, requests, Arc::clone(parts.logs.stats()));
    let (how, last) = tokio::select! {
        ended = parts.supervisor.run(parts.signals, received) => ended,
        never = questions.answer(&mut asked) => match never {},
    };
    let (exit, message) = conclude(how);
    parts.logs.last_word(level_of(exit), &message);
    if let Some(traces) = &parts.traces {
        traces.close(Instant::now() + LAST_LINES);
    }
    // Everything that workers wrote comes before the last line of our own.
    parts.logs.close(Instant::now() + LAST_LINES);
    questions.conclude(Ended::new(exit, message.clone()), last);
    drop(stop);
    // Whoever asks now, as the last export does, is told how it was at the end.
    let _some_still_wrote = timeout(LAST_ANSWERS, async {
        tokio::select! {
            () = async { while servers.join_next().await.is_some() {} } => {}
            never = questions.answer(&mut asked) => match never {},
        }
    })
    .await;
    (exit, message)
}

/// Resolves when the other end is dropped.
async fn closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

fn conclude(how: workers::Ended) -> (Exit, String) {
    match how {
        workers::Ended::Drained { finished, cut, took } => {
            let exit = if cut == 0 { Exit::Drained } else { Exit::Cut };
            let seconds = took.as_secs_f64();
            (exit, format!("drained: {} finished, {cut} cut, in {seconds:.1}s", counted(finished, "request")))
        }
        workers::Ended::NotStarted { reason } => {
            (Exit::NotStarted, format!("the app did not start: {reason}"))
        }
        workers::Ended::CrashLoop { reason } => {
            (Exit::CrashLoop, format!("the app dies again and again before it listens: {reason}"))
        }
    }
}

/// The last line of the log.
fn say_end(exit: Exit, message: &str) -> Exit {
    match level_of(exit) {
        Level::Info => tracing::info!("{message}"),
        Level::Warn => tracing::warn!("{message}"),
        _ => tracing::error!("{message}"),
    }
    exit
}

fn level_of(exit: Exit) -> Level {
    match exit {
        Exit::Drained => Level::Info,
        Exit::Cut => Level::Warn,
        _ => Level::Error,
    }
}
