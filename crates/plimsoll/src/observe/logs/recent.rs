//! The last lines, for `plimsoll logs`: a ring that readers follow by number.
//!
//! A reader has no queue of its own: it asks for what comes after the number it has. If it was too slow, what it
//! missed is the difference of two numbers, and is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::concerns::logs::record::Record;

const BYTES_MAX: usize = 4 * 1024 * 1024;
const RECORD_BYTES: usize = 192;

#[derive(Debug)]
pub struct Recent {
    state: Mutex<State>,
    /// The number that the next record will have; closed at the end.
    news: Mutex<Option<watch::Sender<u64>>>,
    heard: watch::Receiver<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// As they were handed over, oldest first; none is empty.
    batches: VecDeque<Batch>,
    bytes: usize,
    /// The number of the oldest one that is still there, and of the next one.
    first: u64,
    next: u64,
}

#[derive(Debug)]
struct Batch {
    records: Vec<Arc<Record>>,
    bytes: usize,
}

/// Records from a number on.
#[derive(Debug)]
pub(super) struct Page {
    /// Records that were gone already.
    pub(super) lost: u64,
    pub(super) records: Vec<Arc<Record>>,
    /// Where to go on.
    pub(super) next: u64,
}

impl Default for Recent {
    fn default() -> Self {
        let (news, heard) = watch::channel(0);
        Self { state: Mutex::default(), news: Mutex::new(Some(news)), heard }
    }
}

impl Recent {
    pub(super) fn push(&self, records: Vec<Arc<Record>>) {
        if records.is_empty() {
            return;
        }
        let bytes = records.iter().map(|record| record.line.len() + RECORD_BYTES).sum();
        let mut state = self.state();
        state.bytes += bytes;
        state.next += records.len() as u64;
        state.batches.push_back(Batch { records, bytes });
        // The latest stays, whatever its size: it is bounded by what is read at once.
        let mut gone = Vec::new();
        while state.bytes > BYTES_MAX
            && state.batches.len() > 1
            && let Some(oldest) = state.batches.pop_front()
        {
            state.bytes -= oldest.bytes;
            state.first += oldest.records.len() as u64;
            gone.push(oldest);
        }
        let next = state.next;
        drop(state);
        // Nobody waits for the lock meanwhile.
        drop(gone);
        if let Some(news) = &*self.news.lock().unwrap_or_else(PoisonError::into_inner)
            && news.receiver_count() > 1
        {
            news.send_replace(next);
        }
    }

    /// Nothing comes any more: who follows is told.
    pub(super) fn close(&self) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// At most `count` records from number `from` on.
    pub(super) fn read(&self, from: u64, count: usize) -> Page {
        let state = self.state();
        let lost = state.first.saturating_sub(from);
        let from = from.max(state.first);
        let mut skip = usize::try_from(from - state.first).unwrap_or(usize::MAX);
        let mut records = Vec::new();
        for batch in &state.batches {
            let left = count - records.len();
            records.extend(batch.records.iter().skip(skip).take(left).cloned());
            skip = skip.saturating_sub(batch.records.len());
            if records.len() == count {
                break;
            }
        }
        Page { lost, next: from + records.len() as u64, records }
    }

    /// Hears of new records.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.heard.clone()
    }

    /// A thread that panicked here has left whole records behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::concerns::logs::record::{Level, Shape, Stream};

    fn record(length: usize) -> Arc<Record> {
        Arc::new(Record {
            worker: None,
            pid: 1,
            stream: Stream::Stdout,
            level: Level::Info,
            at: 0,
            shape: Shape::Plain,
            line: Bytes::from(vec![b'x'; length]),
            of_request: None,
            trace: None,
            weight: 1,
        })
    }

    #[test]
    fn a_slow_reader_is_told_how_much_it_missed() {
        let recent = Recent::default();
        recent.push(vec![record(1), record(2)]);
        let page = recent.read(0, 1);
        assert_eq!((page.lost, page.records.len(), page.next), (0, 1, 1));
        for _ in 0..10 {
            recent.push(vec![record(BYTES_MAX / 4)]);
        }
        let page = recent.read(page.next, 100);
        assert_eq!((page.lost, page.records.len(), page.next), (8, 3, 12));
        assert!(recent.read(page.next, 100).records.is_empty());
    }
}
