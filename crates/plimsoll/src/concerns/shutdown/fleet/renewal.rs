//! Reload and scale: new processes come up beside the old ones, and only then the old ones go.

use std::time::Instant;

use super::{Action, Fleet, Phase, Verdict, asked};
use crate::concerns::shutdown::{Candidate, Leaving, Place, Step};
use crate::ids::WorkerId;

/// A reload under way.
#[derive(Debug)]
pub(super) struct Renewal {
    surge: u16,
    /// Somebody asked for another one meanwhile. What has been started may have read the old files, so that one
    /// begins afresh when this one has ended; any number of askers share it.
    again: Option<Option<u16>>,
}

/// Another number of workers, which has not been reached yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    from: u16,
    to: u16,
}

impl Fleet {
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.renewal.is_some()
    }

    /// A process is being replaced, for whatever reason.
    #[must_use]
    pub fn is_renewing(&self) -> bool {
        self.is_reloading() || !self.leaving.is_empty() || self.candidates().next().is_some()
    }

    /// How many workers are of the newest generation and serve.
    #[must_use]
    pub fn renewed(&self) -> usize {
        self.places.iter().filter(|place| self.is_renewed(place)).count()
    }

    fn is_renewed(&self, place: &Place) -> bool {
        place.generation == self.generation && place.is_ready()
    }

    /// The way of a reload, for one place: the same files, and so the same generation. A new process that does not come
    /// up is given up, and the old one goes on.
    pub(super) fn renew(&mut self, id: WorkerId, now: Instant) {
        if self.phase != Phase::Running || self.is_renewing() {
            return;
        }
        if let Some(at) = self.places.iter().position(|place| place.id == id && place.is_ready()) {
            self.start_candidate(at, now);
        }
    }

    pub(super) fn start_candidate(&mut self, at: usize, now: Instant) {
        let index = self.places.get(at).map_or(0, |place| place.id.index);
        let id = self.new_id(index);
        if let Some(place) = self.places.get_mut(at) {
            place.candidate = Some(Candidate { id, since: now, listened: None });
            self.actions.push(Action::Start(id));
        }
    }

    pub(super) fn reload(&mut self, surge: Option<u16>, now: Instant) {
        match &mut self.renewal {
            _ if self.phase != Phase::Running || !self.ever_ready => {}
            Some(renewal) => renewal.again = Some(surge),
            None => {
                // One that renews a single worker may have read the old files.
                self.turn_candidates_away(now);
                self.generation = self.generation.saturating_add(1);
                self.renewal =
                    Some(Renewal { surge: surge.unwrap_or(self.config.surge).max(1), again: None });
                // A crash loop may be what this reload is to end.
                self.places.iter_mut().for_each(Place::forgive);
                self.actions.push(Action::ReloadBegins);
            }
        }
    }

    pub(super) fn scale(&mut self, workers: u16, now: Instant) {
        if self.phase != Phase::Running || !self.ever_ready {
            return;
        }
        if self.growth.take().is_some() {
            self.actions.push(Action::ScaleEnds(Verdict::Superseded));
        }
        let (before, workers) = (self.places.len(), workers.max(1));
        let from = u16::try_from(before).unwrap_or(u16::MAX);
        self.places.extend((from..workers).map(Place::new));
        self.growth = Some(Growth { from, to: workers });
        self.start_held(usize::MAX, now);
    }

    /// Surplus places go, as soon as one of those that stay serves.
    fn shrink(&mut self, to: usize, now: Instant) {
        let (stay, go) = self.places.split_at(to.min(self.places.len()));
        if go.iter().any(Place::is_ready) && !stay.iter().any(Place::is_ready) {
            return;
        }
        for place in self.places.split_off(to.min(self.places.len())) {
            if let Some(candidate) = place.candidate {
                self.turn_away(candidate.id, now);
            }
            if place.is_alive() {
                self.retire(place.id, now);
            }
        }
    }

    /// A process that served leaves: it finishes what it has.
    fn retire(&mut self, id: WorkerId, now: Instant) {
        let step = Step::Finishing { since: now, until: now + self.config.grace };
        self.leaving.push(Leaving { id, step });
        self.actions.push(Action::Retire(id));
    }

    /// A process that never served is not needed.
    fn turn_away(&mut self, id: WorkerId, now: Instant) {
        self.leaving.push(Leaving { id, step: asked(now, &self.config) });
        self.actions.push(Action::Terminate(id));
    }

    /// After each input: the next step of a reload, or its end.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        if let Some(Growth { to, .. }) = self.growth {
            self.shrink(to.into(), now);
        }
        self.renew_next(now);
        let is_new = |place: &Place| place.generation == self.generation && place.is_ready();
        if self.renewal.is_some() && self.leaving.is_empty() && self.places.iter().all(is_new) {
            self.end_renewal(Verdict::Done, now);
            self.renew_next(now);
        }
        if let Some(Growth { from, to }) = self.growth {
            let grown = self.places.iter().skip(from.into()).all(Place::is_ready);
            if grown && self.places.len() == usize::from(to) && self.leaving.is_empty() {
                self.growth = None;
                self.actions.push(Action::ScaleEnds(Verdict::Done));
            }
        }
    }

    fn renew_next(&mut self, now: Instant) {
        let Some(surge) = self.renewal.as_ref().map(|renewal| usize::from(renewal.surge)) else { return };
        while self.leaving.len() + self.candidates().count() < surge {
            let is_old = |place: &Place| place.generation != self.generation && place.candidate.is_none();
            let Some(at) = self.places.iter().position(is_old) else { return };
            if !self.places.get(at).is_some_and(Place::is_alive) {
                self.start_in(at, now);
                continue;
            }
            self.start_candidate(at, now);
        }
    }

    pub(super) fn covers(&mut self, id: WorkerId, now: Instant) {
        let is_his = |place: &Place| place.candidate.is_some_and(|candidate| candidate.id == id);
        let Some(at) = self.places.iter().position(is_his) else { return };
        let candidate = self.places.get(at).and_then(|place| place.candidate);
        if let Some(candidate) = candidate.filter(|candidate| candidate.listened.is_some()) {
            self.takes_over(at, candidate, now);
        }
    }

    /// The candidate stands in the place from now on; who stood there leaves.
    pub(super) fn takes_over(&mut self, at: usize, candidate: Candidate, now: Instant) {
        let generation = self.generation;
        let Some(place) = self.places.get_mut(at) else { return };
        let old = place.take_over(candidate, generation);
        self.actions.push(Action::Admit(candidate.id));
        if let Some(old) = old {
            self.retire(old, now);
        }
    }

    /// A candidate's deadline has passed.
    pub(super) fn pass_candidate(&mut self, at: usize, now: Instant) {
        let Some(candidate) = self.places.get(at).and_then(|place| place.candidate) else { return };
        if candidate.listened.is_some() {
            self.takes_over(at, candidate, now);
        } else {
            self.fail(Verdict::Silent(candidate.id), now);
        }
    }

    pub(super) fn candidate_died(&mut self, id: WorkerId, now: Instant) {
        let is_his = |place: &&mut Place| place.candidate.is_some_and(|candidate| candidate.id == id);
        if let Some(place) = self.places.iter_mut().find(is_his) {
            place.candidate = None;
            self.fail(Verdict::Died(id), now);
        }
    }

    /// A process died before it had listened, in a place that was empty or new.
    pub(super) fn newcomer_died(&mut self, id: WorkerId, now: Instant) {
        self.newcomer_failed(id, Verdict::Died(id), now);
    }

    pub(super) fn newcomer_is_silent(&mut self, id: WorkerId, now: Instant) {
        self.newcomer_failed(id, Verdict::Silent(id), now);
    }

    fn newcomer_failed(&mut self, id: WorkerId, verdict: Verdict, now: Instant) {
        let generation = self.places.iter().find(|place| place.id == id).map(|place| place.generation);
        if self.renewal.is_some() && generation == Some(self.generation) {
            self.fail(verdict, now);
        }
        if self.growth.as_ref().is_some_and(|growth| id.index >= growth.from) {
            self.growth = None;
            self.actions.push(Action::ScaleEnds(verdict));
        }
    }

    /// The reload is given up: what serves goes on serving.
    fn fail(&mut self, verdict: Verdict, now: Instant) {
        self.turn_candidates_away(now);
        self.end_renewal(verdict, now);
    }

    fn turn_candidates_away(&mut self, now: Instant) {
        let candidates: Vec<_> = self.places.iter_mut().filter_map(|place| place.candidate.take()).collect();
        candidates.into_iter().for_each(|candidate| self.turn_away(candidate.id, now));
    }

    fn end_renewal(&mut self, verdict: Verdict, now: Instant) {
        let Some(renewal) = self.renewal.take() else { return };
        self.actions.push(Action::ReloadEnds(verdict));
        if let Some(surge) = renewal.again {
            self.reload(surge, now);
        }
    }

    /// A stop takes precedence over everything else that was asked for.
    pub(super) fn give_up(&mut self, verdict: Verdict, now: Instant) {
        self.turn_candidates_away(now);
        if self.renewal.take().is_some() {
            self.actions.push(Action::ReloadEnds(verdict));
        }
        if self.growth.take().is_some() {
            self.actions.push(Action::ScaleEnds(verdict));
        }
    }
}
