//! Asks the processes for what only they know of their metrics, and waits for their answers, which it does not read.
//!
//! One question at a time: who asks meanwhile gets the same answers. A process that is late is left out; what it says after
//! that is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use plimsoll_wire::message::ToAgent;
use plimsoll_wire::metrics::{FromAgent, Read};
use tokio::sync::oneshot;

use super::Supervisor;
use crate::ids::WorkerId;
use crate::observe::control::{Reading, Readings};
use crate::workers::front::Front;

/// A little more than the agent gives to what it asks the app for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Who may wait for the same answers; the others get none.
const ASKERS_MAX: usize = 64;
/// Of all answers together, and of one.
const BYTES_MAX: usize = 16 << 20;
const BYTES_EACH_MAX: usize = 4 << 20;

type Member = (WorkerId, u32);

#[derive(Debug, Default)]
pub(super) struct Metrics {
    last: u32,
    asked: Option<Asked>,
    /// Those who still have a question. They are not given another: whoever is blocked for an hour must not find a heap of
    /// them.
    owing: BTreeSet<Member>,
}

#[derive(Debug)]
struct Asked {
    id: u32,
    bytes_max: usize,
    deadline: Instant,
    askers: Vec<oneshot::Sender<Readings>>,
    /// What those have said so far who have not come to an end.
    awaited: BTreeMap<Member, String>,
    done: Vec<Reading>,
}

impl Metrics {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.deadline)
    }

    fn end_if(&mut self, is_over: impl FnOnce(&Asked) -> bool) {
        if let Some(asked) = self.asked.take_if(|asked| is_over(asked)) {
            asked.end();
        }
    }
}

impl Asked {
    fn end(mut self) {
        let late = self.awaited.into_keys().map(|(worker, channel)| Reading {
            worker,
            channel,
            lines: None,
            left_out: 0,
        });
        self.done.extend(late);
        let readings = Readings { id: self.id, processes: self.done };
        for asker in self.askers {
            let _asker_left = asker.send(readings.clone());
        }
    }
}

impl<F: Front> Supervisor<F> {
    pub(super) fn read_metrics(&mut self, app: bool, asker: oneshot::Sender<Readings>, now: Instant) {
        if let Some(asked) = &mut self.metrics.asked {
            if asked.askers.len() < ASKERS_MAX {
                asked.askers.push(asker);
            }
            return;
        }
        let processes = self.processes.values();
        let members: Vec<Member> = processes
            .flat_map(|process| process.channels.keys().map(|channel| (process.worker, *channel)))
            .collect();
        self.metrics.last = self.metrics.last.wrapping_add(1);
        let id = self.metrics.last;
        let bytes_max = BYTES_EACH_MAX.min(BYTES_MAX / members.len().max(1));
        self.metrics.asked = Some(Asked {
            id,
            bytes_max,
            deadline: now + PATIENCE,
            askers: vec![asker],
            awaited: members.iter().map(|member| (*member, String::new())).collect(),
            done: Vec::new(),
        });
        let question = Read { id, bytes_max: u32::try_from(bytes_max).unwrap_or(u32::MAX), app };
        for member in members {
            if self.metrics.owing.insert(member) {
                self.reply(member.0, member.1, ToAgent::Metrics(question));
            }
        }
        self.metrics.end_if(|asked| asked.awaited.is_empty());
    }

    pub(super) fn on_metrics(&mut self, worker: WorkerId, channel: u32, said: FromAgent) {
        if matches!(said, FromAgent::End { .. }) {
            self.metrics.owing.remove(&(worker, channel));
        }
        let Some(asked) = &mut self.metrics.asked else { return };
        match said {
            FromAgent::Part { id, lines } if id == asked.id => {
                let bytes_max = asked.bytes_max;
                if let Some(all) = asked.awaited.get_mut(&(worker, channel))
                    && all.len() + lines.len() <= bytes_max
                {
                    all.push_str(&lines);
                }
            }
            FromAgent::End { id, left_out } if id == asked.id => {
                if let Some(lines) = asked.awaited.remove(&(worker, channel)) {
                    asked.done.push(Reading { worker, channel, lines: Some(lines.into()), left_out });
                }
            }
            // Of a question that is over.
            FromAgent::Part { .. } | FromAgent::End { .. } => return,
        }
        self.metrics.end_if(|asked| asked.awaited.is_empty());
    }

    pub(super) fn lose_metrics(&mut self, worker: WorkerId, channel: u32) {
        self.metrics.owing.remove(&(worker, channel));
        if let Some(asked) = &mut self.metrics.asked {
            asked.awaited.remove(&(worker, channel));
        }
        self.metrics.end_if(|asked| asked.awaited.is_empty());
    }

    pub(super) fn look_after_metrics(&mut self, now: Instant) {
        self.metrics.end_if(|asked| asked.deadline <= now);
    }
}
