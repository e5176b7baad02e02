//! The end of the whole: announced, drained, asked, killed. Each step has its deadline.

use std::time::Instant;

use super::{Action, Fleet, KILL_GRACE, Phase, UNHEARD, Verdict, asked, step_on};
use crate::concerns::shutdown::{Leaving, State, Step};
use crate::ids::WorkerId;

impl Fleet {
    pub(super) fn announce(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.give_up(Verdict::Superseded, now);
        self.actions.push(Action::Announce);
        self.phase = Phase::Announced { until: now + self.config.delay };
        self.let_leaving_finish(now + self.config.delay + self.config.grace);
        // Where nothing listens there is nothing to go on with.
        if self.config.delay.is_zero() || !self.ever_ready {
            self.drain(now);
        }
    }

    pub(super) fn drain(&mut self, now: Instant) {
        let deadline = now + self.config.grace;
        self.phase = Phase::Draining { deadline };
        for place in &mut self.places {
            let finishing = State::Draining(Step::Finishing { since: now, until: deadline });
            place.state = if place.is_alive() { finishing } else { State::Stopped };
        }
        self.let_leaving_finish(deadline);
        self.actions.push(Action::DrainGateway);
    }

    /// What those have in flight who leave already is given as long as all else.
    fn let_leaving_finish(&mut self, deadline: Instant) {
        for leaving in &mut self.leaving {
            if let Step::Finishing { until, .. } = &mut leaving.step {
                *until = deadline.max(*until);
            }
        }
    }

    /// Nobody is connected: whoever is left has nothing to wait for.
    pub(super) fn quiet(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Draining { .. }) {
            self.terminate_all(now);
        }
    }

    /// The worker's last request is done: its own handlers may run now.
    pub(super) fn idle(&mut self, id: WorkerId, now: Instant) {
        let heard = |since: Instant| now.saturating_duration_since(since) >= UNHEARD;
        let next = asked(now, &self.config);
        if let Some(leaving) = self.leaving.iter_mut().find(|leaving| leaving.id == id) {
            if matches!(leaving.step, Step::Finishing { since, .. } if heard(since)) {
                leaving.step = next;
                self.actions.push(Action::Terminate(id));
            }
            return;
        }
        // A request whose head is still on its way needs somebody: the last one stays until all clients are gone.
        let is_finishing = |state| matches!(state, State::Draining(Step::Finishing { .. }));
        let serves = |place: &super::Place| is_finishing(place.state) && place.has_listened();
        if !self.places.iter().any(|place| place.id != id && serves(place)) {
            return;
        }
        let Some(place) = self.places.iter_mut().find(|place| place.id == id) else { return };
        if matches!(place.state, State::Draining(Step::Finishing { since, .. }) if heard(since)) {
            // It gets nothing new from now on, and is asked to end when the gateway's threads know.
            let until = now + self.config.grace;
            place.state = State::Stopped;
            self.leaving.push(Leaving { id, step: Step::Finishing { since: now, until } });
            self.actions.push(Action::Retire(id));
        }
    }

    pub(super) fn terminate_all(&mut self, now: Instant) {
        self.phase = Phase::Stopping;
        let next = asked(now, &self.config);
        for place in &mut self.places {
            if matches!(place.state, State::Draining(Step::Finishing { .. })) {
                place.state = State::Draining(next);
                self.actions.push(Action::Terminate(place.id));
            }
        }
        for leaving in &mut self.leaving {
            if matches!(leaving.step, Step::Finishing { .. }) {
                leaving.step = next;
                self.actions.push(Action::Terminate(leaving.id));
            }
        }
        self.end_if_over(now);
    }

    pub(super) fn kill_all(&mut self, now: Instant) {
        self.give_up(Verdict::Superseded, now);
        if !matches!(self.phase, Phase::Stopping | Phase::Over) {
            self.actions.push(Action::AbortGateway);
        }
        self.phase = Phase::Stopping;
        self.kill_living(now);
        self.end_if_over(now);
    }

    pub(super) fn kill_living(&mut self, now: Instant) {
        let killed = Step::Killed { give_up_at: now + KILL_GRACE };
        for place in &mut self.places {
            if !place.is_alive() {
                place.state = State::Stopped;
            } else if !matches!(place.state, State::Draining(Step::Killed { .. })) {
                place.state = State::Draining(killed);
                self.actions.push(Action::Kill(place.id));
            }
        }
        for leaving in &mut self.leaving {
            if !matches!(leaving.step, Step::Killed { .. }) {
                leaving.step = killed;
                self.actions.push(Action::Kill(leaving.id));
            }
        }
    }

    /// Deadlines of those whose place is taken.
    pub(super) fn pass_leaving(&mut self, now: Instant) {
        let (actions, config) = (&mut self.actions, &self.config);
        self.leaving.retain_mut(|leaving| {
            if leaving.step.deadline().is_none_or(|deadline| deadline > now) {
                return true;
            }
            match step_on(leaving.step, leaving.id, now, config) {
                Some((next, action)) => {
                    leaving.step = next;
                    actions.push(action);
                    true
                }
                None => false,
            }
        });
    }
}
