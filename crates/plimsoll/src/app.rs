//! The only wiring: builds the parts, joins them, and turns how it ended into an exit code.
//!
//! ```text
//! main thread ── supervisor ─ (workers::Front) ─► gateway threads
//!             ├─ questions ◄─ admin server, control socket
//!             └─ one thread per worker's pipe
//! ```
//!
//! Everything on the main thread is one current-thread runtime. Children must be started from a thread that
//! lives as long as the program, because they are told when it ends.

mod front;
mod questions;
mod start;

use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::front::GatewayFront;
use self::questions::Questions;
use self::start::Parts;
use crate::config::Config;
use crate::exit::Exit;
use crate::observe::control::Ended;
use crate::observe::{admin, control, socket};
use crate::sys::output::Target;
use crate::workers;

/// How long answers of the admin server and the control socket may take once everything is over.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Runs `command` behind the gateway until it is stopped.
#[must_use]
pub fn run(config: Config, command: Vec<OsString>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say_failure(Exit::Failure, &format!("the runtime could not be made: {error}")),
    };
    let (exit, message) = runtime.block_on(async {
        match start::prepare(&config, command).await {
            Ok(parts) => serve(parts).await,
            Err(failure) => (failure.exit, failure.message),
        }
    });
    // What still hangs (a name that is being looked up, for instance) must not hold up the end.
    runtime.shutdown_background();
    match exit {
        Exit::Drained => tracing::info!("{message}"),
        _ => return say_failure(exit, &message),
    }
    exit
}

/// Runs all parts until the supervisor ends.
async fn serve(parts: Parts) -> (Exit, String) {
    let (inquiry, asked) = control::channel();
    let (stop, stopped) = watch::channel(());
    let mut servers = JoinSet::new();
    if let Some(listener) = parts.admin {
        let threads = parts.gateway.stats().to_vec();
        servers.spawn(admin::serve(listener, inquiry.clone(), threads, closed(stopped.clone())));
    }
    servers.spawn(socket::serve(parts.control, inquiry, closed(stopped)));

    let (requests, received) = mpsc::channel(16);
    let mut questions = Questions::new(parts.identity, parts.front, requests);
    let how = tokio::select! {
        how = parts.supervisor.run(parts.signals, received) => how,
        never = questions.answer(asked) => match never {},
    };
    let (exit, message) = conclude(how);
    questions.tell(&Ended::new(exit, message.clone()));
    drop(stop);
    let _some_still_wrote =
        timeout(LAST_ANSWERS, async { while servers.join_next().await.is_some() {} }).await;
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
            (exit, format!("drained: {finished} requests finished, {cut} cut, in {seconds:.1}s"))
        }
        workers::Ended::NotStarted { reason } => {
            (Exit::NotStarted, format!("the app did not start: {reason}"))
        }
        workers::Ended::CrashLoop { reason } => {
            (Exit::CrashLoop, format!("the app dies again and again before it listens: {reason}"))
        }
    }
}

fn say_failure(exit: Exit, message: &str) -> Exit {
    // The last words: there is nobody left whom a slow reader of stderr could hold up.
    let _nobody_reads = Target::Stderr.write_all(format!("plimsoll: {message}\n").as_bytes());
    exit
}
