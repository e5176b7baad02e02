//! All places together: what one event means for each of them, and when the whole is over.

mod death;
mod renewal;
mod stop;

use std::time::{Duration, Instant};

use self::renewal::{Growth, Renewal};
use super::{Candidate, Jitter, Leaving, Place, State, Step};
use crate::ids::WorkerId;

/// How long a killed process may take to disappear before nobody waits for it any more.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// The gateway's threads hear one after the other that a worker gets nothing new: before that, that it has
/// nothing to do says nothing.
const UNHEARD: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
pub struct Config {
    pub workers: u16,
    pub listen_timeout: Duration,
    /// How long everything goes on once a stop was asked for: until nobody sends us new clients.
    pub delay: Duration,
    /// How long requests in flight may take once they are waited for.
    pub grace: Duration,
    /// How long a worker may take to end once it was asked to.
    pub worker_grace: Duration,
    /// Processes that there may be above the number of workers while they are renewed.
    pub surge: u16,
    pub jitter: Jitter,
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
    /// The worker listens wherever the one whose place it is to take does.
    Covers(WorkerId),
    /// The last server of the worker was closed.
    FallsSilent(WorkerId),
    Exited(WorkerId),
    /// The worker has no request in flight.
    Idle(WorkerId),
    /// Renew this one worker, if it serves and nothing else is being renewed.
    Renew(WorkerId),
    /// Renew all workers, with this many processes more than workers where it is given.
    Reload(Option<u16>),
    /// From now on there are this many workers.
    Scale(u16),
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
    /// The process takes traffic from now on.
    Admit(WorkerId),
    /// The process gets nothing new.
    Retire(WorkerId),
    /// Ask the process to end, as the operating system does.
    Terminate(WorkerId),
    /// End the process and all that it started.
    Kill(WorkerId),
    /// Say that we are about to go; everything is still served.
    Announce,
    DrainGateway,
    AbortGateway,
    /// The worker runs and has not listened within the listen timeout.
    WarnSilent(WorkerId),
    /// The dead worker is replaced after `delay`.
    Replace {
        dead: WorkerId,
        delay: Duration,
    },
    /// The place dies again and again before it listens, while others serve.
    Failing(WorkerId),
    /// A reload begins, also the one that waited for another.
    ReloadBegins,
    ReloadEnds(Verdict),
    ScaleEnds(Verdict),
    Finish(Outcome),
}

/// How a reload or a change of scale went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// The new process ended before it served.
    Died(WorkerId),
    /// The new process has not listened within the listen timeout.
    Silent(WorkerId),
    /// Something that was asked for later took its place: a stop, another scale.
    Superseded,
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
    /// We have said that we go, and serve until then.
    Announced {
        until: Instant,
    },
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
    leaving: Vec<Leaving>,
    /// Processes started so far in each place, also in those that are gone: no id is used twice.
    started: Vec<u32>,
    /// Raised by each reload.
    generation: u32,
    renewal: Option<Renewal>,
    growth: Option<Growth>,
    ever_ready: bool,
    actions: Vec<Action>,
}

