//! How many connections a pool needs, and what is wrong with it, in words.

use super::window::Summary;
use crate::concerns::event_loop::incident::words::duration;
use crate::config::PoolsMode;

/// Fewer acquires per second say nothing about a size.
const RATE_MIN: f64 = 0.5;
/// So much of the time a pool is full before what waits is counted as needed.
const FULL_SHARE: f64 = 0.5;
/// More is asked for than got by so much: the queue grows, and its length says nothing about what is needed.
const GROWING: f64 = 1.05;
/// A guess that rests on a queue goes no further than this.
const FURTHER: u32 = 3;

/// One pool, all workers together.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) name: &'a str,
    pub(super) server: &'a str,
    pub(super) summary: &'a Summary,
    /// Processes that have it.
    pub(super) workers: u32,
    /// What the app set in each.
    pub(super) max_each: u32,
    /// What all may have now.
    pub(super) size: u32,
    pub(super) waiting: u64,
    pub(super) leaked: u64,
    pub(super) leak_after_ms: u32,
    /// What the server allows to this instance, and to all of them.
    pub(super) allowed: Option<u32>,
    pub(super) replicas: u32,
    /// Processes more during a reload.
    pub(super) surge: u32,
    pub(super) mode: PoolsMode,
    pub(super) is_sizeable: bool,
}

/// Little's law: as many as are asked for in the time that 99 of 100 stay in use within. Where the pool is always full and
/// the queue does not grow, it is the wait itself that keeps the rate down: then those who wait are needed as well.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
pub(super) fn needed(summary: &Summary, size: u32) -> u32 {
    if summary.rate < RATE_MIN || summary.use_p99_ms <= 0.0 {
        return 0;
    }
    let little = (summary.rate * summary.use_p99_ms / 1000.0).clamp(1.0, 1e6).ceil() as u32;
    let is_held_back = summary.full_share >= FULL_SHARE && summary.rate <= summary.got_rate * GROWING;
    let with_queue = if is_held_back { summary.in_use + summary.waiting } else { 0.0 };
    let most = size.max(1).saturating_mul(FURTHER);
    little.max((with_queue.clamp(0.0, 1e6).ceil() as u32).min(most))
}

/// All that there is to say.
pub(super) fn findings(facts: &Facts<'_>, queues: bool) -> Vec<String> {
    let queue = queues.then(|| queue(facts));
    [queue, too_many(facts), leak(facts), powerless(facts)].into_iter().flatten().collect()
}

/// Requests wait in our own process: how long, and which size is needed.
pub(super) fn queue(facts: &Facts<'_>) -> String {
    let Facts { name, summary, size, .. } = facts;
    let needed = needed(summary, *size);
    let longest = duration(whole(summary.wait_oldest_ms.max(summary.wait_p99_ms)));
    let waits = match facts.waiting {
        0 => "requests wait".to_owned(),
        1 => "1 request waits".to_owned(),
        waiting => format!("{waiting} requests wait"),
    };
    let p99 = milliseconds(summary.wait_p99_ms);
    let rate = rate(facts);
    let remedy = match facts.allowed {
        _ if needed <= *size => format!("{rate} need {needed}: who holds one for long makes the others wait"),
        Some(allowed) if needed > allowed => {
            format!("{rate} need {needed}, and {} allows {allowed}: hold each for less time", facts.server)
        }
        _ => format!("{rate} need {needed}{}", each(needed, facts.workers)),
    };
    format!(
        "pool {name}: {waits} for a connection in our own process, for up to {longest} (p99 {p99}): all {size} are in \
         use; {remedy}"
    )
}

/// `, 13 in each of 2 workers`
fn each(needed: u32, workers: u32) -> String {
    match workers {
        0 | 1 => String::new(),
        _ => format!(", {} in each of {workers} workers", needed.div_ceil(workers)),
    }
}

/// All pools together may want more than the server has.
fn too_many(facts: &Facts<'_>) -> Option<String> {
    let Facts { name, server, summary, workers, max_each, replicas, surge, .. } = facts;
    let allowed = facts.allowed?.saturating_mul(*replicas);
    if facts.mode == PoolsMode::Enforce && facts.is_sizeable {
        return None;
    }
    let sum = |workers: u32| replicas.saturating_mul(workers).saturating_mul(*max_each);
    let (now, reloading) = (sum(*workers), sum(workers.saturating_add(*surge)));
    let of = match replicas {
        1 => format!("{workers} workers x {max_each}"),
        _ => format!("{replicas} replicas x {workers} workers x {max_each}"),
    };
    let total = match (now > allowed, reloading > allowed) {
        (true, _) => format!("{of} = {now} connections"),
        (false, true) => format!("{of} = {now} connections, {reloading} during a reload"),
        (false, false) => return None,
    };
    let needed = needed(summary, facts.size);
    let enough = match needed {
        0 => String::new(),
        needed => format!("; {needed} are enough for {}", rate(facts)),
    };
    Some(format!("pool {name}: {total}, and {server} allows {allowed}{enough}"))
}

fn leak(facts: &Facts<'_>) -> Option<String> {
    let Facts { name, leaked, .. } = facts;
    let after = duration(facts.leak_after_ms);
    match leaked {
        0 => None,
        1 => {
            Some(format!("pool {name}: 1 connection has been held for over {after}; is it ever given back?"))
        }
        _ => Some(format!(
            "pool {name}: {leaked} connections have been held for over {after}; are they ever given back?"
        )),
    }
}

