//! Tells the supervisor of the process's memory: at most twice a second, and only what has changed.

use plimsoll_wire::memory::Figures;
use plimsoll_wire::message::FromAgent;
use plimsoll_wire::stall::mark;

use super::report::{Gone, Report};
use super::{collector, shared};

const EVERY_NS: u64 = 500_000_000;
/// What a major collection has left is told sooner: a heap may be full within a second.
const MAJOR_NS: u64 = 100_000_000;
/// Between two requests of which it is measured what they allocate: some microseconds each.
const WEIGH_NS: u64 = 50_000_000;
/// Collections of young objects that take more than this part of a busy loop's time: larger semi-spaces pay then. Where
/// they take less, they would cost a process up to 200 MB for next to nothing.
const YOUNG_PART: u64 = 50;
const BUSY_LEAST_US: u64 = 100_000;

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
        if self.told.is_some_and(|told| needs_room(&told, &figures)) {
            shared::want(mark::GROW);
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

/// Between two looks, collections of young objects took so much of the loop's time that it is worth to have fewer.
fn needs_room(before: &Figures, now: &Figures) -> bool {
    let young_us = |figures: &Figures| figures.pauses.first().map_or(0, |minor| minor.total_us);
    let busy_us = now.busy_us.saturating_sub(before.busy_us);
    let took_us = young_us(now).saturating_sub(young_us(before));
    busy_us >= BUSY_LEAST_US && took_us.saturating_mul(YOUNG_PART) >= busy_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_semi_spaces_are_for_those_that_collect_much() {
        for (busy_us, took_us, needs) in [
            (1_000_000, 19_999, false),
            (1_000_000, 20_000, true),
            (1_000_000, 0, false),
            (100_000, 90_000, true),
            (99_999, 90_000, false),
            (0, 0, false),
        ] {
            let before = Figures::default();
            let mut now = Figures { busy_us, ..before };
            now.pauses[0].total_us = took_us;
            assert_eq!(needs_room(&before, &now), needs, "{took_us} of {busy_us}");
        }
    }
}
