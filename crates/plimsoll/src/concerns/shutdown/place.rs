//! One place in the fleet: the state of the process that stands in it now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Backoff;
use crate::ids::WorkerId;

/// This many deaths before listening within [`LOOP_WINDOW`] are a crash loop.
const LOOP_DEATHS: usize = 5;
const LOOP_WINDOW: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started yet: worker 0 goes first, to find out what the command is.
    Held,
    /// No process: the next one starts at this time.
    Waiting {
        until: Instant,
    },
    /// The process runs and does not listen. `warned`: the listen timeout has been reported.
    Starting {
        since: Instant,
        warned: bool,
    },
    Ready {
        since: Instant,
    },
    /// The process is to end and gets nothing new.
    Draining(Step),
    /// No process, for good.
    Stopped,
}

/// How far a worker has been drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its requests in flight finish.
    Finishing,
    /// It was asked to end and is killed at this time.
    Asked { kill_at: Instant },
    /// It was killed. Even that may not end a process (one that hangs in the kernel): then it is left behind.
    Killed { give_up_at: Instant },
}

#[derive(Debug, Clone)]
pub struct Place {
    pub id: WorkerId,
    pub state: State,
    /// When this process listened first. It may have fallen silent since: npm ends a moment after the server
    /// that it started, and that is the death of a worker that had been ready.
    listened: Option<Instant>,
    backoff: Backoff,
    early_deaths: VecDeque<Instant>,
}

impl Place {
    pub(super) fn new(index: u16) -> Self {
        Self {
            id: WorkerId { index, incarnation: 0 },
            state: State::Held,
            listened: None,
            backoff: Backoff::default(),
            early_deaths: VecDeque::new(),
        }
    }

    /// A process stands here.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Ready { .. } | State::Draining(_))
    }

    /// Dies again and again before it listens.
    #[must_use]
    pub fn is_looping(&self) -> bool {
        self.early_deaths.len() >= LOOP_DEATHS
    }

    /// A new process takes the place.
    pub(super) fn start(&mut self, now: Instant) -> WorkerId {
        self.id.incarnation = self.id.incarnation.saturating_add(1);
        self.state = State::Starting { since: now, warned: false };
        self.listened = None;
        self.id
    }

    pub(super) fn listens(&mut self, now: Instant) {
        if matches!(self.state, State::Starting { .. }) {
            self.state = State::Ready { since: now };
            self.listened.get_or_insert(now);
            self.early_deaths.clear();
        }
    }

    pub(super) fn falls_silent(&mut self, now: Instant) {
        if matches!(self.state, State::Ready { .. }) {
            self.state = State::Starting { since: now, warned: false };
        }
    }

    /// The process died and is to be replaced: returns after how long.
    pub(super) fn dies(&mut self, now: Instant) -> Duration {
        let ready_for = self.listened.take().map(|since| now.saturating_duration_since(since));
        if ready_for.is_none() {
            self.count_early_death(now);
        }
        let delay = self.backoff.after_death(ready_for);
        self.state = State::Waiting { until: now + delay };
        delay
    }

    fn count_early_death(&mut self, now: Instant) {
        self.early_deaths.retain(|death| now.saturating_duration_since(*death) < LOOP_WINDOW);
        self.early_deaths.push_back(now);
        if self.early_deaths.len() > LOOP_DEATHS {
            self.early_deaths.pop_front();
        }
    }

    /// When this place wants to be looked at again. `listen_timeout` is counted from the start of a worker.
    pub(super) fn deadline(&self, listen_timeout: Duration) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Starting { since, warned: false } => since.checked_add(listen_timeout),
            State::Draining(Step::Asked { kill_at }) => Some(kill_at),
            State::Draining(Step::Killed { give_up_at }) => Some(give_up_at),
            _ => None,
        }
    }
}
