//! The last death in each place: kept for those who ask, one per place.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::ids::WorkerId;
use crate::workers::page::LeftBehind;

/// The end of a process that was not asked to end.
#[derive(Debug, Clone)]
pub struct Death {
    /// In words: `was killed by SIGKILL after 3.2s; it was running 2 requests`.
    pub reason: String,
    pub at: Instant,
    pub left: LeftBehind,
}

#[derive(Debug, Default)]
pub(super) struct Deaths {
    by_place: BTreeMap<u16, Death>,
}

impl Deaths {
    pub(super) fn note(&mut self, worker: WorkerId, death: Death) {
        self.by_place.insert(worker.index, death);
    }

    pub(super) fn last(&self, worker: WorkerId) -> Option<Death> {
        self.by_place.get(&worker.index).cloned()
    }
}
