//! Counters of the data path: one [`ThreadStats`] per gateway thread, written with relaxed atomics by that
//! thread alone (so never contended), read by `/metrics` and `/status` through [`Totals`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::by_route::ByRoute;
pub(super) use super::by_route::all_times;
pub use super::by_route::routes;
use super::histogram::{Durations, Snapshot};
use super::queue_age::QueueAge;
use super::quick::Quick;
use super::status::{Failure, Requests};
use crate::ids::RouteId;
pub use crate::routes::Method;
use crate::routes::{OTHER, Table};

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
    /// Links to workers that were opened in shared memory.
    pub links_in_memory: Counter,
    /// Those that are sockets.
    pub links_by_socket: Counter,
    /// For which the worker's page had no slot left.
    pub links_unclaimed: Counter,
    pub requests_active: Counter,
    pub requests_total: Counter,
    /// Requests that are over, however they ended.
    pub requests_ended: Counter,
    pub requests_retried: Counter,
    /// Taken back from a worker that was late, and sent to another.
    pub requests_rescued: Counter,
    /// Had to wait because every worker was late.
    pub requests_queued: Counter,
    /// For how long together, those that are over with it.
    pub requests_queued_us: Counter,
    /// Had to wait for a worker of their lane.
    pub requests_queued_in_lane: Counter,
    /// Requests that the gateway itself had to answer with an error, or whose transfer it had to cut.
    pub requests_failed: Counter,
    pub bytes_from_clients: Counter,
    pub bytes_to_clients: Counter,
    pub queue_age: QueueAge,
    pub quick: Quick,
    /// Answers by the first digit of their status; the first is for those without one.
    answers: [Counter; CLASSES],
    /// Of requests whose route has none.
    durations: Durations,
    pub(super) by_route: ByRoute,
    failures: Failures,
}

impl ThreadStats {
    /// A request was answered: `duration` from its first byte to the last byte of the answer.
    pub fn record(&self, route: RouteId, method: Method, status: u16, duration: Duration) {
        self.requests_ended.add(1);
        self.quick.note(duration);
        let class = usize::from(status / 100);
        if let Some(class) = self.answers.get(if class < CLASSES { class } else { 0 }) {
            class.add(1);
        }
        if !self.by_route.record(route, status, duration) {
            self.durations.record(method, status, duration);
        }
    }

    /// How long all that are over took together.
    fn took(&self) -> Duration {
        let rest = self.durations.snapshots().map(|(_, snapshot)| snapshot.sum_ns);
        Duration::from_nanos(self.by_route.sum_ns().saturating_add(rest.sum()))
    }

    fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.failures.counts()
    }

    /// How often a route was asked for.
    #[must_use]
    pub fn hits(&self, route: RouteId) -> u64 {
        self.by_route.hits(route)
    }

    /// The gateway answered by itself; `code` is what `x-plimsoll-error` says.
    pub fn record_failure(&self, code: &'static str) {
        self.requests_failed.add(1);
        self.failures.record(code);
    }
}

/// `1xx` to `5xx`, and all else.
pub(super) const CLASSES: usize = 6;

/// Answers of all threads by the first digit of their status, as [`ThreadStats`] counts them.
pub(super) fn answers(threads: &[Arc<ThreadStats>]) -> [u64; CLASSES] {
    let mut sums = [0; CLASSES];
    for stats in threads {
        std::iter::zip(&mut sums, &stats.answers).for_each(|(sum, count)| *sum += count.get());
    }
    sums
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
    pub links_in_memory: u64,
    pub links_by_socket: u64,
    pub links_unclaimed: u64,
    pub requests_active: u64,
    pub requests_total: u64,
    pub requests_retried: u64,
    pub requests_rescued: u64,
    pub requests_queued: u64,
    pub requests_queued_in_lane: u64,
    pub requests_failed: u64,
    pub bytes_from_clients: u64,
    pub bytes_to_clients: u64,
    /// The longest of the last seconds that a request waited to be begun.
    pub queue_age: Duration,
    /// By method, status and route; the status is `None` where it has no label of its own.
    pub durations: BTreeMap<(Method, Option<u16>, Arc<str>), Snapshot>,
    /// By `x-plimsoll-error` code.
    pub failures: BTreeMap<&'static str, u64>,
}

impl Totals {
    #[must_use]
    pub fn read(threads: &[Arc<ThreadStats>], table: &Table) -> Self {
        let mut totals = Self::default();
        for stats in threads {
            totals.add(stats, table);
        }
        totals
    }

