//! Workers that will not answer any more: found, and replaced. Who is only busy is left alone.
//!
//! That a loop does not turn is heard from the watchdogs. That a process is stopped nobody can tell but `/proc`, where it
//! is looked each second while a worker has work. While none has, nobody looks and nobody wakes: the gateway tells of the next
//! request.

use std::time::{Duration, Instant};

use plimsoll_wire::message::FromAgent;

use super::Supervisor;
use crate::concerns::event_loop::liveness::{Dead, Pulse};
use crate::concerns::shutdown::State;
use crate::ids::WorkerId;
use crate::sys::proc;
use crate::workers::front::Front;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A process with a watchdog.
#[derive(Debug)]
pub(in crate::workers) struct Watchdog {
    pid: u32,
    pulse: Pulse,
}

impl<F: Front> Supervisor<F> {
    pub(super) fn on_watchdog(&mut self, worker: WorkerId, channel: u32, pid: u32) {
        if let Some(process) = self.processes.get_mut(&worker) {
            process.watchdogs.insert(channel, Watchdog { pid, pulse: Pulse::default() });
            self.looks_again();
        }
    }

    /// A worker has something to do.
    pub(super) fn looks_again(&mut self) {
        if self.is_any_watched() {
            self.next_look.get_or_insert(Instant::now() + LOOK_EVERY);
        }
    }

    fn is_any_watched(&self) -> bool {
        self.processes.values().any(|process| !process.watchdogs.is_empty())
    }

    pub(super) fn feel_pulse(&mut self, worker: WorkerId, channel: u32, report: &FromAgent) {
        let process = self.processes.get_mut(&worker);
        let Some(watchdog) = process.and_then(|process| process.watchdogs.get_mut(&channel)) else { return };
        match report {
            FromAgent::Stalled { at_ms, .. } => {
                watchdog.pulse.stalls(*at_ms, Instant::now());
                // It may stand still from now on: the next look must not be far away.
                self.looks_again();
            }
            FromAgent::Resumed { .. } => watchdog.pulse.turns(),
            _ => {}
        }
    }

    /// Looks at the workers where it is time.
    pub(super) fn look_for_dead(&mut self, now: Instant) {
        if self.next_look.is_none_or(|at| at > now) {
            return;
        }
        let workers: Vec<WorkerId> = self.processes.keys().copied().collect();
        let is_any_busy = workers.iter().filter(|worker| self.look_at(**worker, now)).count() > 0;
        let goes_on = is_any_busy || {
            self.front.expect_work();
            // What came before the gateway heard that it is to tell.
            workers.iter().any(|worker| !self.front.is_idle(*worker))
        };
        let every = LOOK_EVERY.min(self.settings.dead_after / 4);
        self.next_look = (goes_on && self.is_any_watched()).then(|| now + every);
    }

    /// Whether it should be looked at again soon.
    fn look_at(&mut self, worker: WorkerId, now: Instant) -> bool {
        let has_work = !self.front.is_idle(worker);
        if has_work {
            self.weigh(worker, now);
        }
        let Some(process) = self.processes.get_mut(&worker) else { return false };
        let mut dead = None;
        let mut is_stopped = false;
        for watchdog in process.watchdogs.values_mut() {
            let before = watchdog.pulse.stopped_since();
            watchdog.pulse.is_stopped(proc::is_stopped(watchdog.pid), now);
            match (before, watchdog.pulse.stopped_since()) {
                (_, Some(since)) => {
                    is_stopped = true;
                    self.front.stopped(worker, since);
                }
                (Some(since), None) => self.front.runs(worker, since),
                (None, None) => {}
            }
            let verdict = watchdog.pulse.judge(now, self.settings.dead_after);
            dead = dead.or(verdict.filter(|verdict| has_work || matches!(verdict, Dead::Stopped(_))));
        }
        // Who is on the way out has a limit of its own.
        let is_serving = matches!(self.fleet.state(worker), Some(State::Ready { .. }));
        if let Some(dead) = dead.filter(|_| is_serving && process.end.is_none()) {
            match dead {
                Dead::Blocked(time) => tracing::error!(
                    %worker,
                    "the worker is replaced: its event loop has not turned for {} s",
                    time.as_secs()
                ),
                Dead::Stopped(time) => tracing::error!(
                    %worker,
                    "the worker is replaced: its process has been stopped for {} s",
                    time.as_secs()
                ),
            }
            process.kill();
        }
        has_work || is_stopped
    }
}
