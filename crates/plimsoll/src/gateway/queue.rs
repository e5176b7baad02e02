//! Requests that wait for a worker: for one that is not late, or for the lane that they are kept to. One queue of each
//! kind per endpoint and gateway thread.
//!
//! First come, first served, until waiting itself is the problem (`concerns/event_loop/overload.rs`).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::endpoint::Turn;
use super::failure::Failure;
use crate::concerns::event_loop::overload::{Limits, Overload};

#[derive(Debug)]
pub(super) struct Queue {
    waiting: RefCell<VecDeque<Rc<Place>>>,
    overload: Cell<Overload>,
}

#[derive(Debug)]
struct Place {
    since: Instant,
    turn: RefCell<Option<Result<Turn, Failure>>>,
    waker: RefCell<Waker>,
    /// Nobody waits here any more.
    left: Cell<bool>,
}

impl Place {
    fn give(&self, turn: Result<Turn, Failure>) {
        *self.turn.borrow_mut() = Some(turn);
        self.waker.borrow().wake_by_ref();
    }
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self { waiting: RefCell::default(), overload: Cell::new(Overload::new(limits)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.overload.get().is_on()
    }

    pub(super) fn enter(&self, now: Instant) -> Waiting {
        let place = Rc::new(Place {
            since: now,
            turn: RefCell::default(),
            waker: RefCell::new(Waker::noop().clone()),
            left: Cell::new(false),
        });
        let mut waiting = self.waiting.borrow_mut();
        waiting.push_back(Rc::clone(&place));
        if waiting.len() > self.overload.get().length_max() {
            let last = if self.is_overloaded() { waiting.pop_front() } else { waiting.pop_back() };
            if let Some(last) = last {
                last.give(Err(Failure::Overloaded));
            }
        }
        Waiting(place)
    }

    /// Hands turns out as long as `choose` has a worker for one, and turns away who has waited for too long.
    pub(super) fn serve(&self, now: Instant, mut choose: impl FnMut() -> Option<Turn>) {
        self.turn_away(now);
        while !self.is_empty() {
            let Some(turn) = choose() else { return };
            let Some(place) = self.next() else { break };
            let waited = now.saturating_duration_since(place.since);
            let mut overload = self.overload.get();
            overload.left(now, waited, self.longest_wait(now));
            self.overload.set(overload);
            place.give(Ok(turn));
        }
        let mut overload = self.overload.get();
        overload.emptied();
        self.overload.set(overload);
    }

    /// There is no worker any more to wait for.
    pub(super) fn dissolve(&self) {
        for place in self.waiting.borrow_mut().drain(..) {
            place.give(Err(Failure::NoWorker));
        }
    }

    fn next(&self) -> Option<Rc<Place>> {
        let mut waiting = self.waiting.borrow_mut();
        loop {
            let next = if self.is_overloaded() { waiting.pop_back() } else { waiting.pop_front() };
            match next {
                Some(place) if place.left.get() => {}
                next => return next,
            }
        }
    }

    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let waiting = self.waiting.borrow();
        waiting.front().map_or(Duration::ZERO, |place| now.saturating_duration_since(place.since))
    }

    fn turn_away(&self, now: Instant) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(front) = waiting.front() {
            let is_too_old = self.overload.get().is_too_long(now.saturating_duration_since(front.since));
            if is_too_old && !front.left.get() {
                front.give(Err(Failure::Overloaded));
            } else if !front.left.get() {
                return;
            }
            waiting.pop_front();
        }
    }
}

/// A place in the queue, as long as it is kept.
#[derive(Debug)]
pub(super) struct Waiting(Rc<Place>);

impl Waiting {
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Turn, Failure>> {
        if let Some(turn) = self.0.turn.borrow_mut().take() {
            return Poll::Ready(turn);
        }
        self.0.waker.borrow_mut().clone_from(cx.waker());
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.left.set(true);
    }
}
