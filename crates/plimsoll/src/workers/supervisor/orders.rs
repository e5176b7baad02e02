//! Reload and scale: who asked for them, with which variables, and what they are told.

use std::time::{Duration, Instant};

use super::{Nature, Supervisor};
use crate::concerns::shutdown::{Input, Phase, State, Verdict};
use crate::concerns::words::counted;
use crate::exit::Exit;
use crate::ids::WorkerId;
use crate::observe::control::{Ended, Reload, Teller};
use crate::workers::front::Front;
use crate::workers::report;

/// Who may wait for the same reload; the others are not told how it went.
const WAITING_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Orders {
    /// The reload under way, and the one that begins after it.
    now: Asked,
    next: Asked,
    /// Variables of all reloads that succeeded.
    proven: Vec<(String, String)>,
    begun: Option<Instant>,
    scale: Option<Teller>,
}

#[derive(Debug, Default)]
struct Asked {
    environment: Vec<(String, String)>,
    tellers: Vec<Teller>,
}

impl Asked {
    fn add(&mut self, environment: Vec<(String, String)>, teller: Option<Teller>) {
        for (name, value) in environment {
            set(&mut self.environment, name, value);
        }
        self.tellers.retain(Teller::is_heard);
        if self.tellers.len() < WAITING_MAX {
            self.tellers.extend(teller);
        }
    }

    fn end(self, ended: &Ended) {
        self.tellers.into_iter().for_each(|teller| teller.end(ended.clone()));
    }
}

impl Orders {
    /// What a process that starts now gets beside our own environment.
    pub(super) fn environment(&self) -> &[(String, String)] {
        if self.begun.is_some() { &self.now.environment } else { &self.proven }
    }

    /// Tells everyone who waits.
    pub(super) fn say(&self, line: &str) {
        self.now.tellers.iter().chain(&self.scale).for_each(|teller| teller.say(line));
    }
}

fn set(environment: &mut Vec<(String, String)>, name: String, value: String) {
    environment.retain(|(other, _)| *other != name);
    environment.push((name, value));
}

impl<F: Front> Supervisor<F> {
    pub(super) fn reload(&mut self, order: Reload, teller: Option<Teller>) {
        if let Some(reason) = self.why_not() {
            return refuse(teller, "reloaded", reason);
        }
        if self.fleet.is_reloading() {
            let line = "another reload is under way; this one begins after it";
            tracing::info!("{line}");
            teller.iter().for_each(|teller| teller.say(line));
        }
        self.orders.next.add(order.environment, teller);
        self.apply(Input::Reload(order.surge));
    }

    pub(super) fn scale(&mut self, workers: u16, teller: Teller) {
        if let Some(reason) = self.why_not() {
            return refuse(Some(teller), "scaled", reason);
        }
        // Whoever waits for an earlier number is told when the fleet says so.
        let before = self.orders.scale.take();
        if let Some(before) = before {
            before.end(Ended::new(Exit::Failure, "another number of workers was asked for"));
        }
        tracing::info!(workers, "scaling");
        self.orders.scale = Some(teller);
        self.apply(Input::Scale(workers));
    }

    /// Why workers can be neither renewed nor added now.
    fn why_not(&self) -> Option<&'static str> {
        match (self.fleet.phase(), self.nature) {
            (Phase::Running, Nature::Plain) => {
                Some("the app runs without the agent, so its port can be had only once: restart it instead")
            }
            (Phase::Running, _) if !self.fleet.was_ever_ready() => Some("no worker has listened yet"),
            (Phase::Running, _) => None,
            _ => Some("the instance is stopping"),
        }
    }

    pub(super) fn begin_reload(&mut self) {
        let mut asked = std::mem::take(&mut self.orders.next);
        let environment = std::mem::take(&mut asked.environment);
        asked.environment.clone_from(&self.orders.proven);
        for (name, value) in environment {
            set(&mut asked.environment, name, value);
        }
        self.orders.now = asked;
        self.orders.begun = Some(Instant::now());
        tracing::info!(generation = self.fleet.generation(), "reloading");
    }

    /// A process of the new version serves: its variables are good.
    pub(super) fn admit(&mut self, worker: WorkerId) {
        self.endpoints.admit(worker, &self.front);
        if !matches!(self.fleet.state(worker), Some(State::Ready { .. })) {
            // It stands in for one that died, and has not shown yet that it can serve.
            return;
        }
        if self.orders.begun.is_some() {
            self.orders.proven.clone_from(&self.orders.now.environment);
        }
        let (renewed, all) = (self.fleet.renewed(), self.fleet.places().len());
        self.orders.say(&format!("worker {worker}: the new process serves ({renewed} of {all})"));
    }

    pub(super) fn end_reload(&mut self, verdict: Verdict) {
        let took = self.orders.begun.take().map_or(Duration::ZERO, |since| since.elapsed());
        let ended = self.describe_reload(verdict, took);
        if verdict == Verdict::Done {
            self.endpoints.close_unserved(&self.front);
            self.orders.proven.clone_from(&self.orders.now.environment);
            tracing::info!("{}", ended.message);
        } else {
            tracing::error!("{}", ended.message);
        }
        std::mem::take(&mut self.orders.now).end(&ended);
        if verdict == Verdict::Superseded {
            std::mem::take(&mut self.orders.next).end(&ended);
        }
    }

    fn describe_reload(&self, verdict: Verdict, took: Duration) -> Ended {
        let (renewed, all) = (self.fleet.renewed(), self.fleet.places().len());
        let kept = format!("{renewed} of {all} workers are renewed, the others go on as they were");
        let message = match verdict {
            Verdict::Done => {
                let workers = counted(all as u64, "worker");
                let message = format!("reloaded: {workers} renewed in {}", report::describe_time(took));
                return Ended::new(Exit::Drained, message);
            }
            Verdict::Died(_) => format!("the reload was given up, {kept}: {}", self.ending.last_reason()),
            Verdict::Silent(worker) => format!(
                "the reload was given up, {kept}: worker {worker} has not listened within {} (--listen-timeout)",
                report::describe_time(self.settings.fleet.listen_timeout)
            ),
            Verdict::Superseded => format!("the reload was given up, {kept}: the instance is stopping"),
        };
        Ended::new(Exit::Failure, message)
    }

    pub(super) fn end_scale(&mut self, verdict: Verdict) {
        if verdict == Verdict::Superseded && self.fleet.phase() == Phase::Running {
            // Another number was asked for: whoever asked for the first one has been told.
            return;
        }
        let Some(teller) = self.orders.scale.take() else { return };
        let all = self.fleet.places().len();
        let retried = "it is tried again";
        let ended = match verdict {
            Verdict::Done => Ended::new(Exit::Drained, format!("scaled: {all} workers")),
            Verdict::Died(_) => {
                let reason = self.ending.last_reason();
                Ended::new(Exit::Failure, format!("a new worker did not come up, {retried}: {reason}"))
            }
            Verdict::Silent(worker) => Ended::new(
                Exit::Failure,
                format!("worker {worker} has not listened in time; it is waited for"),
            ),
            Verdict::Superseded => Ended::new(Exit::Failure, "the instance is stopping"),
        };
        tracing::info!("{}", ended.message);
        teller.end(ended);
    }
}

fn refuse(teller: Option<Teller>, what: &str, reason: &str) {
    let message = format!("nothing was {what}: {reason}");
    tracing::warn!("{message}");
    if let Some(teller) = teller {
        teller.end(Ended::new(Exit::Failure, message));
    }
}
