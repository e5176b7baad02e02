//! All places together: what one event means for each of them, and when the whole is over.

use std::time::{Duration, Instant};

use super::{Place, State, Step};
use crate::ids::WorkerId;

/// How long a killed process may take to disappear before nobody waits for it any more.
const KILL_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
pub struct Config {
    pub workers: u16,
    pub listen_timeout: Duration,
    /// How long requests in flight may take once a stop has begun.
    pub grace: Duration,
    /// How long a worker may take to end once it was asked to.
    pub worker_grace: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The first worker starts.
    Begin,
    /// Worker 0 is a Node process with our agent: the others may start.
    Release,
    /// The command cannot be run more than once: one worker it is.
    Alone,
    /// The process ended for a reason of ours and is started again; it does not count as a death.
    Again(WorkerId),
    /// A server of the worker is reachable.
    Listens(WorkerId),
    /// The last server of the worker was closed.
    FallsSilent(WorkerId),
    Exited(WorkerId),
    /// Let requests finish, then end.
    Stop,
    /// End at once.
    StopNow,
    /// No client is connected any more.
    Quiet,
    /// Only time has passed.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Start(WorkerId),
    /// Ask the process to end, as the operating system does.
    Terminate(WorkerId),
    /// End the process and all that it started.
    Kill(WorkerId),
    DrainGateway,
    AbortGateway,
    /// The worker runs and has not listened within the listen timeout.
    WarnSilent(WorkerId),
    /// The dead worker is replaced after `delay`.
    Replace {
        dead: WorkerId,
        delay: Duration,
    },
    Finish(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to stop and has.
    Stopped,
    /// Every worker ended before any had listened.
    NotStarted,
    CrashLoop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// Requests in flight finish until the deadline.
    Draining {
        deadline: Instant,
    },
    /// The workers end.
    Stopping,
    Over,
}

#[derive(Debug)]
pub struct Fleet {
    config: Config,
    phase: Phase,
    places: Vec<Place>,
    ever_ready: bool,
    actions: Vec<Action>,
}

impl Fleet {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let places = (0..config.workers.max(1)).map(Place::new).collect();
        Self { config, phase: Phase::Running, places, ever_ready: false, actions: Vec::new() }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// A worker has listened since the start.
    #[must_use]
    pub fn was_ever_ready(&self) -> bool {
        self.ever_ready
    }

    /// The state of a worker, `None` if another stands in its place by now.
    #[must_use]
    pub fn state(&self, id: WorkerId) -> Option<State> {
        self.places.iter().find(|place| place.id == id).map(|place| place.state)
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let drain = match self.phase {
            Phase::Draining { deadline } => Some(deadline),
            Phase::Over => return None,
            Phase::Running | Phase::Stopping => None,
        };
        self.places.iter().filter_map(|place| place.deadline(self.config.listen_timeout)).chain(drain).min()
    }

