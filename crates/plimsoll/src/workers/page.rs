//! The page of an incarnation, as `plimsoll_wire` lays it out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plimsoll_wire::VERSION;
use plimsoll_wire::page::{FILE, MAGIC, SLOT_FIRST, SLOTS, STALL_THRESHOLD, WORDS};

use crate::ids::WorkerId;
use crate::sys::page::{self, Page};

/// Makes the page of `worker`. Without one it serves all the same; its requests are not claimed.
pub(super) fn create(worker: WorkerId, directory: &Path, stall_threshold: Duration) -> Option<Arc<Page>> {
    debug_assert_eq!(page::FILE, FILE);
    let page = Page::create(directory, &blank(stall_threshold), SLOT_FIRST).inspect_err(|error| {
        tracing::warn!(%worker, "no memory could be shared with the worker, its requests are not claimed: {error}");
    });
    page.ok().map(Arc::new)
}

fn blank(stall_threshold: Duration) -> Vec<u32> {
    let threshold_ms = u32::try_from(stall_threshold.as_millis()).unwrap_or(u32::MAX);
    let header = [MAGIC, u32::from(VERSION), u32::try_from(SLOTS).unwrap_or(u32::MAX), threshold_ms];
    debug_assert_eq!(header.get(STALL_THRESHOLD), Some(&threshold_ms));
    header.into_iter().chain(std::iter::repeat(0)).take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::page::{BYTES, Revoked, revoke, send, start};

    use super::*;

    #[test]
    fn every_slot_of_a_new_page_can_be_claimed() {
        let directory = tempfile::tempdir().unwrap();
        let worker = WorkerId { index: 0, incarnation: 1 };
        let page = create(worker, directory.path(), Duration::from_millis(250)).unwrap();
        let bytes = std::fs::read(directory.path().join(FILE)).unwrap();
        assert_eq!((bytes.len(), &bytes[..4]), (BYTES, &b"PLIM"[..]));
        assert_eq!(bytes[STALL_THRESHOLD * 4..][..4], 250u32.to_ne_bytes());
        for index in 0..SLOTS {
            let ticket = send(page.slot(index).unwrap());
            assert!(start(page.slot(index).unwrap()));
            assert_eq!(revoke(page.slot(index).unwrap(), ticket), Revoked::Started);
        }
        assert!(page.slot(SLOTS).is_none());
        page::remove(directory.path());
    }
}
