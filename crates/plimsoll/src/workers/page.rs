//! The page of an incarnation, as `plimsoll_wire` lays it out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plimsoll_wire::VERSION;
use plimsoll_wire::page::{
    FILE, MAGIC, PAUSE_THRESHOLD, SEMI_SPACE_GROWTH, SLOT_FIRST, SLOTS, STALL_THRESHOLD, State, WORDS, state,
};

use crate::ids::WorkerId;
use crate::sys::page::{self, Page};

/// What the agent is told: for how long a loop may stand still and a collection take, and how the heap grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    pub stall: Duration,
    pub pause: Duration,
    /// By how much semi-spaces grow at once, where V8 is not left to itself.
    pub growth: Option<u32>,
}

/// Makes the page of `worker`. Without one it serves all the same; its requests are not claimed.
pub(super) fn create(worker: WorkerId, directory: &Path, thresholds: &Thresholds) -> Option<Arc<Page>> {
    debug_assert_eq!(page::FILE, FILE);
    let page = Page::create(directory, &blank(thresholds), SLOT_FIRST).inspect_err(|error| {
        tracing::warn!(%worker, "no memory could be shared with the worker, its requests are not claimed: {error}");
    });
    page.ok().map(Arc::new)
}

/// A request that a worker was running when it died: where in the page, and the word that it was claimed with. Together
/// with the worker that is its identity: who knows what was sent by which link can tell which request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    pub slot: u16,
    pub word: u32,
}

/// What a dead worker left behind. Nothing moves any more in its page; what a worker wrote there that makes no sense
/// can at most make the numbers wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftBehind {
    pub running: Vec<Running>,
    /// Sent and not begun: taken back, or about to be.
    pub not_begun: u32,
}

impl LeftBehind {
    pub(super) fn of(page: &Page) -> Self {
        let mut left = Self::default();
        for (slot, word) in (0..).zip(page.slots()) {
            let word = word.load(Ordering::Acquire);
            match state(word) {
                State::Started => left.running.push(Running { slot, word }),
                State::Sent | State::Revoked => left.not_begun += 1,
                State::Free => {}
            }
        }
        left
    }
}

fn blank(thresholds: &Thresholds) -> Vec<u32> {
    let [stall_ms, pause_ms] = [thresholds.stall, thresholds.pause]
        .map(|threshold| u32::try_from(threshold.as_millis()).unwrap_or(u32::MAX));
    let slots = u32::try_from(SLOTS).unwrap_or(u32::MAX);
    let growth = thresholds.growth.unwrap_or(0);
    let header = [MAGIC, u32::from(VERSION), slots, stall_ms, pause_ms, growth];
    debug_assert_eq!(header.get(STALL_THRESHOLD), Some(&stall_ms));
    debug_assert_eq!(header.get(PAUSE_THRESHOLD), Some(&pause_ms));
    debug_assert_eq!(header.get(SEMI_SPACE_GROWTH), Some(&growth));
    header.into_iter().chain(std::iter::repeat(0)).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::page::{BYTES, Revoked, free, revoke, send, start};

    use super::*;

    const THRESHOLDS: Thresholds =
        Thresholds { stall: Duration::from_millis(250), pause: Duration::from_millis(50), growth: Some(32) };

    #[test]
    fn every_slot_of_a_new_page_can_be_claimed() {
        let directory = tempfile::tempdir().unwrap();
        let worker = WorkerId { index: 0, incarnation: 1 };
        let page = create(worker, directory.path(), &THRESHOLDS).unwrap();
        let bytes = std::fs::read(directory.path().join(FILE)).unwrap();
        assert_eq!((bytes.len(), &bytes[..4]), (BYTES, &b"PLIM"[..]));
        assert_eq!(bytes[STALL_THRESHOLD * 4..][..4], 250u32.to_ne_bytes());
        assert_eq!(bytes[PAUSE_THRESHOLD * 4..][..4], 50u32.to_ne_bytes());
        assert_eq!(bytes[SEMI_SPACE_GROWTH * 4..][..4], 32u32.to_ne_bytes());
        for index in 0..SLOTS {
            let ticket = send(page.slot(index).unwrap());
            assert!(start(page.slot(index).unwrap()));
            assert_eq!(revoke(page.slot(index).unwrap(), ticket), Revoked::Started);
        }
        assert!(page.slot(SLOTS).is_none());
        page::remove(directory.path());
    }

    #[test]
    fn what_a_worker_left_behind_is_read_from_its_page() {
        let directory = tempfile::tempdir().unwrap();
        let page = create(WorkerId { index: 0, incarnation: 1 }, directory.path(), &THRESHOLDS).unwrap();
        page::remove(directory.path());
        assert_eq!(LeftBehind::of(&page), LeftBehind::default());
        let slot = |index: usize| page.slot(index).unwrap();
        let tickets = [0, 1, 2, 3, SLOTS - 1].map(|index| send(slot(index)));
        assert!([1, 3, SLOTS - 1].iter().all(|index| start(slot(*index))));
        free(slot(3), tickets[3]);
        assert_eq!(revoke(slot(2), tickets[2]), Revoked::Yes);
        let word = slot(1).load(Ordering::Relaxed);
        let last = u16::try_from(SLOTS - 1).unwrap();
        let running = vec![Running { slot: 1, word }, Running { slot: last, word }];
        assert_eq!(LeftBehind::of(&page), LeftBehind { running, not_begun: 2 });
    }
}
