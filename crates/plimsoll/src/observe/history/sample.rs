//! One sample: what happened in a second, or in ten of them.
//!
//! Rows are written as arrays, in the order of their fields: names would be most of an hour's bytes.

use std::sync::Arc;

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use crate::observe::http::CLASSES;

/// Numbers are differences over the time it covers, where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When it ended, in milliseconds since the epoch.
    pub t: u64,
    /// How much time it covers.
    pub span_ms: u64,
    /// Requests that came.
    pub requests: u64,
    /// The gateway itself answered with an error, or cut the transfer.
    pub failed: u64,
    pub rescued: u64,
    pub queued: u64,
    /// Answers by the first digit of the status; the first is for those without one.
    pub answers: [u64; CLASSES],
    /// How long half, 99 and 99.9 of 100 requests took at most; 0: none ended.
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub logs: Logs,
    pub workers: Vec<Worker>,
    pub pools: Vec<Pool>,
    pub downstreams: Vec<Downstream>,
}

/// Lines of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Logs {
    pub lines: u64,
    pub bytes: u64,
    pub errors: u64,
    /// Left out by sampling and caps.
    pub sampled: u64,
    /// Lost: the buffer was full, or a sink did not take them.
    pub dropped: u64,
}

/// A place in the fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worker {
    pub id: u16,
    /// For how long its loop did not wait.
    pub busy_ms: u64,
    /// For how long it stood still.
    pub stalled_ms: u64,
    pub stalls: u64,
    /// The longest that a request waited to be begun.
    pub late_ms: u64,
    pub gc_ms: u64,
    /// At the end.
    pub heap_bytes: u64,
    pub rss_bytes: u64,
    pub in_flight: u64,
    pub requests: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub name: Arc<str>,
    /// At the end, or the most of several samples.
    pub in_use: u64,
    pub open: u64,
    pub waiting: u64,
    /// Connections that were got, and the time that was waited for them.
    pub got: u64,
    pub waited_ms: u64,
    pub gave_up: u64,
    /// At the end: what all workers together may have; 0: no limit.
    pub max: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downstream {
    pub name: Arc<str>,
    /// At the end, or the most of several samples.
    pub in_flight: u64,
    pub calls: u64,
    pub errors: u64,
    pub took_ms: u64,
    /// Calls that waited for their turn, and for how long.
    pub queued: u64,
    pub waited_ms: u64,
    pub refused: u64,
}

impl Sample {
    /// Adds the sample that follows. Quantiles are not: whoever adds knows the times.
    pub(super) fn extend(&mut self, next: Self) {
        self.t = next.t;
        self.span_ms += next.span_ms;
        self.requests += next.requests;
        self.failed += next.failed;
        self.rescued += next.rescued;
        self.queued += next.queued;
        std::iter::zip(&mut self.answers, next.answers).for_each(|(sum, count)| *sum += count);
        self.logs.extend(next.logs);
        extend(&mut self.workers, next.workers, |one| one.id, Worker::extend);
        extend(&mut self.pools, next.pools, |one| Arc::clone(&one.name), Pool::extend);
        extend(&mut self.downstreams, next.downstreams, |one| Arc::clone(&one.name), Downstream::extend);
    }
}

/// Rows that were there go on, new ones come, and those that are gone stay as they were.
fn extend<R, K: Eq>(rows: &mut Vec<R>, next: Vec<R>, key: fn(&R) -> K, add: fn(&mut R, R)) {
    for row in next {
        let is_full = rows.len() >= super::meter::ROWS_MAX;
        match rows.iter_mut().find(|known| key(known) == key(&row)) {
            Some(known) => add(known, row),
            None if is_full => {}
            None => rows.push(row),
        }
    }
}

impl Logs {
    fn extend(&mut self, next: Self) {
        self.lines += next.lines;
        self.bytes += next.bytes;
        self.errors += next.errors;
        self.sampled += next.sampled;
        self.dropped += next.dropped;
    }
}

impl Worker {
    fn extend(&mut self, next: Self) {
        *self = Self {
            busy_ms: self.busy_ms + next.busy_ms,
            stalled_ms: self.stalled_ms + next.stalled_ms,
            stalls: self.stalls + next.stalls,
            late_ms: self.late_ms.max(next.late_ms),
            gc_ms: self.gc_ms + next.gc_ms,
            requests: self.requests + next.requests,
            ..next
        };
    }
}

impl Pool {
    fn extend(&mut self, next: Self) {
        *self = Self {
            in_use: self.in_use.max(next.in_use),
            open: self.open.max(next.open),
            waiting: self.waiting.max(next.waiting),
            got: self.got + next.got,
            waited_ms: self.waited_ms + next.waited_ms,
            gave_up: self.gave_up + next.gave_up,
            ..next
        };
    }
}

impl Downstream {
    fn extend(&mut self, next: Self) {
        *self = Self {
            in_flight: self.in_flight.max(next.in_flight),
            calls: self.calls + next.calls,
            errors: self.errors + next.errors,
            took_ms: self.took_ms + next.took_ms,
            queued: self.queued + next.queued,
            waited_ms: self.waited_ms + next.waited_ms,
            refused: self.refused + next.refused,
            ..next
        };
    }
}

impl Serialize for Worker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            id,
            busy_ms,
            stalled_ms,
            stalls,
            late_ms,
            gc_ms,
            heap_bytes,
            rss_bytes,
            in_flight,
            requests,
        } = *self;
        let numbers =
            [busy_ms, stalled_ms, stalls, late_ms, gc_ms, heap_bytes, rss_bytes, in_flight, requests];
        row(serializer, &id, &numbers)
    }
}

impl Serialize for Pool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, in_use, open, waiting, got, waited_ms, gave_up, max } = self;
        row(serializer, &**name, &[*in_use, *open, *waiting, *got, *waited_ms, *gave_up, *max])
    }
}

impl Serialize for Downstream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, in_flight, calls, errors, took_ms, queued, waited_ms, refused } = self;
        let numbers = [*in_flight, *calls, *errors, *took_ms, *queued, *waited_ms, *refused];
        row(serializer, &**name, &numbers)
    }
}

fn row<S: Serializer>(
    serializer: S,
    key: &(impl Serialize + ?Sized),
    numbers: &[u64],
) -> Result<S::Ok, S::Error> {
    let mut row = serializer.serialize_seq(Some(numbers.len() + 1))?;
    row.serialize_element(key)?;
    numbers.iter().try_for_each(|number| row.serialize_element(number))?;
    row.end()
}
