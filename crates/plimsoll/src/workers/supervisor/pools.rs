//! Carries what the agents say of the app's pools to the desk, its answers back, and what it notes to the log.

use std::time::Instant;

use plimsoll_wire::message;
use plimsoll_wire::pools::FromAgent;

use super::Supervisor;
use crate::concerns::downstream::Holder;
use crate::concerns::pools::{Answers, Note};
use crate::ids::WorkerId;
use crate::workers::front::Front;

impl<F: Front> Supervisor<F> {
    pub(super) fn greet_pools(&mut self, worker: WorkerId, channel: u32) {
        if let Some(greeting) = self.pools.greet() {
            self.reply(worker, channel, message::ToAgent::Pools(greeting));
        }
    }

    pub(super) fn on_pools(&mut self, worker: WorkerId, channel: u32, said: FromAgent) {
        let answers = self.pools.hear(Holder { worker, channel }, said, Instant::now());
        self.pass_on_pools(answers);
    }

    pub(super) fn lose_pools(&mut self, worker: WorkerId, channel: u32) {
        let answers = self.pools.lose(Holder { worker, channel }, Instant::now());
        self.pass_on_pools(answers);
    }

    pub(super) fn look_after_pools(&mut self, now: Instant) {
        if self.pools.deadline().is_some_and(|deadline| deadline <= now) {
            let answers = self.pools.look(now);
            self.pass_on_pools(answers);
        }
    }

    fn pass_on_pools(&mut self, answers: Answers) {
        for (holder, message) in answers.messages {
            self.reply(holder.worker, holder.channel, message::ToAgent::Pools(message));
        }
        for note in answers.notes {
            match note {
                Note::Bad(text) => tracing::warn!("{text}"),
                Note::Good(text) => tracing::info!("{text}"),
            }
        }
    }
}
