//! One stall, from the moment it is seen to the turn that ends it.

use std::time::Duration;

use plimsoll_wire::message::FromAgent;

use super::report::{Gone, Report};
use super::shared;
use crate::engine::Engine;

const MS: u64 = 1_000_000;

/// How long the engine may take before the stall is told without its answer.
const PATIENCE_NS: u64 = 8 * MS;
/// An answer that took longer came out of native code.
pub(super) const LATE_NS: u64 = 20 * MS;
/// Looks at a stall: so many so often, and then now and then, to show that it still lasts.
const OFTEN: u32 = 20;
const OFTEN_NS: u64 = 50 * MS;
const SELDOM: u32 = 140;
const SELDOM_NS: u64 = 1000 * MS;

/// What the main thread had used up when the run began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    pub(super) gc_ns: u64,
    pub(super) cpu_ns: u64,
    /// For how long it waited for a processor.
    pub(super) delayed_ns: u64,
}

#[derive(Debug)]
pub(super) struct Stall {
    number: u32,
    began: u64,
    before: Used,
    looks: u32,
    next_look: u64,
    /// When the engine was asked, and what ran then, while this look has not been told.
    asked: Option<(u64, Option<(u16, u32)>)>,
    answered_from: u64,
    /// Some look named the request.
    is_known: bool,
}

impl Stall {
    pub(super) fn begin(number: u32, began: u64, before: Used, now: u64) -> Self {
        shared::ask_for(number);
        if shared::running().is_none() {
            shared::lose();
        }
        Self {
            number,
            began,
            before,
            looks: 0,
            next_look: now,
            asked: None,
            answered_from: now,
            is_known: false,
        }
    }

    /// Tells what has become known, and asks again where it is time. `engine` may be touched.
    pub(super) fn follow(
        &mut self,
        now: u64,
        engine: Option<&Engine>,
        report: &mut Report,
    ) -> Result<(), Gone> {
        self.tell_answer(report)?;
        if let Some((asked_at, running)) = self.asked
            && now.saturating_sub(asked_at) >= PATIENCE_NS
        {
            self.asked = None;
            self.tell(now, running, String::new(), false, report)?;
        }
        if now >= self.next_look && self.looks < OFTEN + SELDOM {
            self.looks += 1;
            self.next_look = now + if self.looks < OFTEN { OFTEN_NS } else { SELDOM_NS };
            self.asked = Some((now, shared::running()));
            if let Some(engine) = engine.filter(|_| shared::begin_asking()) {
                self.answered_from = now;
                engine.interrupt(shared::on_interrupt);
            }
        }
        Ok(())
    }

    /// The loop turned at `end`; `now` is what the main thread has used up since.
    pub(super) fn end(mut self, end: u64, used: Used, report: &mut Report) -> Result<(), Gone> {
        self.tell_answer(report)?;
        shared::ask_for(0);
        if let Some((_, running)) = self.asked.filter(|_| self.looks == 1) {
            // It ended before the engine had answered.
            self.tell(end, running, String::new(), false, report)?;
        }
        let answered = shared::answered().filter(|_| !self.is_known);
        if !self.is_known {
            shared::wish_to_follow();
        }
        report.say(&resumed(self.number, end.saturating_sub(self.began), (self.before, used), answered))
    }

    /// How long nothing need be done.
    pub(super) fn rest(&self, now: u64) -> Duration {
        let next = self.asked.map_or(self.next_look, |(asked_at, _)| asked_at + PATIENCE_NS);
        Duration::from_nanos(next.saturating_sub(now).max(MS))
    }

    fn tell_answer(&mut self, report: &mut Report) -> Result<(), Gone> {
        let Some(answer) = shared::take_answer() else { return Ok(()) };
        self.asked = None;
        let late = answer.at.saturating_sub(self.answered_from) >= LATE_NS;
        self.tell(answer.at, answer.running, answer.stack, late, report)
    }

    fn tell(
        &mut self,
        at: u64,
        running: Option<(u16, u32)>,
        stack: String,
        late: bool,
        report: &mut Report,
    ) -> Result<(), Gone> {
        self.is_known |= running.is_some();
        report.say(&stalled(self.number, at.saturating_sub(self.began), running, stack, late))
    }
}

pub(super) fn stalled(
    stall: u32,
    at_ns: u64,
    running: Option<(u16, u32)>,
    stack: String,
    late: bool,
) -> FromAgent {
    FromAgent::Stalled { stall, at_ms: ms(at_ns), running, stack, late }
}

pub(super) fn resumed(
    stall: u32,
    total_ns: u64,
    (before, used): (Used, Used),
    answered: Option<(u16, u32)>,
) -> FromAgent {
    // The run was seen a tick after it had begun: no share is larger than the whole.
    let share = |after: u64, before: u64| ms(after.saturating_sub(before).min(total_ns));
    FromAgent::Resumed {
        stall,
        total_ms: ms(total_ns),
        gc_ms: share(used.gc_ns, before.gc_ns),
        cpu_ms: share(used.cpu_ns, before.cpu_ns),
        delayed_ms: share(used.delayed_ns, before.delayed_ns),
        answered,
    }
}

fn ms(ns: u64) -> u32 {
    u32::try_from(ns / MS).unwrap_or(u32::MAX)
}
