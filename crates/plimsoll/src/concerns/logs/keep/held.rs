//! Lines of requests that were not chosen, held for a moment: the request may still fail.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::concerns::logs::keep::weight;
use crate::concerns::logs::record::Record;

const REQUEST_BYTES_MAX: usize = 64 * 1024;
const HELD_FOR: Duration = Duration::from_secs(10);
const BYTES_MAX: usize = 6 * 1024 * 1024;
/// What a record takes beside its line.
const RECORD_BYTES: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Held {
    requests: HashMap<u64, Request>,
    /// In the order in which they began; a request that is gone may still stand here.
    begun: VecDeque<(Instant, u64)>,
    bytes: usize,
}

#[derive(Debug)]
struct Request {
    since: Instant,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Holds a line. Gives those that had to make room: the oldest of the request, then the oldest requests.
    pub(super) fn hold(&mut self, hash: u64, record: Record, now: Instant) -> Vec<Record> {
        let size = record.line.len() + RECORD_BYTES;
        if size > REQUEST_BYTES_MAX {
            return vec![record];
        }
        let begun = &mut self.begun;
        let request = self.requests.entry(hash).or_insert_with(|| {
            begun.push_back((now, hash));
            Request { since: now, records: VecDeque::new(), bytes: 0 }
        });
        request.records.push_back(weight::detach(record, 1));
        request.bytes += size;
        self.bytes += size;
        let mut gone = Vec::new();
        while request.bytes > REQUEST_BYTES_MAX {
            let Some(oldest) = request.records.pop_front() else { break };
            request.bytes -= oldest.line.len() + RECORD_BYTES;
            self.bytes -= oldest.line.len() + RECORD_BYTES;
            gone.push(oldest);
        }
        while self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.begun.front().copied() else { break };
            self.begun.pop_front();
            gone.extend(self.release(oldest));
        }
        gone
    }

    /// What is held of a request, which is then held no more.
    pub(super) fn release(&mut self, hash: u64) -> VecDeque<Record> {
        let Some(request) = self.requests.remove(&hash) else { return VecDeque::new() };
        self.bytes -= request.bytes;
        request.records
    }

    /// Keeps only the last lines of a request; gives the others.
    pub(super) fn shorten(&mut self, hash: u64, lines: usize) -> Vec<Record> {
        let Some(request) = self.requests.get_mut(&hash) else { return Vec::new() };
        let beyond = request.records.len().saturating_sub(lines);
        let gone: Vec<Record> = request.records.drain(..beyond).collect();
        let size: usize = gone.iter().map(|record| record.line.len() + RECORD_BYTES).sum();
        request.bytes -= size;
        self.bytes -= size;
        gone
    }

    /// As [`Held::release`], for a request that went well.
    pub(super) fn forget(&mut self, hash: u64) -> VecDeque<Record> {
        self.release(hash)
    }

    /// What has been held for long enough.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Record> {
        let mut gone = Vec::new();
        while let Some((since, hash)) = self.begun.front().copied() {
            if now.saturating_duration_since(since) < HELD_FOR {
                break;
            }
            self.begun.pop_front();
            // It may have been let go and have begun again since.
            if self.requests.get(&hash).is_some_and(|request| request.since == since) {
                gone.extend(self.release(hash));
            }
        }
        gone
    }

    pub(super) fn clear(&mut self) -> Vec<Record> {
        let all = std::mem::take(self);
        all.requests.into_values().flat_map(|request| request.records).collect()
    }
}
