//! Figures of one gateway thread by route.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::histogram::{Histogram, Snapshot};
use super::http::{Counter, ThreadStats};
use super::status::Route;
use super::times::{Sum, Times};
use crate::ids::RouteId;
use crate::routes::{IDS_MAX, Name, OTHER, Table};

/// Statuses of a route that have a histogram of their own.
const STATUSES_MAX: usize = 8;
/// Pairs of route and status with a histogram of their own; what is over the limit is counted without a route.
const PAIRS_MAX: u64 = 512;
/// Routes that `/status` shows.
const SHOWN_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct ByRoute {
    rows: Box<[OnceLock<Box<Row>>]>,
    pairs: Counter,
}

#[derive(Debug, Default)]
struct Row {
    failed: Counter,
    times: Times,
    by_status: [OnceLock<(u16, Histogram)>; STATUSES_MAX],
}

impl Default for ByRoute {
    fn default() -> Self {
        Self { rows: (0..IDS_MAX).map(|_| OnceLock::new()).collect(), pairs: Counter::default() }
    }
}

impl ByRoute {
    /// False where it has no histogram of its own for the status.
    pub(super) fn record(&self, route: RouteId, status: u16, duration: Duration) -> bool {
        let Some(row) = self.rows.get(usize::from(route.0)) else { return false };
        let row = row.get_or_init(Box::default);
        row.times.record(duration);
        if status >= 500 {
            row.failed.add(1);
        }
        let histogram = Some(route).filter(|route| *route != RouteId::OTHER).and(self.histogram(row, status));
        histogram.inspect(|histogram| histogram.record(duration)).is_some()
    }

    fn histogram<'a>(&self, row: &'a Row, status: u16) -> Option<&'a Histogram> {
        let known = row.by_status.iter().find_map(|slot| slot.get().filter(|(of, _)| *of == status));
        if known.is_some() {
            return known.map(|(_, histogram)| histogram);
        }
        let free = row.by_status.iter().find(|slot| slot.get().is_none())?;
        if self.pairs.get() >= PAIRS_MAX || !(100..600).contains(&status) {
            return None;
        }
        self.pairs.add(1);
        Some(&free.get_or_init(|| (status, Histogram::default())).1)
    }

    pub(super) fn hits(&self, route: RouteId) -> u64 {
        self.row(route).map_or(0, |row| row.times.count())
    }

    /// How long all that have a histogram of their own took together.
    pub(super) fn sum_ns(&self) -> u64 {
        let slots = self.seen().flat_map(|(_, row)| row.by_status.iter().filter_map(OnceLock::get));
        slots.map(|(_, histogram)| histogram.sum_ns()).sum()
    }

    /// Every route and status that was seen.
    pub(super) fn snapshots(&self, table: &Table) -> impl Iterator<Item = ((Name, u16), Snapshot)> {
        self.named(table).flat_map(|(name, row)| {
            let slots = row.by_status.iter().filter_map(OnceLock::get);
            slots.map(move |(status, histogram)| ((name.clone(), *status), histogram.snapshot()))
        })
    }

    fn named(&self, table: &Table) -> impl Iterator<Item = (Name, &Row)> {
        self.seen().filter_map(|(id, row)| Some((table.name(id)?, row)))
    }

    fn seen(&self) -> impl Iterator<Item = (RouteId, &Row)> {
        let rows = (0..).map(RouteId).zip(&self.rows);
        rows.filter_map(|(id, row)| Some((id, row.get()?.as_ref())))
    }

    fn row(&self, route: RouteId) -> Option<&Row> {
        self.rows.get(usize::from(route.0))?.get().map(AsRef::as_ref)
    }
}

#[derive(Debug, Default)]
struct Figures {
    failed: u64,
    times: Sum,
}

/// How long requests took, by the number under which their route is counted now; and for each number that a thread may
/// still use which one that is.
pub(super) fn times(
    threads: &[Arc<ThreadStats>],
    table: &Table,
) -> (BTreeMap<RouteId, Sum>, BTreeMap<RouteId, RouteId>) {
    let mut sums: BTreeMap<RouteId, Sum> = BTreeMap::new();
    let mut current = BTreeMap::new();
    for (id, row) in threads.iter().flat_map(|stats| stats.by_route.seen()) {
        let now = table.current(id);
        current.insert(id, now);
        sums.entry(now).or_default().add(&row.times);
    }
    (sums, current)
}

/// How long all requests took.
pub(super) fn all_times(threads: &[Arc<ThreadStats>]) -> Sum {
    let mut sum = Sum::default();
    threads.iter().flat_map(|stats| stats.by_route.seen()).for_each(|(_, row)| sum.add(&row.times));
    sum
}

/// The routes that are asked for most, and the rest as one.
#[must_use]
pub fn routes(threads: &[Arc<ThreadStats>], table: &Table) -> Vec<Route> {
    let mut all: BTreeMap<RouteId, Figures> = BTreeMap::new();
    for (id, row) in threads.iter().flat_map(|stats| stats.by_route.seen()) {
        let figures = all.entry(table.current(id)).or_default();
        figures.failed += row.failed.get();
        figures.times.add(&row.times);
    }
    let mut routes: Vec<Route> = all.iter().map(|(id, figures)| describe(*id, figures, table)).collect();
    routes.sort_by(|one, other| other.requests.cmp(&one.requests).then_with(|| one.route.cmp(&other.route)));
    routes.truncate(SHOWN_MAX);
    routes
}

fn describe(id: RouteId, figures: &Figures, table: &Table) -> Route {
    Route {
        route: table.name(id).map_or_else(|| OTHER.to_owned(), |name| name.to_string()),
        requests: figures.times.count(),
        failed: figures.failed,
        p50_us: figures.times.quantile_us(500),
        p99_us: figures.times.quantile_us(990),
        loop_us: 0,
    }
}
