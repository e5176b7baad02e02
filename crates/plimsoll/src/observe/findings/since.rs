//! What happened between two statuses of one instance: the later one, with what is counted less what was counted before.
//!
//! What is "now", "lately" or "most" stays as it is. Of a worker, requests, stalls and lines of log are counted over all its
//! processes; what is counted of a process begins at nothing again when it is replaced.

use std::iter;

use crate::concerns::event_loop::incident::book::Group;
use crate::observe::status::pools::Pool;
use crate::observe::status::{Collections, Downstream, Logs, Requests, Status, Worker};

pub(super) fn since(now: &Status, then: &Status) -> Status {
    let mut status = now.clone();
    status.uptime_s = now.uptime_s.saturating_sub(then.uptime_s);
    requests(&mut status.requests, &then.requests);
    each(
        &mut status.failures,
        &then.failures,
        |one, other| one.code == other.code,
        |one, before| {
            less(&mut one.count, before.count);
        },
    );
    each(
        &mut status.routes,
        &then.routes,
        |one, other| one.route == other.route,
        |one, before| {
            less(&mut one.requests, before.requests);
            less(&mut one.failed, before.failed);
        },
    );
    let same_group = |one: &Group, other: &Group| {
        (&one.route, &one.place, one.kind) == (&other.route, &other.place, other.kind)
    };
    each(&mut status.incidents.groups, &then.incidents.groups, same_group, group);
    each(&mut status.downstreams, &then.downstreams, |one, other| one.origin == other.origin, downstream);
    each(&mut status.pools, &then.pools, |one, other| one.name == other.name, pool);
    each(&mut status.workers, &then.workers, |one, other| one.id == other.id, place);
    // A process that came after is not the same.
    each(
        &mut status.workers,
        &then.workers,
        |one, other| (one.id, one.pid) == (other.id, other.pid),
        process,
    );
    log_lines(&mut status.logs, &then.logs);
    status
}

/// Takes from each what the same one had then.
fn each<T>(now: &mut [T], then: &[T], is_same: impl Fn(&T, &T) -> bool, subtract: impl Fn(&mut T, &T)) {
    for one in now {
        if let Some(before) = then.iter().find(|before| is_same(one, before)) {
            subtract(one, before);
        }
    }
}

fn less(now: &mut u64, then: u64) {
    *now = now.saturating_sub(then);
}

fn all_less<const N: usize>(pairs: [(&mut u64, u64); N]) {
    for (now, then) in pairs {
        less(now, then);
    }
}

fn requests(now: &mut Requests, then: &Requests) {
    all_less([
        (&mut now.total, then.total),
        (&mut now.failed, then.failed),
        (&mut now.retried, then.retried),
        (&mut now.rescued, then.rescued),
        (&mut now.queued, then.queued),
        (&mut now.queued_in_lane, then.queued_in_lane),
        (&mut now.took_ms, then.took_ms),
        (&mut now.queued_ms, then.queued_ms),
    ]);
}

fn group(now: &mut Group, then: &Group) {
    all_less([
        (&mut now.count, then.count),
        (&mut now.total_ms, then.total_ms),
        (&mut now.cost_ms, then.cost_ms),
        (&mut now.waited, then.waited),
        (&mut now.rescued, then.rescued),
    ]);
}

fn downstream(now: &mut Downstream, then: &Downstream) {
    now.figures.0 = now.figures.0.since(&then.figures.0);
    if let (Some(now), Some(then)) = (&mut now.breaker, &then.breaker) {
        all_less([
            (&mut now.opened, then.opened),
            (&mut now.would_refuse, then.would_refuse),
            (&mut now.would_fail, then.would_fail),
        ]);
    }
}

fn pool(now: &mut Pool, then: &Pool) {
    now.figures.0 = now.figures.0.since(&then.figures.0);
}

/// What is counted of a worker, whichever process it is: it goes on when one is replaced.
fn place(now: &mut Worker, then: &Worker) {
    all_less([
        (&mut now.requests, then.requests),
        (&mut now.event_loop.stalls, then.event_loop.stalls),
        (&mut now.event_loop.stalled_ms, then.event_loop.stalled_ms),
    ]);
    if let (Some(now), Some(then)) = (&mut now.logs, &then.logs) {
        all_less([
            (&mut now.lines, then.lines),
            (&mut now.bytes, then.bytes),
            (&mut now.pipe_full, then.pipe_full),
            (&mut now.lost_lines, then.lost_lines),
        ]);
    }
}

/// What is counted of its process.
fn process(now: &mut Worker, then: &Worker) {
    less(&mut now.event_loop.busy_us, then.event_loop.busy_us);
    if let (Some(now), Some(then)) = (&mut now.memory, &then.memory) {
        less(&mut now.allocated_bytes, then.allocated_bytes);
        iter::zip(&mut now.gc, &then.gc).for_each(|(now, then)| collections(now, then));
    }
}

fn collections(now: &mut Collections, then: &Collections) {
    all_less([(&mut now.count, then.count), (&mut now.total_us, then.total_us)]);
    iter::zip(&mut now.pauses, &then.pauses).for_each(|(now, then)| less(now, *then));
}

fn log_lines(now: &mut Logs, then: &Logs) {
    all_less([
        (&mut now.kept, then.kept),
        (&mut now.sampled, then.sampled),
        (&mut now.capped, then.capped),
        (&mut now.lost, then.lost),
    ]);
}