/// It is to be re-sized, and cannot.
fn powerless(facts: &Facts<'_>) -> Option<String> {
    let Facts { name, server, .. } = facts;
    match facts.mode {
        PoolsMode::Enforce if !facts.is_sizeable => Some(format!(
            "pool {name}: this library cannot be re-sized while it runs; set its size in the app, and the rest of what \
             {server} allows is shared out without it"
        )),
        PoolsMode::Enforce if facts.allowed.is_none() => Some(format!(
            "pool {name}: it is not known how many connections {server} allows; set pools.\"{server}\".max_connections or \
             pools.inspect"
        )),
        PoolsMode::Enforce if facts.allowed < Some(facts.workers) => Some(format!(
            "pool {name}: {} workers need at least one connection each, and {server} allows {}",
            facts.workers,
            facts.allowed.unwrap_or_default()
        )),
        _ => None,
    }
}

/// `310 req/s at 62 ms`
fn rate(facts: &Facts<'_>) -> String {
    let Summary { rate, use_p99_ms, .. } = facts.summary;
    let per_second = if *rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{per_second} req/s at {}", milliseconds(*use_p99_ms))
}

fn milliseconds(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { duration(whole(ms)) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
fn whole(ms: f64) -> u32 {
    ms.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(rate: f64, use_p99_ms: f64) -> Summary {
        Summary { rate, got_rate: rate, use_p99_ms, in_use: rate * use_p99_ms / 1000.0, ..Summary::default() }
    }

    #[test]
    fn the_needed_size_is_what_is_asked_for_in_the_time_of_use() {
        let full = |waiting, got_rate| Summary { waiting, full_share: 1.0, got_rate, ..summary(200.0, 50.0) };
        let table = [
            (Summary::default(), 10, 0),
            (summary(310.0, 62.0), 160, 20),
            (summary(500.0, 50.0), 10, 25),
            (summary(5.0, 1.0), 10, 1),
            // Always full, and as many come as go: 25 callers take turns.
            (full(15.0, 200.0), 10, 25),
            (full(150.0, 200.0), 10, 30),
            // The queue grows: its length says nothing.
            (full(150.0, 150.0), 10, 10),
            (summary(f64::MAX, 50.0), 10, 1_000_000),
        ];
        for (summary, size, expected) in table {
            assert_eq!(needed(&summary, size), expected, "{summary:?}");
        }
    }

    fn facts(summary: &Summary) -> Facts<'_> {
        Facts {
            name: "pg@db:5432/shop",
            server: "db:5432",
            summary,
            workers: 8,
            max_each: 20,
            size: 160,
            waiting: 0,
            leaked: 0,
            leak_after_ms: 30_000,
            allowed: None,
            replicas: 1,
            surge: 1,
            mode: PoolsMode::Observe,
            is_sizeable: true,
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_the_users_words() {
        let calm = summary(310.0, 62.0);
        let queue = Summary { wait_p99_ms: 1900.0, wait_oldest_ms: 3240.0, ..summary(500.0, 50.0) };
        let of = |summary| facts(summary);
        let small =
            |facts: Facts<'static>| Facts { workers: 1, max_each: 10, size: 10, waiting: 143, ..facts };
        let (calm, queue): (&'static Summary, &'static Summary) =
            (Box::leak(Box::new(calm)), Box::leak(Box::new(queue)));
        let wait = "pool pg@db:5432/shop: 143 requests wait for a connection in our own process, for up to 3.2 s (p99 \
                    1.9 s): all 10 are in use; 500 req/s at 50 ms need 25";
        let table: [(Facts<'_>, bool, &[&str]); 10] = [
            (of(calm), false, &[]),
            (Facts { allowed: Some(200), ..of(calm) }, false, &[]),
            (
                Facts { allowed: Some(100), ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 8 workers x 20 = 160 connections, and db:5432 allows 100; 20 are enough for 310 \
                     req/s at 62 ms",
                ],
            ),
            (
                Facts { allowed: Some(170), ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 8 workers x 20 = 160 connections, 180 during a reload, and db:5432 allows 170; \
                     20 are enough for 310 req/s at 62 ms",
                ],
            ),
            (
                Facts { allowed: Some(100), replicas: 3, ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 3 replicas x 8 workers x 20 = 480 connections, and db:5432 allows 300; 20 are \
                     enough for 310 req/s at 62 ms",
                ],
            ),
            (small(of(queue)), true, &[wait]),
            (
                Facts { allowed: Some(20), ..small(of(queue)) },
                true,
                &[&format!("{wait}, and db:5432 allows 20: hold each for less time")],
            ),
            (
                Facts { leaked: 2, ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 2 connections have been held for over 30.0 s; are they ever given back?",
                ],
            ),
            (
                Facts { mode: PoolsMode::Enforce, ..of(calm) },
                false,
                &["pool pg@db:5432/shop: it is not known how many connections db:5432 allows; set \
                     pools.\"db:5432\".max_connections or pools.inspect"],
            ),
            (
                Facts { mode: PoolsMode::Enforce, allowed: Some(100), is_sizeable: true, ..of(calm) },
                false,
                &[],
            ),
        ];
        for (facts, queues, expected) in table {
            assert_eq!(findings(&facts, queues), expected);
        }
    }
}
