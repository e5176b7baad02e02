//! Counters of the data path: one [`ThreadStats`] per gateway thread, written with relaxed atomics by that
//! thread alone (so never contended), read by `/metrics` and `/status` through [`Totals`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::histogram::{Durations, Snapshot};
use super::status::Requests;

/// Methods that get a label of their own; every other token is `_OTHER`, as OpenTelemetry's HTTP conventions
/// ask, so that clients cannot make labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl Method {
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];

    /// Method tokens are case-sensitive (RFC 9110 §9.1): `get` is another method.
    #[must_use]
    pub fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// As a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "_OTHER",
        }
    }
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        // One writer: a load and a store, no locked instruction.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).saturating_sub(n), Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Figures of one gateway thread. Aligned to two cache lines (the prefetcher fetches pairs), so that no other
/// thread's writes ever share a line with these.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ThreadStats {
    pub connections_open: Counter,
    pub connections_total: Counter,
    pub connections_refused: Counter,
    pub requests_active: Counter,
    pub requests_total: Counter,
    /// Requests that are over, however they ended.
    pub requests_ended: Counter,
    pub requests_retried: Counter,
    /// Taken back from a worker that was late, and sent to another.
    pub requests_rescued: Counter,
    /// Had to wait because every worker was late.
    pub requests_queued: Counter,
    /// Requests that the gateway itself had to answer with an error, or whose transfer it had to cut.
    pub requests_failed: Counter,
    pub bytes_from_clients: Counter,
    pub bytes_to_clients: Counter,
    durations: Durations,
    failures: Failures,
}

impl ThreadStats {
    /// A request was answered: `duration` from its first byte to the last byte of the answer.
    pub fn record(&self, method: Method, status: u16, duration: Duration) {
        self.requests_ended.add(1);
        self.durations.record(method, status, duration);
    }

    /// The gateway answered by itself; `code` is what `x-plimsoll-error` says.
    pub fn record_failure(&self, code: &'static str) {
        self.requests_failed.add(1);
        self.failures.record(code);
    }
}

/// Codes that are counted one by one; what comes after is counted as [`OTHER_CODE`].
const CODES_MAX: usize = 32;
const OTHER_CODE: &str = "other";

/// Failures by code. A code takes the first free row when it is first seen and keeps it: the codes are
/// constants of this program, so there is no table of them to hold equal with the gateway's.
#[derive(Debug, Default)]
struct Failures {
    rows: [Row; CODES_MAX],
    other: Counter,
}

#[derive(Debug, Default)]
struct Row {
    code: OnceLock<&'static str>,
    count: Counter,
}

impl Failures {
    fn record(&self, code: &'static str) {
        let row = self.rows.iter().find(|row| *row.code.get_or_init(|| code) == code);
        row.map_or(&self.other, |row| &row.count).add(1);
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rows = self.rows.iter().map_while(|row| Some((*row.code.get()?, row.count.get())));
        rows.chain(Some((OTHER_CODE, self.other.get())).filter(|(_, count)| *count > 0))
    }
}

/// The figures of all gateway threads together, as read at one moment.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    pub connections_open: u64,
    pub connections_total: u64,
    pub connections_refused: u64,
    pub requests_active: u64,
    pub requests_total: u64,
    pub requests_retried: u64,
    pub requests_rescued: u64,
    pub requests_queued: u64,
    pub requests_failed: u64,
    pub bytes_from_clients: u64,
    pub bytes_to_clients: u64,
    /// By method and status; the status is `None` where it has no label of its own.
    pub durations: BTreeMap<(Method, Option<u16>), Snapshot>,
    /// By `x-plimsoll-error` code.
    pub failures: BTreeMap<&'static str, u64>,
}

impl Totals {
    #[must_use]
    pub fn read(threads: &[Arc<ThreadStats>]) -> Self {
        let mut totals = Self::default();
        for stats in threads {
            totals.add(stats);
        }
        totals
    }

    fn add(&mut self, stats: &ThreadStats) {
        self.connections_open += stats.connections_open.get();
        self.connections_total += stats.connections_total.get();
        self.connections_refused += stats.connections_refused.get();
        self.requests_active += stats.requests_active.get();
        self.requests_total += stats.requests_total.get();
        self.requests_retried += stats.requests_retried.get();
        self.requests_rescued += stats.requests_rescued.get();
        self.requests_queued += stats.requests_queued.get();
        self.requests_failed += stats.requests_failed.get();
        self.bytes_from_clients += stats.bytes_from_clients.get();
        self.bytes_to_clients += stats.bytes_to_clients.get();
        for (pair, snapshot) in stats.durations.snapshots() {
            self.durations.entry(pair).or_default().merge(&snapshot);
        }
        for (code, count) in stats.failures.counts() {
            *self.failures.entry(code).or_default() += count;
        }
    }
}

/// The part of the totals that `/status` shows.
#[must_use]
pub fn requests(threads: &[Arc<ThreadStats>]) -> Requests {
    let sum = |read: fn(&ThreadStats) -> &Counter| threads.iter().map(|stats| read(stats).get()).sum();
    Requests {
        total: sum(|stats| &stats.requests_total),
        failed: sum(|stats| &stats.requests_failed),
        retried: sum(|stats| &stats.requests_retried),
        rescued: sum(|stats| &stats.requests_rescued),
        queued: sum(|stats| &stats.requests_queued),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sum_over_the_threads() {
        let threads: Vec<Arc<ThreadStats>> = (0..3).map(|_| Arc::default()).collect();
        for stats in &threads {
            stats.requests_total.add(2);
            stats.record(Method::Get, 200, Duration::from_millis(1));
            stats.record_failure("bad_response");
        }
        threads[1].record(Method::Post, 503, Duration::from_secs(60));
        threads[1].record_failure("no_worker");

        assert_eq!(requests(&threads), Requests { total: 6, failed: 4, retried: 0, rescued: 0, queued: 0 });
        let totals = Totals::read(&threads);
        assert_eq!((totals.requests_total, totals.requests_failed), (6, 4));
        assert_eq!(totals.failures.into_iter().collect::<Vec<_>>(), [("bad_response", 3), ("no_worker", 1)]);
        let counts: Vec<_> = totals.durations.iter().map(|(pair, shot)| (*pair, shot.count())).collect();
        assert_eq!(counts, [((Method::Get, Some(200)), 3), ((Method::Post, Some(503)), 1)]);
    }

    #[test]
    fn a_code_without_a_row_is_other() {
        let failures = Failures::default();
        for n in 0..CODES_MAX + 3 {
            failures.record(String::leak(format!("code_{n}")));
        }
        failures.record("code_0");
        let counts: Vec<_> = failures.counts().collect();
        assert_eq!(counts.len(), CODES_MAX + 1);
        assert_eq!((counts[0], counts[CODES_MAX]), (("code_0", 2), (OTHER_CODE, 3)));
    }

    #[test]
    fn only_known_methods_make_labels() {
        for method in Method::ALL {
            assert_eq!(Method::from_token(method.as_str()), method);
        }
        for token in ["get", "M-SEARCH", "", "_OTHER"] {
            assert_eq!(Method::from_token(token), Method::Other, "{token}");
        }
    }
}
