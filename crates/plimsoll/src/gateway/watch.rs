//! What can happen to a connection from outside its sockets: its time is up, the gateway drains or aborts.
//!
//! A timer per wait would cost more than the wait. Instead each connection notes a deadline in a cell, and one
//! ticker per thread, running only while there are connections, looks through the cells every [`TICK`] and
//! wakes those whose time has come. Deadlines are late by up to one tick, which no timeout here minds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

pub(super) const TICK: Duration = Duration::from_millis(100);

/// Milliseconds since the thread began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(u64);

impl Time {
    #[cfg(test)]
    pub(super) const ZERO: Self = Self(0);
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Time {
    pub(super) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// How far the end of the gateway has come; it only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    Draining,
    Aborting,
}

/// All connections of one thread, as far as time is concerned.
#[derive(Debug)]
pub(super) struct Watches {
    epoch: Instant,
    /// Time of the last tick: coarse, and free to read.
    now: Cell<Time>,
    phase: Cell<Phase>,
    closes_upgraded: Cell<bool>,
    all: RefCell<Vec<Rc<State>>>,
}

#[derive(Debug)]
struct State {
    index: Cell<usize>,
    deadline: Cell<Time>,
    waker: RefCell<Option<Waker>>,
}

impl Watches {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            now: Cell::new(Time(0)),
            phase: Cell::new(Phase::Running),
            closes_upgraded: Cell::new(false),
            all: RefCell::default(),
        }
    }

    pub(super) fn now(&self) -> Time {
        self.now.get()
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn count(&self) -> usize {
        self.all.borrow().len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.count() == 0
    }

    /// Reads the clock: at each tick, and when the ticker starts again after a rest.
    pub(super) fn refresh(&self) {
        let elapsed = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now.set(Time(elapsed));
    }

    /// Wakes every connection whose deadline has passed.
    pub(super) fn tick(&self) {
        self.refresh();
        self.wake(|state| state.deadline.get() <= self.now.get());
    }

    /// Enters a later phase and tells all connections.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(self.phase.get().max(phase));
        self.wake_all();
    }

    /// WebSockets are asked to end, rather than waited for.
    pub(super) fn close_upgraded(&self) {
        self.closes_upgraded.set(true);
        self.wake_all();
    }

    /// Has every connection look at its state.
    pub(super) fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn wake(&self, which: impl Fn(&State) -> bool) {
        for state in self.all.borrow().iter().filter(|state| which(state)) {
            if let Some(waker) = &*state.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    pub(super) fn add(self: &Rc<Self>) -> Watch {
        if self.is_idle() {
            self.refresh();
        }
        let mut all = self.all.borrow_mut();
        let state = Rc::new(State {
            index: Cell::new(all.len()),
            deadline: Cell::new(Time::NEVER),
            waker: RefCell::default(),
        });
        all.push(Rc::clone(&state));
        Watch { state, watches: Rc::clone(self) }
    }
}

/// One connection's place among the [`Watches`].
#[derive(Debug)]
pub(super) struct Watch {
    state: Rc<State>,
    watches: Rc<Watches>,
}

impl Watch {
    pub(super) fn now(&self) -> Time {
        self.watches.now()
    }

    pub(super) fn phase(&self) -> Phase {
        self.watches.phase()
    }

    pub(super) fn closes_upgraded(&self) -> bool {
        self.watches.closes_upgraded.get()
    }

    pub(super) fn set_deadline(&self, deadline: Time) {
        self.state.deadline.set(deadline);
    }

    pub(super) fn has_deadline(&self) -> bool {
        self.state.deadline.get() != Time::NEVER
    }

    pub(super) fn is_expired(&self) -> bool {
        self.state.deadline.get() <= self.watches.now()
    }

    /// What wakes this task from elsewhere in the thread.
    pub(super) fn alarm(&self) -> Alarm {
        Alarm(Rc::clone(&self.state))
    }

    /// Has this task woken when the deadline passes or the phase changes.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.state.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// Wakes a task that has registered with its [`Watch`].
#[derive(Debug, Clone)]
pub(super) struct Alarm(Rc<State>);

impl Alarm {
    pub(super) fn ring(&self) {
        if let Some(waker) = &*self.0.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = self.watches.all.borrow_mut();
        let index = self.state.index.get();
        if index < all.len() {
            all.swap_remove(index);
            if let Some(moved) = all.get(index) {
                moved.index.set(index);
            }
        }
    }
}
