//! An app loop that knows nothing but the status that it was given.

use tokio::sync::mpsc;

use super::control::{Ended, Haste, Readings, Request, Taken};
use super::status::Status;
use crate::exit::Exit;

/// Answers until it was asked to stop and has said how it ended.
pub(crate) async fn app_loop(mut requests: mpsc::Receiver<Request>, status: Status) {
    while let Some(request) = requests.recv().await {
        match request {
            // Whoever asked may have gone away.
            Request::Status(reply) => drop(reply.send(status.clone())),
            Request::Metrics { reply, .. } => drop(reply.send(Readings::default())),
            Request::Findings(reply) => {
                drop(reply.send(super::findings::judge(&status, super::findings::Then::default(), 0)))
            }
            Request::Stop { haste, ended } => {
                let end = match haste {
                    Haste::Drain => Ended::new(Exit::Drained, "drained: 3 requests finished"),
                    Haste::Now => Ended::new(Exit::Cut, "stopped: 3 requests were cut"),
                };
                drop(ended.send(end));
                return;
            }
            Request::Reload { order, teller } => {
                teller.say("worker 0: a new process starts");
                teller.end(Ended::new(Exit::Drained, format!("reloaded {order:?}")));
            }
            Request::Scale { workers, teller } => {
                teller.end(Ended::new(Exit::Drained, format!("scaled: {workers} workers")));
            }
            Request::Profile { order, teller } => {
                teller.say("worker 0 is profiled");
                let taken =
                    Taken { worker: 0, pid: 7, file: "w0.1/profile-1".into(), directory: "/srv/app".into() };
                teller.end(Ended::new(Exit::Drained, format!("{order:?}")).with(taken));
            }
        }
    }
}
