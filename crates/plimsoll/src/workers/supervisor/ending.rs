//! How workers and the whole come to an end, and what is said about it.

use std::time::{Duration, Instant};

use super::deaths::Death;
use super::{Nature, Supervisor};
use crate::concerns::memory::seen::Point;
use crate::concerns::memory::words;
use crate::concerns::shutdown::{Input, Outcome, State, Step};
use crate::ids::WorkerId;
use crate::sys::cgroup;
use crate::workers::environment::CONTEXT_FRAME;
use crate::workers::front::Front;
use crate::workers::page::LeftBehind;
use crate::workers::process::Process;
use crate::workers::report;

/// Lines of a dead worker that are repeated in the message about it.
const LAST_LINES: usize = 20;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was stopped; `cut` requests and upgraded connections were still under way when time was up.
    Drained {
        finished: u64,
        cut: u64,
        took: Duration,
    },
    NotStarted {
        reason: String,
    },
    CrashLoop {
        reason: String,
    },
}

/// What is noted down until then.
#[derive(Debug, Default)]
pub(super) struct Ending {
    outcome: Option<Outcome>,
    /// The last death of a worker, in words.
    reason: String,
    failure: Option<String>,
    drain: Option<(u64, Instant)>,
    /// When time was up: requests that were over, and what was still under way.
    cut: Option<(u64, u64)>,
    is_addon_missing: bool,
    /// Processes killed for the container's memory, when it was last looked.
    oom_kills: Option<u64>,
}

impl Ending {
    pub(super) fn is_decided(&self) -> bool {
        self.outcome.is_some()
    }

    pub(super) fn decide(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    pub(super) fn remember(&mut self, reason: String) {
        self.reason = reason;
    }

    /// Something of ours makes it impossible to go on.
    pub(super) fn fail(&mut self, reason: String) {
        self.failure = Some(reason);
    }

    pub(super) fn begin_drain(&mut self, requests_ended: u64, now: Instant) {
        self.drain = Some((requests_ended, now));
    }

    pub(super) fn cut(&mut self, requests_ended: u64, in_flight: u64) {
        self.cut.get_or_insert((requests_ended, in_flight));
    }

    /// From now on those count who are killed for the container's memory.
    pub(super) fn watch_memory(&mut self) {
        self.oom_kills = cgroup::oom_kills();
    }

    /// How many were killed for the container's memory since the last look.
    fn new_oom_kills(&mut self) -> u64 {
        let now = cgroup::oom_kills();
        let before = std::mem::replace(&mut self.oom_kills, now);
        now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before))
    }

    /// The last death of a worker, in words.
    pub(super) fn last_reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn first_time_addon_is_missing(&mut self) -> bool {
        !std::mem::replace(&mut self.is_addon_missing, true)
    }

    fn conclude(self, requests_ended: u64, now: Instant) -> Ended {
        if let Some(reason) = self.failure {
            return Ended::NotStarted { reason };
        }
        match self.outcome.unwrap_or(Outcome::Stopped) {
            Outcome::NotStarted => Ended::NotStarted { reason: self.reason },
            Outcome::CrashLoop => Ended::CrashLoop { reason: self.reason },
            Outcome::Stopped => {
                let (ended, cut) = self.cut.unwrap_or((requests_ended, 0));
                let (before, since) = self.drain.unwrap_or((ended, now));
                Ended::Drained {
                    finished: ended.saturating_sub(before),
                    cut,
                    took: now.saturating_duration_since(since),
                }
            }
        }
    }
}

impl<F: Front> Supervisor<F> {
    /// A worker has ended for good: what is left of it is removed, and its end is told.
    pub(super) fn bury(&mut self, worker: WorkerId) {
        let Some(process) = self.processes.remove(&worker) else { return };
        // What it left running in its group would stand in the way of the next one.
        self.groups.ask(process.pid, Instant::now() + self.settings.fleet.worker_grace);
        self.endpoints.lose_worker(worker, &self.front);
        if let Some(directory) = &process.directory {
            self.directory.remove(directory);
        }
        let input = self.judge(&process);
        self.apply(input);
    }

    /// What the end of a worker means.
    fn judge(&mut self, process: &Process) -> Input {
        let worker = process.worker;
        let asked = matches!(
            self.fleet.state(worker),
            Some(State::Draining(Step::Asked { .. } | Step::Killed { .. }))
        );
        let Some((status, at)) = process.end.filter(|_| !asked) else {
            return Input::Exited(worker);
        };
        let last_lines = process.tail.last_lines(LAST_LINES);
        let all_lines = process.tail.last_lines(usize::MAX);
        let lack = report::lack(status, self.ending.new_oom_kills(), &all_lines);
        if lack.is_some() {
            self.memory.note_death(worker);
        }
        let cause = match lack {
            Some(lack) => format!("{}{}", lack.describe(), last_minute(process)),
            None => report::describe_error(status, &all_lines),
        };
        let preload = self.preload.as_ref().map(|path| path.display().to_string());
        if self.nature == Nature::Unknown
            && preload.is_some_and(|preload| report::was_spoiled_by_preload(&last_lines, &preload))
        {
            self.becomes_plain("its process may not read it");
            return Input::Again(worker);
        }
        if process.has_context_frame && report::was_refused(&last_lines, CONTEXT_FRAME) {
            if std::mem::take(&mut self.settings.has_context_frame) {
                tracing::warn!(
                    %worker,
                    "the Node that runs does not know {CONTEXT_FRAME}: context.async_context_frame is not set any more"
                );
            }
            return Input::Again(worker);
        }
        let end = report::describe_end(status);
        let age = report::describe_time(at.saturating_duration_since(process.started));
        let left = process.page.as_deref().map(LeftBehind::of);
        // Of a process that never listened nobody expects that it was running something.
        let work = left.as_ref().filter(|_| self.fleet.has_listened(worker));
        let work = work.map_or_else(String::new, report::describe_work);
        let reason = format!("{end} after {age}{work}{cause}");
        if self.fleet.was_ever_ready() {
            tracing::error!(%worker, pid = process.pid, "the worker {reason}");
        }
        self.deaths.note(worker, Death { reason, at, left: left.unwrap_or_default() });
        let quoted: String = last_lines.iter().map(|line| format!("\n  | {line}")).collect();
        let without_listening =
            if status.success() { ", without having listened: there is nothing to serve" } else { "" };
        self.ending.remember(format!("worker {worker} {end} after {age}{without_listening}{cause}{quoted}"));
        Input::Exited(worker)
    }

    /// The end of the whole: nothing that we started is left.
    pub(super) fn end(mut self) -> Ended {
        for process in self.processes.values() {
            process.kill();
        }
        self.reap();
        self.ending.conclude(self.front.requests_ended(), Instant::now())
    }
}

/// How it came to hold what it held.
fn last_minute(process: &Process) -> String {
    let history: Vec<Point> = process.memory.history().copied().collect();
    words::last_minute(&history, process.memory.limit(process.old_space))
}
