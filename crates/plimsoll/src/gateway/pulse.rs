//! The pulse: every [`BEAT`] while a request is unclaimed or waits for a worker, one look at all of them.
//!
//! One ticker per gateway thread, not a timer per request, and none at all while every request has been claimed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::endpoint::Now;
use super::thread::Thread;
use super::trunk;
use crate::concerns::event_loop::budget::Budget;
use crate::sys::ticker::Ticker;

/// Half of the shortest time after which a request is rescued by default.
const BEAT: Duration = Duration::from_micros(2500);

#[derive(Debug, Default)]
pub(super) struct Pulse {
    beats: Cell<bool>,
    start: Notify,
    budget: RefCell<Budget>,
}

impl Pulse {
    /// A request was sent, or waits.
    pub(super) fn wake(&self) {
        if !self.beats.replace(true) {
            self.start.notify_one();
        }
    }

    pub(super) fn request(&self) {
        self.budget.borrow_mut().request();
    }
}

/// Runs as long as its thread.
pub(super) async fn run(thread: Rc<Thread>) {
    let pulse = &thread.pulse;
    let ticker = Ticker::new(BEAT);
    loop {
        pulse.start.notified().await;
        thread.work.begins();
        let mut last = Instant::now();
        while pulse.beats.get() {
            ticker.beat().await;
            let exact = Instant::now();
            pulse.budget.borrow_mut().elapsed(exact - last);
            last = exact;
            pulse.beats.set(beat(&thread, Now { coarse: thread.watches.now(), exact }));
        }
    }
}

/// `false`: there was nothing to look at.
fn beat(thread: &Thread, now: Now) -> bool {
    // A thread that always has something to do never sleeps, where this is done.
    trunk::collect();
    let mut longest = None;
    for endpoint in thread.endpoints() {
        longest = longest.max(endpoint.pulse(now));
        endpoint.rescue(now, || thread.pulse.budget.borrow_mut().take());
        endpoint.serve_waiting(now);
    }
    if let Some(longest) = longest {
        thread.stats.queue_age.note(longest, now.exact);
    }
    longest.is_some()
}
