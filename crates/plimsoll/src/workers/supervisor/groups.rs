//! Process groups that outlive their worker: what it had started there and what does not end when it is asked to.
//!
//! The number of a group is nobody else's while it has a member. So each look forgets those that have none.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::Supervisor;
use crate::sys::process;
use crate::sys::signals::{Signal, Signals};
use crate::workers::front::Front;

/// Groups that are waited for. Beyond that they are killed at once.
const GROUPS_MAX: usize = 64;
/// How long they are waited for at the end of the whole, at most.
const END_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Group>);

#[derive(Debug)]
struct Group {
    leader: u32,
    kill_at: Instant,
}

impl Groups {
    /// Asks what is left of a group to end, and remembers it if there is something.
    pub(super) fn ask(&mut self, leader: u32, kill_at: Instant) {
        process::terminate_group(leader);
        if !process::has_members(leader) {
            return;
        }
        if self.0.len() >= GROUPS_MAX {
            return process::kill_group(leader);
        }
        self.0.push(Group { leader, kill_at });
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|group| group.kill_at).min()
    }

    /// Kills those whose time is up. `is_worker`: a number that is a worker's again is left alone.
    pub(super) fn look(&mut self, now: Instant, is_worker: impl Fn(u32) -> bool) {
        self.0.retain(|group| {
            if is_worker(group.leader) || !process::has_members(group.leader) {
                return false;
            }
            let is_due = group.kill_at <= now;
            if is_due {
                process::kill_group(group.leader);
            }
            !is_due
        });
    }

    pub(super) fn hurry(&mut self, kill_at: Instant) {
        self.0.iter_mut().for_each(|group| group.kill_at = group.kill_at.min(kill_at));
    }
}

impl<F: Front> Supervisor<F> {
    pub(super) fn look_after_groups(&mut self, now: Instant) {
        let processes = &self.processes;
        self.groups.look(now, |leader| processes.values().any(|process| process.pid == leader));
    }

    /// At the end of the whole: they were asked only now, and another signal cuts short what they are given.
    pub(super) async fn see_groups_off(&mut self, signals: &mut Signals) {
        self.groups.hurry(Instant::now() + END_GRACE);
        self.look_after_groups(Instant::now());
        while let Some(deadline) = self.groups.deadline() {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Child => self.reap(),
                    Signal::Hangup => {}
                    Signal::Terminate | Signal::Interrupt => self.groups.hurry(Instant::now()),
                },
                () = sleep_until(deadline.into()) => {}
            }
            self.look_after_groups(Instant::now());
        }
    }
}
