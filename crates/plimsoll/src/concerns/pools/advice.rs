//! What is wrong with a pool, in words.

use super::size::{Pools, needed};
use super::window::Summary;
use crate::concerns::words::{duration, milliseconds};
use crate::config::PoolsMode;

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
    pub(super) is_shared: bool,
}

impl Facts<'_> {
    /// How many connections all workers together need; 0: not known.
    pub(super) fn needed(&self) -> u32 {
        let is_lent = self.is_lent();
        if self.is_shared {
            return 0;
        }
        needed(self.summary, Pools { size: self.size, workers: self.workers, is_lent })
    }

    fn is_lent(&self) -> bool {
        self.mode == PoolsMode::Enforce && self.is_sizeable && self.allowed.is_some()
    }
}

/// All that there is to say.
pub(super) fn findings(facts: &Facts<'_>, queues: bool) -> Vec<String> {
    let queue = queues.then(|| queue(facts));
    [queue, too_many(facts), leak(facts), powerless(facts)].into_iter().flatten().collect()
}

/// Requests wait in our own process: how long, and which size is needed.
pub(super) fn queue(facts: &Facts<'_>) -> String {
    let Facts { name, summary, size, .. } = facts;
    let longest = duration(whole(summary.wait_oldest_ms.max(summary.wait_p99_ms)));
    let p99 = milliseconds(summary.wait_p99_ms);
    if facts.is_shared {
        let waits = waits(facts.waiting, "command");
        return format!(
            "pool {name}: {waits} in our own process, for up to {longest} (p99 {p99}): there is no connection to {}",
            facts.server
        );
    }
    let (waits, needed) = (waits(facts.waiting, "request"), facts.needed());
    let rate = rate(facts);
    let remedy = match facts.allowed {
        _ if needed <= *size => format!("{rate} need {needed}: who holds one for long makes the others wait"),
        Some(allowed) if needed > allowed => {
            format!("{rate} need {needed}, and {} allows {allowed}: hold each for less time", facts.server)
        }
        _ => format!("{rate} need {needed}{}", each(facts, needed)),
    };
    format!(
        "pool {name}: {waits} for a connection in our own process, for up to {longest} (p99 {p99}): all {size} are in \
         use; {remedy}"
    )
}

/// `143 requests wait`
fn waits(waiting: u64, what: &str) -> String {
    match waiting {
        0 => format!("{what}s wait"),
        1 => format!("1 {what} waits"),
        _ => format!("{waiting} {what}s wait"),
    }
}

/// `, 13 in each of 2 workers`
fn each(facts: &Facts<'_>, needed: u32) -> String {
    match facts.workers {
        0 | 1 => String::new(),
        _ if facts.is_lent() => String::new(),
        workers => format!(", {} in each of {workers} workers", needed.div_ceil(workers)),
    }
}

/// All pools together may want more than the server has.
fn too_many(facts: &Facts<'_>) -> Option<String> {
    let Facts { name, server, workers, max_each, replicas, surge, .. } = facts;
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
    let enough = match facts.needed() {
        0 => String::new(),
        needed => format!("; {needed} are enough for {}{}", rate(facts), each(facts, needed)),
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
        _ if facts.is_shared => None,
        PoolsMode::Enforce if !facts.is_sizeable => Some(format!(
            "pool {name}: this pool cannot be re-sized while it runs; set its size in the app, and the rest of what \
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
    let Summary { rate, use_mean_ms, .. } = facts.summary;
    let per_second = if *rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    format!("{per_second} req/s at {}", milliseconds(*use_mean_ms))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
fn whole(ms: f64) -> u32 {
    ms.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(rate: f64, use_mean_ms: f64) -> Summary {
        let in_use = rate * use_mean_ms / 1000.0;
        Summary { rate, got_rate: rate, use_mean_ms, in_use, peakedness: 1.0, ..Summary::default() }
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
            is_shared: false,
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_the_users_words() {
        let calm = summary(310.0, 62.0);
        let queue =
            Summary { wait_p99_ms: 1900.0, wait_oldest_ms: 3240.0, peakedness: 0.0, ..summary(500.0, 50.0) };
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
                    "pool pg@db:5432/shop: 8 workers x 20 = 160 connections, and db:5432 allows 100; 32 are enough for 310 \
                     req/s at 62 ms, 4 in each of 8 workers",
                ],
            ),
            (
                Facts { allowed: Some(170), ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 8 workers x 20 = 160 connections, 180 during a reload, and db:5432 allows 170; \
                     32 are enough for 310 req/s at 62 ms, 4 in each of 8 workers",
                ],
            ),
            (
                Facts { allowed: Some(100), replicas: 3, ..of(calm) },
                false,
                &[
                    "pool pg@db:5432/shop: 3 replicas x 8 workers x 20 = 480 connections, and db:5432 allows 300; 32 are \
                     enough for 310 req/s at 62 ms, 4 in each of 8 workers",
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

    #[test]
    fn of_a_connection_that_commands_share_only_its_loss_is_said() {
        let queue = Summary { wait_p99_ms: 1900.0, wait_oldest_ms: 3240.0, ..summary(500.0, 50.0) };
        let shared = Facts {
            server: "cache:6379",
            is_shared: true,
            is_sizeable: false,
            waiting: 143,
            mode: PoolsMode::Enforce,
            ..facts(&queue)
        };
        assert_eq!(findings(&shared, false), [""; 0]);
        let said = "pool pg@db:5432/shop: 143 commands wait in our own process, for up to 3.2 s (p99 1.9 s): there is no \
                    connection to cache:6379";
        assert_eq!(findings(&shared, true), [said]);
        assert_eq!(shared.needed(), 0);
    }
}