    /// Takes in what happened and says what is to be done, in this order. After [`Action::Finish`] nothing
    /// more is decided.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if self.phase != Phase::Over {
            self.decide(input, now);
        }
        std::mem::take(&mut self.actions)
    }

    fn decide(&mut self, input: Input, now: Instant) {
        match input {
            Input::Begin => self.start_held(1, now),
            Input::Release => self.start_held(usize::MAX, now),
            Input::Alone => self.places.truncate(1),
            Input::Again(id) => self.restart(id, now),
            Input::Listens(id) => self.listens(id, now),
            Input::FallsSilent(id) => self.with(id, |place| place.falls_silent(now)),
            Input::Exited(id) => self.exited(id, now),
            Input::Stop => self.drain(now),
            Input::StopNow => self.kill_all(now),
            Input::Quiet => self.quiet(now),
            Input::Tick => self.tick(now),
        }
    }

    fn with(&mut self, id: WorkerId, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id) {
            change(place);
        }
    }

    fn start_held(&mut self, count: usize, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        for place in self.places.iter_mut().filter(|place| place.state == State::Held).take(count) {
            self.actions.push(Action::Start(place.start(now)));
        }
    }

    fn restart(&mut self, id: WorkerId, now: Instant) {
        if self.phase != Phase::Running {
            return self.exited(id, now);
        }
        if let Some(place) = self.places.iter_mut().find(|place| place.id == id && place.is_alive()) {
            self.actions.push(Action::Start(place.start(now)));
        }
    }

    fn listens(&mut self, id: WorkerId, now: Instant) {
        self.with(id, |place| place.listens(now));
        if self.ever_ready || !matches!(self.state(id), Some(State::Ready { .. })) {
            return;
        }
        self.ever_ready = true;
        // The command can serve after all: what failed beside this worker is worth another try.
        for place in self.places.iter_mut().filter(|place| place.state == State::Stopped) {
            let dead = place.id;
            let delay = place.dies(now);
            self.actions.push(Action::Replace { dead, delay });
        }
    }

    fn exited(&mut self, id: WorkerId, now: Instant) {
        let (phase, ever_ready) = (self.phase, self.ever_ready);
        let Some(place) = self.places.iter_mut().find(|place| place.id == id && place.is_alive()) else {
            return;
        };
        let is_draining = matches!(place.state, State::Draining(_));
        if phase != Phase::Running || is_draining || !ever_ready {
            place.state = State::Stopped;
        } else {
            let delay = place.dies(now);
            self.actions.push(Action::Replace { dead: id, delay });
        }
        self.end_if_over(now);
    }

    /// Looks whether the whole is over after a worker has ended.
    fn end_if_over(&mut self, now: Instant) {
        let alive = self.places.iter().any(Place::is_alive);
        match self.phase {
            Phase::Stopping if !alive => self.finish(Outcome::Stopped),
            Phase::Running if !self.ever_ready => {
                let hopeless = |place: &Place| matches!(place.state, State::Held | State::Stopped);
                if self.places.iter().all(hopeless) {
                    self.finish(Outcome::NotStarted);
                }
            }
            Phase::Running if self.places.iter().all(Place::is_looping) => {
                self.kill_living(now);
                self.finish(Outcome::CrashLoop);
            }
            _ => {}
        }
    }

    fn drain(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Draining { deadline: now + self.config.grace };
        for place in &mut self.places {
            place.state = if place.is_alive() { State::Draining(Step::Finishing) } else { State::Stopped };
        }
        self.actions.push(Action::DrainGateway);
    }

    fn quiet(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Draining { .. }) {
            self.terminate_all(now);
        }
    }

    fn terminate_all(&mut self, now: Instant) {
        self.phase = Phase::Stopping;
        let kill_at = now + self.config.worker_grace;
        for place in &mut self.places {
            if place.state == State::Draining(Step::Finishing) {
                place.state = State::Draining(Step::Asked { kill_at });
                self.actions.push(Action::Terminate(place.id));
            }
        }
        self.end_if_over(now);
    }

    fn kill_all(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Running | Phase::Draining { .. }) {
            self.actions.push(Action::AbortGateway);
        }
        self.phase = Phase::Stopping;
        self.kill_living(now);
        self.end_if_over(now);
    }

    fn kill_living(&mut self, now: Instant) {
        for place in &mut self.places {
            if !place.is_alive() {
                place.state = State::Stopped;
            } else if !matches!(place.state, State::Draining(Step::Killed { .. })) {
                place.state = State::Draining(Step::Killed { give_up_at: now + KILL_GRACE });
                self.actions.push(Action::Kill(place.id));
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Draining { deadline } if deadline <= now) {
            self.actions.push(Action::AbortGateway);
            self.terminate_all(now);
        }
        for place in &mut self.places {
            let due = place.deadline(self.config.listen_timeout).is_some_and(|deadline| deadline <= now);
            if due {
                self.actions.extend(pass_deadline(place, now));
            }
        }
        self.end_if_over(now);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.phase = Phase::Over;
        self.actions.push(Action::Finish(outcome));
    }
}

/// The deadline of a place has passed.
fn pass_deadline(place: &mut Place, now: Instant) -> Option<Action> {
    match place.state {
        State::Waiting { .. } => Some(Action::Start(place.start(now))),
        State::Starting { since, .. } => {
            place.state = State::Starting { since, warned: true };
            Some(Action::WarnSilent(place.id))
        }
        State::Draining(Step::Asked { .. }) => {
            place.state = State::Draining(Step::Killed { give_up_at: now + KILL_GRACE });
            Some(Action::Kill(place.id))
        }
        State::Draining(Step::Killed { .. }) => {
            place.state = State::Stopped;
            None
        }
        State::Held | State::Ready { .. } | State::Draining(Step::Finishing) | State::Stopped => None,
    }
}
