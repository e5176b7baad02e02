//! For how long the synchronous part of one request runs: without the time for which its thread waited for a processor.

use plimsoll_wire::message::FromAgent;
use plimsoll_wire::stall::BUSY_MS;

use super::shared;

const MS: u64 = 1_000_000;

/// The part that runs, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Marks {
    seen: Option<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    running: (u16, u32),
    since: u64,
    last_seen: u64,
    /// What the thread had waited for a processor by then.
    delayed_ns: u64,
}

/// For how long the thread had waited for a processor at two looks in a row, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delayed {
    pub(super) before: u64,
    pub(super) now: u64,
}

impl Marks {
    /// A look at `now`. What runs began no earlier than `earliest`, which is not before the last look. Gives what is to be told
    /// of a part that ended.
    pub(super) fn look(&mut self, now: u64, earliest: u64, delayed: Delayed) -> Option<FromAgent> {
        let running = shared::running();
        let left_at = shared::left_at();
        if let Some(part) = &mut self.seen
            && running == Some(part.running)
            && left_at.is_none()
        {
            part.last_seen = now;
            return None;
        }
        let ended =
            self.seen.take().and_then(|part| tell(&part, left_at.unwrap_or(part.last_seen), delayed.now));
        self.seen = running.and_then(|running| follow(running, now, earliest, delayed.before));
        ended
    }

    pub(super) fn is_running(&self) -> bool {
        self.seen.is_some()
    }
}

/// Has its end timed, unless it has come already.
fn follow(running: (u16, u32), now: u64, earliest: u64, delayed_ns: u64) -> Option<Part> {
    shared::arm();
    if shared::running() == Some(running) {
        return Some(Part { running, since: earliest.min(now), last_seen: now, delayed_ns });
    }
    shared::disarm();
    None
}

fn tell(part: &Part, end: u64, delayed_ns: u64) -> Option<FromAgent> {
    let took = end.saturating_sub(part.since).saturating_sub(delayed_ns.saturating_sub(part.delayed_ns));
    let ms = u32::try_from(took / MS).unwrap_or(u32::MAX);
    let (slot, word) = part.running;
    (ms >= BUSY_MS).then_some(FromAgent::Busy { slot, word, ms })
}
