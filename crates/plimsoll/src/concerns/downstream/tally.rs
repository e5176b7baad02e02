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
            self.past.add(&last.past());
        }
    }

    pub(super) fn sum(&self) -> Figures {
        let mut sum = self.past.clone();
        for figures in self.now.values() {
            sum.add(figures);
        }
        sum
    }
}