    fn add(&mut self, stats: &ThreadStats, table: &Table) {
        self.connections_open += stats.connections_open.get();
        self.connections_total += stats.connections_total.get();
        self.connections_refused += stats.connections_refused.get();
        self.links_in_memory += stats.links_in_memory.get();
        self.links_by_socket += stats.links_by_socket.get();
        self.links_unclaimed += stats.links_unclaimed.get();
        self.requests_active += stats.requests_active.get();
        self.requests_total += stats.requests_total.get();
        self.requests_retried += stats.requests_retried.get();
        self.requests_rescued += stats.requests_rescued.get();
        self.requests_queued += stats.requests_queued.get();
        self.requests_queued_in_lane += stats.requests_queued_in_lane.get();
        self.requests_failed += stats.requests_failed.get();
        self.bytes_from_clients += stats.bytes_from_clients.get();
        self.bytes_to_clients += stats.bytes_to_clients.get();
        self.queue_age = self.queue_age.max(stats.queue_age.longest(Instant::now()));
        for ((method, status), snapshot) in stats.durations.snapshots() {
            self.durations.entry((method, status, OTHER.into())).or_default().merge(&snapshot);
        }
        for ((route, status), snapshot) in stats.by_route.snapshots(table) {
            let key = (route.method, Some(status), route.template);
            self.durations.entry(key).or_default().merge(&snapshot);
        }
        for (code, count) in stats.failures() {
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
        queued_in_lane: sum(|stats| &stats.requests_queued_in_lane),
        queued_ms: sum(|stats| &stats.requests_queued_us) / 1000,
        took_ms: millis(threads.iter().map(|stats| stats.took()).sum()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Requests that the gateway had to answer by itself, by the code.
#[must_use]
pub fn failures(threads: &[Arc<ThreadStats>]) -> Vec<Failure> {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (code, count) in threads.iter().flat_map(|stats| stats.failures()) {
        *counts.entry(code).or_default() += count;
    }
    let some = counts.into_iter().filter(|(_, count)| *count > 0);
    some.map(|(code, count)| Failure { code: code.to_owned(), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Routes;

    #[test]
    fn totals_are_the_sum_over_the_threads() {
        let threads: Vec<Arc<ThreadStats>> = (0..3).map(|_| Arc::default()).collect();
        for stats in &threads {
            stats.requests_total.add(2);
            stats.record(RouteId::OTHER, Method::Get, 200, Duration::from_millis(1));
            stats.record_failure("bad_response");
        }
        threads[1].record(RouteId::OTHER, Method::Post, 503, Duration::from_secs(60));
        threads[1].record_failure("no_worker");

        assert_eq!(
            requests(&threads),
            Requests { total: 6, failed: 4, took_ms: 60_003, ..Requests::default() }
        );
        let totals = Totals::read(&threads, &Routes::default().table());
        assert_eq!((totals.requests_total, totals.requests_failed), (6, 4));
        assert_eq!(totals.failures.into_iter().collect::<Vec<_>>(), [("bad_response", 3), ("no_worker", 1)]);
        let counts: Vec<_> = totals
            .durations
            .iter()
            .map(|((method, status, route), shot)| (*method, *status, &**route, shot.count()))
            .collect();
        assert_eq!(counts, [(Method::Get, Some(200), OTHER, 3), (Method::Post, Some(503), OTHER, 1)]);
    }

    #[test]
    fn figures_by_route_are_those_of_all_threads() {
        let routes = Routes::default();
        let slow = routes.tell(Method::Get, b"/slow", "/slow").unwrap();
        let word = routes.tell(Method::Get, b"/posts/first", "/posts/:id").unwrap();
        let threads: Vec<Arc<ThreadStats>> = (0..2).map(|_| Arc::default()).collect();
        for stats in &threads {
            stats.record(slow, Method::Get, 200, Duration::from_millis(100));
            stats.record(word, Method::Get, 500, Duration::from_millis(1));
        }
        threads[0].record(RouteId::OTHER, Method::Get, 404, Duration::from_millis(1));
        let listed = super::routes(&threads, &routes.table());
        let listed: Vec<_> =
            listed.iter().map(|route| (route.route.as_str(), route.requests, route.failed)).collect();
        assert_eq!(listed, [("GET /posts/:id", 2, 2), ("GET /slow", 2, 0), (OTHER, 1, 0)]);
        let totals = Totals::read(&threads, &routes.table());
        let key = (Method::Get, Some(200), Arc::from("/slow"));
        assert_eq!(totals.durations[&key].count(), 2);
        assert_eq!(totals.durations.values().map(Snapshot::count).sum::<u64>(), 5);
        assert_eq!(answers(&threads), [0, 0, 2, 0, 1, 2]);
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
}
