//! Tells the supervisor of the process's memory: at most once a second, and only what has changed.

use plimsoll_wire::memory::Figures;
use plimsoll_wire::message::FromAgent;
use plimsoll_wire::stall::mark;

use super::report::{Gone, Report};
use super::{collector, shared};

const EVERY_NS: u64 = 1_000_000_000;
/// What a major collection has left is told sooner: a heap may be full within a second.
const MAJOR_NS: u64 = 100_000_000;
/// Between two requests of which it is measured what they allocate: some microseconds each.
const WEIGH_NS: u64 = 50_000_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    told: Option<Figures>,
    next: u64,
    weigh_next: u64,
    /// When it was first looked, and for how long the loop had waited by then.
    began: Option<(u64, u64)>,
}

impl Memory {
    /// A look at `now`; `idle_ns` is for how long the loop has waited since it was made.
    pub(super) fn look(&mut self, now: u64, idle_ns: u64, report: &mut Report) -> Result<(), Gone> {
        if now >= self.weigh_next {
            self.weigh_next = now + WEIGH_NS;
            shared::want(mark::WEIGH);
        }
        let is_news = self.told.is_some_and(|told| told.after_major != collector::after_major());
        if now < self.next && !(is_news && now + EVERY_NS >= self.next + MAJOR_NS) {
            return Ok(());
        }
        self.next = now + EVERY_NS;
        shared::want(mark::MEASURE);
        self.tell(now, idle_ns, report)
    }

    /// What has changed, before nothing is told for long.
    pub(super) fn tell(&mut self, now: u64, idle_ns: u64, report: &mut Report) -> Result<(), Gone> {
        let figures = self.figures(now, idle_ns);
        // Of the time that passes alone nothing is told.
        let mut as_told = figures;
        as_told.busy_us = self.told.map_or(0, |told| told.busy_us);
        if self.told == Some(as_told) {
            return Ok(());
        }
        self.told = Some(figures);
        report.say(&FromAgent::Memory(Box::new(figures)))
    }

    fn figures(&mut self, now: u64, idle_ns: u64) -> Figures {
        let (began, idle_before) = *self.began.get_or_insert((now, idle_ns));
        let idle_ns = idle_ns.saturating_sub(idle_before);
        Figures {
            heap_used: shared::measured(mark::HEAP_USED),
            heap_total: shared::measured(mark::HEAP_TOTAL),
            heap_limit: shared::measured(mark::HEAP_LIMIT),
            external: shared::measured(mark::EXTERNAL),
            array_buffers: shared::measured(mark::ARRAY_BUFFERS),
            after_major: collector::after_major(),
            allocated: collector::allocated(),
            busy_us: now.saturating_sub(began).saturating_sub(idle_ns) / 1000,
            pauses: collector::pauses(),
        }
    }
}