impl Fleet {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            phase: Phase::Running,
            places: (0..config.workers.max(1)).map(Place::new).collect(),
            leaving: Vec::new(),
            started: Vec::new(),
            generation: 1,
            renewal: None,
            growth: None,
            ever_ready: false,
            actions: Vec::new(),
        }
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    #[must_use]
    pub fn leaving(&self) -> &[Leaving] {
        &self.leaving
    }

    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// A worker has listened since the start.
    #[must_use]
    pub fn was_ever_ready(&self) -> bool {
        self.ever_ready
    }

    /// Requests are served and the dead are replaced.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Announced { .. })
    }

    /// The process that stands in a place has listened at some time.
    #[must_use]
    pub fn has_listened(&self, id: WorkerId) -> bool {
        self.places.iter().any(|place| place.id == id && place.has_listened())
    }

    /// The state of a process, `None` if it is none of ours (any more).
    #[must_use]
    pub fn state(&self, id: WorkerId) -> Option<State> {
        if let Some(leaving) = self.leaving.iter().find(|leaving| leaving.id == id) {
            return Some(State::Draining(leaving.step));
        }
        if let Some(candidate) = self.candidates().find(|candidate| candidate.id == id) {
            return Some(State::Starting { since: candidate.since, warned: false });
        }
        self.places.iter().find(|place| place.id == id).map(|place| place.state)
    }

    /// The process whose place this one is to take; `None` if it is no candidate.
    #[must_use]
    pub fn predecessor(&self, id: WorkerId) -> Option<WorkerId> {
        let is_for = |place: &&Place| place.candidate.is_some_and(|candidate| candidate.id == id);
        self.places.iter().find(is_for).map(|place| place.id)
    }

    fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.places.iter().filter_map(|place| place.candidate)
    }

    /// Those whose last request is waited for.
    #[must_use]
    pub fn finishing(&self) -> Vec<WorkerId> {
        let of_places = self.places.iter().filter_map(|place| match place.state {
            State::Draining(Step::Finishing { .. }) => Some(place.id),
            _ => None,
        });
        let is_finishing = |leaving: &&Leaving| matches!(leaving.step, Step::Finishing { .. });
        of_places.chain(self.leaving.iter().filter(is_finishing).map(|leaving| leaving.id)).collect()
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let whole = match self.phase {
            Phase::Announced { until: deadline } | Phase::Draining { deadline } => Some(deadline),
            Phase::Over => return None,
            Phase::Running | Phase::Stopping => None,
        };
        let timeout = self.config.listen_timeout;
        let places = self.places.iter().filter_map(|place| place.deadline(timeout));
        let candidates = self.candidates().filter_map(|candidate| candidate.deadline(timeout));
        let leaving = self.leaving.iter().filter_map(|leaving| leaving.step.deadline());
        places.chain(candidates).chain(leaving).chain(whole).min()
    }

    /// Takes in what happened and says what is to be done, in this order. After [`Action::Finish`] nothing
    /// more is decided.
    #[must_use]
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if self.phase != Phase::Over {
            self.decide(input, now);
            self.go_on(now);
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
            Input::Covers(id) => self.covers(id, now),
            Input::FallsSilent(id) => self.falls_silent(id, now),
            Input::Exited(id) => self.exited(id, now),
            Input::Idle(id) => self.idle(id, now),
            Input::Renew(id) => self.renew(id, now),
            Input::Reload(surge) => self.reload(surge, now),
            Input::Scale(workers) => self.scale(workers, now),
            Input::Stop => self.announce(now),
            Input::StopNow => self.kill_all(now),
            Input::Quiet => self.quiet(now),
            Input::Tick => self.tick(now),
        }
    }

    /// The next id of a place.
    fn new_id(&mut self, index: u16) -> WorkerId {
        let at = usize::from(index);
        if self.started.len() <= at {
            self.started.resize(at + 1, 0);
        }
        let incarnation = self.started.get_mut(at).map_or(1, |started| {
            *started = started.saturating_add(1);
            *started
        });
        WorkerId { index, incarnation }
    }

    /// Starts a process in the place, which is empty or whose process counts for nothing.
    fn start_in(&mut self, at: usize, now: Instant) {
        let Some(index) = self.places.get(at).map(|place| place.id.index) else { return };
        let id = self.new_id(index);
        let generation = self.generation;
        if let Some(place) = self.places.get_mut(at) {
            place.start(id, generation, now);
            self.actions.push(Action::Start(id));
        }
    }

    fn start_held(&mut self, count: usize, now: Instant) {
        if !self.is_serving() {
            return;
        }
        let is_held = |(at, place): (usize, &Place)| (place.state == State::Held).then_some(at);
        let held: Vec<usize> = self.places.iter().enumerate().filter_map(is_held).take(count).collect();
        held.into_iter().for_each(|at| self.start_in(at, now));
    }

    fn restart(&mut self, id: WorkerId, now: Instant) {
        if !self.is_serving() {
            return self.exited(id, now);
        }
        let is_candidate = |place: &Place| place.candidate.is_some_and(|candidate| candidate.id == id);
        if let Some(at) = self.places.iter().position(is_candidate) {
            self.start_candidate(at, now);
        } else if let Some(at) = self.places.iter().position(|place| place.id == id && place.is_alive()) {
            self.start_in(at, now);
        } else {
            self.exited(id, now);
        }
    }

    fn listens(&mut self, id: WorkerId, now: Instant) {
        for place in &mut self.places {
            match &mut place.candidate {
                Some(candidate) if candidate.id == id => {
                    candidate.listened.get_or_insert(now);
                }
                _ if place.id == id => place.listens(now),
                _ => {}
            }
        }
        if self.ever_ready || !matches!(self.state(id), Some(State::Ready { .. })) {
            return;
        }
        self.ever_ready = true;
        // The command can serve after all: what failed beside this worker is worth another try.
        for at in 0..self.places.len() {
            if self.places.get(at).is_some_and(|place| place.state == State::Stopped) {
                self.replace(at, now);
            }
        }
    }

    fn falls_silent(&mut self, id: WorkerId, now: Instant) {
        for place in &mut self.places {
            match &mut place.candidate {
                Some(candidate) if candidate.id == id => candidate.listened = None,
                _ if place.id == id => place.falls_silent(now),
                _ => {}
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Announced { until } if until <= now => self.drain(now),
            Phase::Draining { deadline } if deadline <= now => {
                self.actions.push(Action::AbortGateway);
                self.terminate_all(now);
            }
            _ => {}
        }
        let timeout = self.config.listen_timeout;
        for at in 0..self.places.len() {
            let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
            if self.places.get(at).is_some_and(|place| due(place.deadline(timeout))) {
                self.pass_deadline(at, now);
            }
            let candidate = self.places.get(at).and_then(|place| place.candidate);
            if candidate.is_some_and(|candidate| due(candidate.deadline(timeout))) {
                self.pass_candidate(at, now);
            }
        }
        self.pass_leaving(now);
        self.end_if_over(now);
    }

    /// The deadline of a place has passed.
    fn pass_deadline(&mut self, at: usize, now: Instant) {
        let Some(place) = self.places.get_mut(at) else { return };
        match place.state {
            State::Waiting { .. } => self.start_in(at, now),
            State::Starting { since, .. } => {
                place.state = State::Starting { since, warned: true };
                let id = place.id;
                self.actions.push(Action::WarnSilent(id));
                self.newcomer_is_silent(id, now);
            }
            State::Draining(step) => match step_on(step, place.id, now, &self.config) {
                Some((next, action)) => {
                    place.state = State::Draining(next);
                    self.actions.push(action);
                }
                None => place.state = State::Stopped,
            },
            State::Held | State::Ready { .. } | State::Stopped => {}
        }
    }
}

/// The deadline of a step has passed: the next one, or the process is left behind.
fn step_on(step: Step, id: WorkerId, now: Instant, config: &Config) -> Option<(Step, Action)> {
    match step {
        Step::Finishing { .. } => Some((asked(now, config), Action::Terminate(id))),
        Step::Asked { .. } => Some((Step::Killed { give_up_at: now + KILL_GRACE }, Action::Kill(id))),
        Step::Killed { .. } => None,
    }
}

fn asked(now: Instant, config: &Config) -> Step {
    Step::Asked { kill_at: now + config.worker_grace }
}
