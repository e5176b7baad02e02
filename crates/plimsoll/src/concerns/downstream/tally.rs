//! What all processes saw of one origin: what each said last, and the sum of those that are gone.

use std::collections::BTreeMap;

use plimsoll_wire::calls::Figures;

#[derive(Debug)]
pub(super) struct Tally<H> {
    now: BTreeMap<H, Figures>,
    past: Figures,
}

impl<H: Copy + Ord> Tally<H> {
    pub(super) fn new() -> Self {
        Self { now: BTreeMap::new(), past: Figures::default() }
    }

    pub(super) fn hear(&mut self, holder: H, figures: Figures) {
        self.now.insert(holder, figures);
    }

    pub(super) fn lose(&mut self, holder: H) {
        if let Some(last) = self.now.remove(&holder) {
            add(&mut self.past, &Figures { in_flight: 0, waiting: 0, peak: 0, fan_out_p99: 0, ..last });
        }
    }

    pub(super) fn sum(&self) -> Figures {
        let mut sum = self.past.clone();
        for figures in self.now.values() {
            add(&mut sum, figures);
        }
        sum
    }
}

/// Sums, but for what can only be the most of both. What a worker says may be anything.
fn add(sum: &mut Figures, more: &Figures) {
    let most = [
        (&mut sum.fan_out_max, more.fan_out_max),
        (&mut sum.fan_out_p99, more.fan_out_p99),
        (&mut sum.peak, more.peak),
    ];
    for (place, value) in most {
        *place = (*place).max(value);
    }
    let sums = [
        (&mut sum.in_flight, more.in_flight),
        (&mut sum.waiting, more.waiting),
        (&mut sum.calls, more.calls),
        (&mut sum.errors, more.errors),
        (&mut sum.timeouts, more.timeouts),
        (&mut sum.failed, more.failed),
        (&mut sum.queued, more.queued),
        (&mut sum.waited_us, more.waited_us),
        (&mut sum.refused, more.refused),
        (&mut sum.took_us, more.took_us),
        (&mut sum.fan_outs, more.fan_outs),
        (&mut sum.would_queue, more.would_queue),
        (&mut sum.would_wait_us, more.would_wait_us),
        (&mut sum.would_refuse, more.would_refuse),
        (&mut sum.abandoned, more.abandoned),
    ];
    for (place, value) in sums.into_iter().chain(sum.durations.iter_mut().zip(more.durations)) {
        *place = place.saturating_add(value);
    }
}
