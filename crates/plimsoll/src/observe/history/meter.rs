//! From what has been counted since the start to what happened meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use super::sample::{Downstream, Logs, Pool, Sample, Worker};
use crate::observe::http::{self, CLASSES, ThreadStats};
use crate::observe::status::{self, Requests, Status};
use crate::observe::times::Sum;

/// Rows of one kind in a sample, with the one for the rest.
pub(super) const ROWS_MAX: usize = WORKERS_MAX + 1;
const WORKERS_MAX: usize = 64;
const POOLS_MAX: usize = 16;
const DOWNSTREAMS_MAX: usize = 16;
/// Of a pool or a downstream.
const NAME_MAX: usize = 80;
/// For those that are not told apart.
const OTHERS: &str = "others";
const OTHER_WORKERS: u16 = u16::MAX;
/// A long sample is full after this time, less what a timer may be early.
const LONG_MS: u64 = 9_500;

/// What has been counted at one moment: numbers since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    t: u64,
    requests: Requests,
    answers: [u64; CLASSES],
    times: Sum,
    logs: Logs,
    workers: Vec<Worker>,
    pools: Vec<Pool>,
    downstreams: Vec<Downstream>,
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Option<Reading>,
    /// The long sample that is being made, and the times when it began.
    long: Option<(Sample, Sum)>,
}

impl Reading {
    pub(super) fn of(status: &Status, threads: &[Arc<ThreadStats>], t: u64) -> Self {
        Self {
            t,
            requests: status.requests,
            answers: http::answers(threads),
            times: http::all_times(threads),
            logs: logs(status),
            workers: limited(status.workers.iter().map(worker), WORKERS_MAX, add_worker),
            pools: limited(status.pools.iter().map(pool), POOLS_MAX, add_pool),
            downstreams: limited(status.downstreams.iter().map(downstream), DOWNSTREAMS_MAX, add_downstream),
        }
    }
}

impl Meter {
    /// What happened since the reading before; and every ten seconds, what happened in them. Nothing after the first.
    pub(super) fn take(&mut self, now: Reading) -> Option<(Sample, Option<Sample>)> {
        let last = self.last.replace(now.clone())?;
        // A clock that was set back: the next one is right again.
        if now.t <= last.t {
            return None;
        }
        let short = difference(&last, &now);
        let (mut long, began) = self.long.take().unwrap_or_else(|| (Sample::default(), last.times));
        long.extend(short.clone());
        if long.span_ms < LONG_MS {
            self.long = Some((long, began));
            return Some((short, None));
        }
        set_quantiles(&mut long, &now.times.since(&began));
        Some((short, Some(long)))
    }
}

fn set_quantiles(sample: &mut Sample, times: &Sum) {
    [sample.p50_us, sample.p99_us, sample.p999_us] = match times.count() {
        0 => [0; 3],
        _ => [500, 990, 999].map(|per_mille| times.quantile_us(per_mille)),
    };
}

fn difference(last: &Reading, now: &Reading) -> Sample {
    let (from, to) = (&last.requests, &now.requests);
    let mut sample = Sample {
        t: now.t,
        span_ms: now.t - last.t,
        requests: to.total.saturating_sub(from.total),
        failed: to.failed.saturating_sub(from.failed),
        rescued: to.rescued.saturating_sub(from.rescued),
        queued: to.queued.saturating_sub(from.queued) + to.queued_in_lane.saturating_sub(from.queued_in_lane),
        answers: std::array::from_fn(|class| {
            let of = |reading: &Reading| reading.answers.get(class).copied().unwrap_or(0);
            of(now).saturating_sub(of(last))
        }),
        logs: logs_since(last.logs, now.logs),
        workers: since(&last.workers, &now.workers, |one| one.id, worker_since),
        pools: since(&last.pools, &now.pools, |one| Arc::clone(&one.name), pool_since),
        downstreams: since(
            &last.downstreams,
            &now.downstreams,
            |one| Arc::clone(&one.name),
            downstream_since,
        ),
        ..Sample::default()
    };
    set_quantiles(&mut sample, &now.times.since(&last.times));
    sample
}

/// Each row less what it was; what is new is told from the next time on, for it may bring a past of its own.
fn since<R: Clone, K: Eq + std::hash::Hash>(
    last: &[R],
    now: &[R],
    key: fn(&R) -> K,
    less: fn(&R, &R) -> R,
) -> Vec<R> {
    let last: HashMap<K, &R> = last.iter().map(|row| (key(row), row)).collect();
    now.iter().map(|row| less(last.get(&key(row)).copied().unwrap_or(row), row)).collect()
}

/// The first `most`, and the rest as one: the status has them in a lasting order.
fn limited<R>(rows: impl Iterator<Item = R>, most: usize, add: fn(R, R) -> R) -> Vec<R> {
    let mut rows = rows;
    let mut kept: Vec<R> = rows.by_ref().take(most).collect();
    kept.extend(rows.reduce(add));
    kept
}

