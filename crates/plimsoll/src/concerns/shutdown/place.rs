//! One place in the fleet: the process that stands in it now, and the one that is to take over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::backoff::{Backoff, Jitter, Life};
use crate::ids::WorkerId;

/// This many deaths before listening within [`LOOP_WINDOW`] are a crash loop.
const LOOP_DEATHS: usize = 5;
const LOOP_WINDOW: Duration = Duration::from_secs(10);

/// A candidate that listens, but not at every address of the process that it is to replace, takes over after
/// this long: the new version of the app may have given up an address.
pub(super) const SETTLE: Duration = Duration::from_secs(5);

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
    /// Its requests in flight finish, until this time.
    Finishing { since: Instant, until: Instant },
    /// It was asked to end and is killed at this time.
    Asked { kill_at: Instant },
    /// It was killed. Even that may not end a process (one that hangs in the kernel): then it is left behind.
    Killed { give_up_at: Instant },
}

/// A process that starts beside the one whose place it is to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub id: WorkerId,
    pub since: Instant,
    pub listened: Option<Instant>,
}

/// A process whose place is taken by another, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    pub id: WorkerId,
    pub step: Step,
}

#[derive(Debug, Clone)]
pub struct Place {
    pub id: WorkerId,
    pub state: State,
    /// Of the fleet, when this process was started: tells before from after a reload.
    pub generation: u32,
    pub candidate: Option<Candidate>,
    /// It died again and again before it listened. It is still tried, ever more rarely.
    pub is_failing: bool,
    /// When this process was started.
    began: Option<Instant>,
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
            generation: 0,
            candidate: None,
            is_failing: false,
            began: None,
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

    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// The process that stands here has listened at some time.
    pub(super) fn has_listened(&self) -> bool {
        self.listened.is_some()
    }

    /// A new process takes the empty place.
    pub(super) fn start(&mut self, id: WorkerId, generation: u32, now: Instant) {
        (self.id, self.generation) = (id, generation);
        self.state = State::Starting { since: now, warned: false };
        (self.began, self.listened) = (Some(now), None);
    }

    /// The candidate takes the place. Returns the process that stood there, if one still did.
    pub(super) fn take_over(&mut self, candidate: Candidate, generation: u32) -> Option<WorkerId> {
        let old = self.is_alive().then_some(self.id);
        self.candidate = None;
        (self.id, self.generation) = (candidate.id, generation);
        (self.began, self.listened) = (Some(candidate.since), candidate.listened);
        self.state = match candidate.listened {
            Some(since) => {
                self.forgive();
                State::Ready { since }
            }
            None => State::Starting { since: candidate.since, warned: false },
        };
        old
    }

    pub(super) fn listens(&mut self, now: Instant) {
        if matches!(self.state, State::Starting { .. }) {
            self.state = State::Ready { since: now };
            self.listened.get_or_insert(now);
            self.early_deaths.clear();
            self.is_failing = false;
        }
    }

    pub(super) fn falls_silent(&mut self, now: Instant) {
        if self.is_ready() {
            self.state = State::Starting { since: now, warned: false };
        }
    }

    /// Another version of the app may stand here from now on: how the last one fared says nothing.
    pub(super) fn forgive(&mut self) {
        self.early_deaths.clear();
        self.is_failing = false;
        self.backoff = Backoff::default();
    }

    /// The process died and is to be replaced: returns after how long.
    pub(super) fn dies(&mut self, now: Instant, jitter: &mut Jitter) -> Duration {
        let life = self.life(now);
        self.listened = None;
        if life.ready.is_none() {
            self.count_early_death(now);
        }
        let delay = self.backoff.after_death(life, jitter);
        self.state = State::Waiting { until: now + delay };
        delay
    }

    /// How the process that stands here has lived until now.
    fn life(&self, now: Instant) -> Life {
        let began = self.began.unwrap_or(now);
        Life {
            start: self.listened.unwrap_or(now).saturating_duration_since(began),
            ready: self.listened.map(|since| now.saturating_duration_since(since)),
        }
    }

    fn count_early_death(&mut self, now: Instant) {
        self.early_deaths.retain(|death| now.saturating_duration_since(*death) < LOOP_WINDOW);
        self.early_deaths.push_back(now);
        if self.early_deaths.len() >= LOOP_DEATHS {
            self.is_failing = true;
            self.early_deaths.pop_front();
        }
    }

    /// When this place wants to be looked at again. `listen_timeout` is counted from the start of a worker.
    pub(super) fn deadline(&self, listen_timeout: Duration) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Starting { since, warned: false } => since.checked_add(listen_timeout),
            State::Draining(step) => step.deadline(),
            _ => None,
        }
    }
}

impl Step {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Finishing { until, .. } => Some(until),
            Self::Asked { kill_at } => Some(kill_at),
            Self::Killed { give_up_at } => Some(give_up_at),
        }
    }
}

impl Candidate {
    pub(super) fn deadline(&self, listen_timeout: Duration) -> Option<Instant> {
        match self.listened {
            Some(listened) => listened.checked_add(SETTLE),
            None => self.since.checked_add(listen_timeout),
        }
    }
}
