//! A link ended under a request that had begun to run: did its worker die, or did the app only close the connection?
//!
//! It matters twice. The client is told which of the two it was; and where the worker died, the request's slot goes on
//! saying `STARTED`, so that whoever explains the death can count what was running.

use std::rc::Rc;
use std::time::Duration;

use super::failure::Failure;
use super::links::Link;
use super::thread::Thread;
use super::watch::Time;

/// How long a process may take from closing its first descriptor to closing its last.
pub(super) const DEATH_THROES: Duration = Duration::from_millis(10);

/// The failure that the client is told.
pub(super) async fn blame(link: &mut Link, now: Time) -> Failure {
    if is_worker_dead(link, now).await {
        link.abandon();
        Failure::WorkerDied
    } else {
        Failure::WorkerClosed
    }
}

/// The client has had its answer, or what there was of it: the question is looked into without it.
pub(super) fn hold(mut link: Link, thread: &Rc<Thread>) {
    if link.claim.is_none() {
        return;
    }
    let now = thread.watches.now();
    drop(tokio::task::spawn_local(async move { blame(&mut link, now).await }));
}

async fn is_worker_dead(link: &Link, now: Time) -> bool {
    // A process that ends closes its descriptors one by one; the one it listens on may be the last.
    tokio::time::sleep(DEATH_THROES).await;
    let is_heard = Link::is_heard(&link.worker, now).await;
    link.worker.retired.get() || !is_heard
}