fn worker(worker: &status::Worker) -> Worker {
    let memory = worker.memory.as_ref();
    let collected_us: u64 = memory.map_or(0, |memory| memory.gc.iter().map(|kind| kind.total_us).sum());
    let event_loop = worker.event_loop;
    Worker {
        id: worker.id,
        busy_ms: event_loop.busy_us / 1000,
        stalled_ms: event_loop.stalled_ms,
        stalls: event_loop.stalls,
        late_ms: event_loop.late_ms.into(),
        gc_ms: collected_us / 1000,
        heap_bytes: memory.map_or(0, |memory| memory.heap_used_bytes),
        rss_bytes: worker.rss_bytes,
        in_flight: worker.in_flight.into(),
        requests: worker.requests,
    }
}

fn worker_since(last: &Worker, now: &Worker) -> Worker {
    Worker {
        busy_ms: now.busy_ms.saturating_sub(last.busy_ms),
        stalled_ms: now.stalled_ms.saturating_sub(last.stalled_ms),
        stalls: now.stalls.saturating_sub(last.stalls),
        gc_ms: now.gc_ms.saturating_sub(last.gc_ms),
        requests: now.requests.saturating_sub(last.requests),
        ..*now
    }
}

fn add_worker(one: Worker, other: Worker) -> Worker {
    Worker {
        id: OTHER_WORKERS,
        busy_ms: one.busy_ms + other.busy_ms,
        stalled_ms: one.stalled_ms + other.stalled_ms,
        stalls: one.stalls + other.stalls,
        late_ms: one.late_ms.max(other.late_ms),
        gc_ms: one.gc_ms + other.gc_ms,
        heap_bytes: one.heap_bytes + other.heap_bytes,
        rss_bytes: one.rss_bytes + other.rss_bytes,
        in_flight: one.in_flight + other.in_flight,
        requests: one.requests + other.requests,
    }
}

fn pool(pool: &status::pools::Pool) -> Pool {
    Pool {
        name: short(&pool.name),
        in_use: pool.in_use,
        open: pool.open,
        waiting: pool.waiting,
        got: pool.got,
        waited_ms: pool.waited_us / 1000,
        gave_up: pool.gave_up,
        max: pool.max,
    }
}

fn pool_since(last: &Pool, now: &Pool) -> Pool {
    Pool {
        got: now.got.saturating_sub(last.got),
        waited_ms: now.waited_ms.saturating_sub(last.waited_ms),
        gave_up: now.gave_up.saturating_sub(last.gave_up),
        ..now.clone()
    }
}

fn add_pool(one: Pool, other: Pool) -> Pool {
    Pool {
        name: OTHERS.into(),
        in_use: one.in_use + other.in_use,
        open: one.open + other.open,
        waiting: one.waiting + other.waiting,
        got: one.got + other.got,
        waited_ms: one.waited_ms + other.waited_ms,
        gave_up: one.gave_up + other.gave_up,
        max: one.max + other.max,
    }
}

fn downstream(one: &status::Downstream) -> Downstream {
    Downstream {
        name: short(&one.origin),
        in_flight: one.in_flight,
        calls: one.calls,
        errors: one.errors,
        took_ms: one.took_ms,
        queued: one.queued,
        waited_ms: one.waited_ms,
        refused: one.refused,
    }
}

fn downstream_since(last: &Downstream, now: &Downstream) -> Downstream {
    Downstream {
        calls: now.calls.saturating_sub(last.calls),
        errors: now.errors.saturating_sub(last.errors),
        took_ms: now.took_ms.saturating_sub(last.took_ms),
        queued: now.queued.saturating_sub(last.queued),
        waited_ms: now.waited_ms.saturating_sub(last.waited_ms),
        refused: now.refused.saturating_sub(last.refused),
        ..now.clone()
    }
}

fn add_downstream(one: Downstream, other: Downstream) -> Downstream {
    Downstream {
        name: OTHERS.into(),
        in_flight: one.in_flight + other.in_flight,
        calls: one.calls + other.calls,
        errors: one.errors + other.errors,
        took_ms: one.took_ms + other.took_ms,
        queued: one.queued + other.queued,
        waited_ms: one.waited_ms + other.waited_ms,
        refused: one.refused + other.refused,
    }
}

fn logs(status: &Status) -> Logs {
    let of_workers = || status.workers.iter().filter_map(|worker| worker.logs);
    Logs {
        lines: of_workers().map(|logs| logs.lines).sum(),
        bytes: of_workers().map(|logs| logs.bytes).sum(),
        errors: status.logs.errors,
        sampled: status.logs.sampled + status.logs.capped,
        dropped: status.logs.lost + status.log_sinks.iter().map(|sink| sink.dropped_lines).sum::<u64>(),
    }
}

fn logs_since(last: Logs, now: Logs) -> Logs {
    Logs {
        lines: now.lines.saturating_sub(last.lines),
        bytes: now.bytes.saturating_sub(last.bytes),
        errors: now.errors.saturating_sub(last.errors),
        sampled: now.sampled.saturating_sub(last.sampled),
        dropped: now.dropped.saturating_sub(last.dropped),
    }
}

/// A name that an app chose.
fn short(name: &str) -> Arc<str> {
    match name.char_indices().nth(NAME_MAX) {
        None => name.into(),
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()).into(),
    }
}
