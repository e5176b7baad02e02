//! What one gateway thread has sent to one worker and not seen claimed: from it comes how late the worker is.
//!
//! The gateway is not told of a claim; it looks into the page when it wants to know. Requests are kept in the order
//! in which they were sent, and those at the front that were claimed meanwhile leave with the next look.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Load;
use super::claim::Sent;
use super::lanes::Kept;
use super::watch::Alarm;
use crate::concerns::event_loop::patience::Patience;
use crate::concerns::event_loop::window::Window;

#[derive(Debug)]
struct Entry {
    sent: Sent,
    at: Instant,
    /// Wakes the exchange.
    alarm: Alarm,
    /// It was not rescued too often.
    may_move: bool,
    kept: Option<Kept>,
    /// It is counted as one that had to wait.
    has_waited: bool,
}

/// A request that waits for too long.
#[derive(Debug)]
pub(super) struct Overdue {
    pub(super) sent: Sent,
    pub(super) alarm: Alarm,
    pub(super) kept: Option<Kept>,
}

/// What may become of it while it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) may_move: bool,
    pub(super) kept: Option<Kept>,
}

#[derive(Debug)]
pub(super) struct Unclaimed {
    entries: RefCell<VecDeque<Entry>>,
    patience: Cell<Patience>,
    window: Cell<Window>,
    is_late: Cell<bool>,
    /// Requests that may be sent and have not been yet: their link is being opened.
    granted: Cell<usize>,
    load: Arc<Load>,
}

impl Unclaimed {
    pub(super) fn new(load: &Arc<Load>, rescue_after: Duration) -> Self {
        Self {
            entries: RefCell::default(),
            patience: Cell::new(Patience::new(rescue_after)),
            window: Cell::default(),
            is_late: Cell::new(false),
            granted: Cell::new(0),
            load: Arc::clone(load),
        }
    }

    pub(super) fn push(&self, sent: Sent, at: Instant, alarm: Alarm, terms: Terms) {
        let Terms { may_move, kept } = terms;
        self.entries.borrow_mut().push_back(Entry { sent, at, alarm, may_move, kept, has_waited: false });
    }

    /// May the worker be sent one more? No thread finds it late, and it has room for what this one would send.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        self.look(now);
        let unclaimed = self.entries.borrow().len() + self.granted.get();
        !self.load.is_late() && self.window.get().has_room(unclaimed)
    }

    /// Lets go of what was claimed, and finds out whether the worker is late.
    fn look(&self, now: Instant) {
        let limit = self.patience.get().limit();
        let mut entries = self.entries.borrow_mut();
        let mut window = self.window.get();
        let mut age = Duration::ZERO;
        while let Some(front) = entries.front() {
            age = now.saturating_duration_since(front.at);
            if front.sent.is_unclaimed() {
                break;
            }
            front.sent.note_begun(age);
            window.claimed(age);
            entries.pop_front();
            age = Duration::ZERO;
        }
        let is_late = age > limit;
        if is_late != self.is_late.replace(is_late) {
            if is_late {
                window.late(entries.len());
                if self.load.late_threads.fetch_add(1, Relaxed) == 0 {
                    self.load.lateness.begins(now);
                }
            } else {
                self.load.late_threads.fetch_sub(1, Relaxed);
            }
        }
        self.window.set(window);
    }

    /// A look at regular intervals, as [`Patience`] wants them: how long the oldest has waited. `None`: nothing is unclaimed.
    pub(super) fn pulse(&self, now: Instant) -> Option<Duration> {
        self.look(now);
        if self.is_late.get() {
            self.count_waiting(now);
        }
        let age = self.entries.borrow().front().map(|front| now.saturating_duration_since(front.at));
        if let Some(age) = age {
            self.load.late_peak.note(age, now);
        }
        let mut patience = self.patience.get();
        patience.observe(age.unwrap_or_default());
        self.patience.set(patience);
        age
    }

    fn count_waiting(&self, now: Instant) {
        let limit = self.patience.get().limit();
        let mut waited = 0;
        for entry in &mut *self.entries.borrow_mut() {
            if now.saturating_duration_since(entry.at) <= limit {
                break;
            }
            // Those behind the front may have been taken back, and sent again.
            if !entry.has_waited && entry.sent.is_unclaimed() {
                entry.has_waited = true;
                waited += 1;
            }
        }
        self.load.lateness.waits(waited);
    }

    /// Those that wait for too long and may be rescued, oldest first.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Overdue> {
        let limit = self.patience.get().limit();
        let entries = self.entries.borrow();
        let is_overdue = |entry: &&Entry| now.saturating_duration_since(entry.at) > limit;
        let overdue =
            entries.iter().take_while(is_overdue).filter(|entry| entry.may_move && entry.sent.is_unclaimed());
        let overdue = overdue.map(|entry| Overdue {
            sent: entry.sent.clone(),
            alarm: entry.alarm.clone(),
            kept: entry.kept,
        });
        overdue.collect()
    }

    pub(super) fn grant(self: &Rc<Self>) -> Grant {
        self.granted.update(|granted| granted + 1);
        Grant(Rc::clone(self))
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if self.is_late.get() {
            self.load.late_threads.fetch_sub(1, Relaxed);
        }
    }
}

/// Room in a worker's window, until the request is sent.
#[derive(Debug)]
pub(super) struct Grant(Rc<Unclaimed>);

impl Drop for Grant {
    fn drop(&mut self) {
        self.0.granted.update(|granted| granted.saturating_sub(1));
    }
}
