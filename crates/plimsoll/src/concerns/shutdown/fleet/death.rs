//! What the end of a process means.

use std::time::Instant;

use super::{Action, Fleet, Outcome, Phase, Verdict};
use crate::concerns::shutdown::{Place, State};
use crate::ids::WorkerId;

impl Fleet {
    pub(super) fn exited(&mut self, id: WorkerId, now: Instant) {
        self.leaving.retain(|leaving| leaving.id != id);
        if let Some(at) = self.places.iter().position(|place| place.id == id && place.is_alive()) {
            self.place_died(at, now);
        } else {
            self.candidate_died(id, now);
        }
        self.end_if_over(now);
    }

    fn place_died(&mut self, at: usize, now: Instant) {
        let is_replaced = self.is_serving() && self.ever_ready;
        let Some(place) = self.places.get_mut(at) else { return };
        let (id, had_listened) = (place.id, place.has_listened());
        if let Some(candidate) = place.candidate {
            // The one that starts already is the quickest replacement.
            place.state = State::Stopped;
            return self.takes_over(at, candidate, now);
        }
        if !is_replaced || matches!(place.state, State::Draining(_)) {
            place.state = State::Stopped;
            return;
        }
        self.replace(at, now);
        if !had_listened {
            self.newcomer_died(id, now);
        }
    }

    /// The place is empty: another process is started in it, after a while.
    pub(super) fn replace(&mut self, at: usize, now: Instant) {
        let Some(place) = self.places.get_mut(at) else { return };
        let (dead, was_failing) = (place.id, place.is_failing);
        let delay = place.dies(now, &mut self.config.jitter);
        let is_failing = place.is_failing;
        self.actions.push(Action::Replace { dead, delay });
        if is_failing && !was_failing {
            self.actions.push(Action::Failing(dead));
        }
    }

    /// Looks whether the whole is over after a worker has ended.
    pub(super) fn end_if_over(&mut self, now: Instant) {
        let alive = !self.leaving.is_empty() || self.places.iter().any(Place::is_alive);
        match self.phase {
            Phase::Stopping if !alive => self.finish(Outcome::Stopped),
            Phase::Running if !self.ever_ready => {
                let hopeless = |place: &Place| matches!(place.state, State::Held | State::Stopped);
                if self.places.iter().all(hopeless) {
                    self.finish(Outcome::NotStarted);
                }
            }
            Phase::Running if self.places.iter().all(|place| place.is_failing && !place.is_ready()) => {
                self.give_up(Verdict::Superseded, now);
                self.kill_living(now);
                self.finish(Outcome::CrashLoop);
            }
            _ => {}
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        self.phase = Phase::Over;
        self.actions.push(Action::Finish(outcome));
    }
}
