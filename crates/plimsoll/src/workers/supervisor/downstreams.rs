//! Carries what the agents say of the app's calls to the desk, and its answers back.

use std::time::Instant;

use plimsoll_wire::calls::{FromAgent, ToAgent};
use plimsoll_wire::message;

use super::Supervisor;
use crate::concerns::downstream::{Holder, News};
use crate::ids::WorkerId;
use crate::workers::front::Front;

impl<F: Front> Supervisor<F> {
    /// Before anything else is said: no call of a request is made before the agent knows.
    pub(super) fn greet(&mut self, worker: WorkerId, channel: u32) {
        if let Some(greeting) = self.desk.greet() {
            self.reply(worker, channel, message::ToAgent::Calls(greeting));
        }
    }

    pub(super) fn on_calls(&mut self, worker: WorkerId, channel: u32, said: FromAgent) {
        let holder = Holder { worker, channel };
        if let FromAgent::FanOut { origin, slot, word, calls } = said {
            // The request may be over by now, and another in its place: then nothing is known of its route.
            if let Some(route) = self.front.route_of(worker, slot, word) {
                self.desk.fan_out(holder, origin, &route, calls);
            }
            return;
        }
        if let FromAgent::Broken { origin, slot, word } = said {
            if let Some(route) = self.front.route_of(worker, slot, word) {
                self.desk.broken(holder, origin, &route);
            }
            return;
        }
        if said == FromAgent::Forks {
            self.say_forks();
            return;
        }
        let answers = self.desk.hear(holder, said, Instant::now());
        self.tell(answers);
    }

    /// Breakers that have opened or closed.
    fn say_news(&mut self) {
        for News { origin, open } in self.desk.news() {
            match open {
                Some((length, why)) => tracing::warn!(
                    origin,
                    why,
                    for_ms = length.as_millis(),
                    "the circuit breaker is open: calls are refused, and then one is tried"
                ),
                None => tracing::info!(origin, "the circuit breaker is closed again"),
            }
        }
    }

    fn say_forks(&mut self) {
        let text = "the app forks itself with node:cluster; the calls that its children make are neither seen nor limited";
        match self.desk.forks() {
            Some(true) => tracing::warn!(
                "{text}; hint: let Plimsoll run the workers: --workers N, without a fork in the app"
            ),
            Some(false) => tracing::info!("{text}"),
            None => {}
        }
    }

    pub(super) fn lose_calls(&mut self, worker: WorkerId, channel: u32) {
        let answers = self.desk.lose(Holder { worker, channel }, Instant::now());
        self.tell(answers);
    }

    pub(super) fn look_after_calls(&mut self, now: Instant) {
        if self.desk.deadline().is_some_and(|deadline| deadline <= now) {
            let answers = self.desk.balance(now);
            self.tell(answers);
        }
    }

    fn tell(&mut self, answers: Vec<(Holder, ToAgent)>) {
        self.say_news();
        for (holder, answer) in answers {
            self.reply(holder.worker, holder.channel, message::ToAgent::Calls(answer));
        }
    }
}
