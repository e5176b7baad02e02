//! A link ended under a request: did its worker die, or was only the connection closed?
//!
//! It matters three times. The client is told which of the two it was; where the worker died, the request's slot goes on saying
//! what it said, so that whoever explains the death can count what was running; and where it lives, and has closed its end, nobody
//! comes across a request any more that had not begun, and its slot is for others.

use std::rc::Rc;
use std::time::Duration;

use plimsoll_wire::page::Revoked;

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
    drop(tokio::task::spawn_local(async move {
        if blame(&mut link, now).await == Failure::WorkerClosed && link.stream.is_hung_up() {
            link.settle();
        }
    }));
}

/// Nothing more is sent on the link, and what had not begun to run on it never will.
pub(super) fn discard(mut link: Link, thread: &Rc<Thread>) {
    if link.stream.is_left() {
        link.settle();
    } else if link.claim.as_ref().is_some_and(|claim| claim.revoke() == Revoked::Yes) {
        hold(link, thread);
    }
}

async fn is_worker_dead(link: &Link, now: Time) -> bool {
    // A process that ends closes its descriptors one by one; the one it listens on may be the last.
    tokio::time::sleep(DEATH_THROES).await;
    let is_heard = Link::is_heard(&link.worker, now).await;
    link.worker.retired.get() || !is_heard
}
