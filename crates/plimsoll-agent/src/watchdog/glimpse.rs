//! A look, now and then, at a run that keeps the loop for long and yet not for so long that it is a stall: of a route whose
//! every request is such a run it is known by this what it does.

use plimsoll_wire::message::FromAgent;
use plimsoll_wire::stall::GLIMPSE_MS;

use super::pulse::{Beat, Look};
use super::report::{Gone, Report};
use super::shared;
use super::stall::LATE_NS;
use crate::engine::Engine;

const MS: u64 = 1_000_000;
/// Between two: an interrupt takes some tens of microseconds.
const EVERY_NS: u64 = 500 * MS;
/// Of what the engine is asked, in the place of a stall's number.
const GLIMPSE: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Glimpse {
    next: u64,
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    at: u64,
    turns: u32,
    running: Option<(u16, u32)>,
}

impl Glimpse {
    /// A look at a loop that does not stall. `young`: who may be meant where nobody is known to run. `engine` may be touched.
    pub(super) fn look(
        &mut self,
        (look, beat): (Look, Beat),
        young: Option<(u16, u32)>,
        engine: Option<&Engine>,
        report: &mut Report,
    ) -> Result<(), Gone> {
        if let Some(asked) = self.asked.take() {
            return self.hear(asked, look, report);
        }
        let Some(engine) = engine.filter(|_| self.is_time(look, beat)) else { return Ok(()) };
        self.next = look.at + EVERY_NS;
        let running = shared::running().or(young);
        shared::ask_for(GLIMPSE);
        // Where it was asked already whose it is, it answers with the stack as well.
        if shared::begin_asking() {
            engine.interrupt(shared::on_interrupt);
        }
        self.asked = Some(Asked { at: look.at, turns: look.turns, running });
        Ok(())
    }

    fn is_time(&self, look: Look, beat: Beat) -> bool {
        !look.waits && beat.busy_ns >= u64::from(GLIMPSE_MS) * MS && look.at >= self.next
    }

    fn hear(&mut self, asked: Asked, look: Look, report: &mut Report) -> Result<(), Gone> {
        let has_turned = shared::turns().0 != asked.turns;
        let Some(answer) = shared::take_answer() else {
            // It may still come, unless it would be of another run.
            if has_turned || look.waits {
                shared::ask_for(0);
            } else {
                self.asked = Some(asked);
            }
            return Ok(());
        };
        shared::ask_for(0);
        let is_same = answer.running.is_some() && answer.running == asked.running;
        let running = answer.running.or(asked.running).filter(|_| is_same || !has_turned);
        let Some((slot, word)) = running else { return Ok(()) };
        let late = answer.at.saturating_sub(asked.at) >= LATE_NS;
        report.say(&FromAgent::Glimpsed { slot, word, stack: answer.stack, late })
    }

    /// It has become a stall, for which the engine is asked anew.
    pub(super) fn forget(&mut self) {
        self.asked = None;
    }
}
