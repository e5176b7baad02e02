//! Requests that wait in our own process for a connection, connections that are never given back, and more connections
//! than the database has.

use super::super::damage::Damage;
use super::super::words::{counted, milliseconds, ms};
use super::super::{Draft, Facts, as_f64};
use crate::observe::status::pools::{Pool, Queue};

const CONCERN: &str = "pools";

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    facts
        .meanwhile
        .pools
        .iter()
        // Their commands do not wait for one another, and no size would help.
        .filter(|pool| !pool.is_shared)
        .flat_map(|pool| [wait(facts, pool), leak(pool), oversubscribed(pool)])
        .flatten()
        .collect()
}

fn figures(pool: &Pool) -> Vec<(&'static str, f64)> {
    vec![
        ("asked", as_f64(pool.asked)),
        ("waited_us", as_f64(pool.waited_us)),
        ("waiting", as_f64(pool.waiting)),
        ("wait_p99_ms", pool.wait_p99_ms),
        ("use_p99_ms", pool.use_p99_ms),
        ("max", as_f64(pool.max)),
        ("gave_up", as_f64(pool.gave_up)),
        ("refused", as_f64(pool.refused)),
        ("errors", as_f64(pool.errors)),
        ("leaked", as_f64(pool.leaked)),
    ]
}

/// What was waited and is over, and what is waited now: on the mean half as long as the one who has waited longest.
fn waited(pool: &Pool) -> u64 {
    pool.waited_us / 1000 + pool.waiting.saturating_mul(pool.oldest_wait_ms) / 2
}

/// The times in which all connections were in use and queries stood in a queue for one.
fn queues<'a>(facts: &'a Facts<'_>, pool: &'a Pool) -> impl Iterator<Item = &'a Queue> {
    let of_pool = facts.now.pool_queues.iter().filter(|queue| queue.pool == pool.name);
    of_pool.filter(|queue| queue.age_s.saturating_sub(queue.lasted_s) <= facts.meanwhile.uptime_s)
}

/// What was needed at most while queries waited: by now there may be a lull.
fn needed(facts: &Facts<'_>, pool: &Pool) -> u32 {
    queues(facts, pool).map(|queue| queue.needed).max().unwrap_or(0).max(pool.needed)
}

fn wait(facts: &Facts<'_>, pool: &Pool) -> Option<Draft> {
    let Pool { name, workers, max_each, .. } = pool;
    let max = pool.max;
    let needed = needed(facts, pool);
    let lost = pool.gave_up + pool.refused;
    let damage = Damage { waited_ms: waited(pool), failed: lost, ..Damage::default() };
    // A connection that never comes back is what the others wait for.
    if (damage.waited_ms == 0 && lost == 0) || pool.leaked > 0 {
        return None;
    }
    let is_small = u64::from(needed) > max;
    // Who waited while a connection was being opened did not wait for others to give one back.
    if !is_small && lost == 0 && queues(facts, pool).next().is_none() {
        return None;
    }
    let mut seen = vec![format!(
        "{} waited {} together (p99 lately {}), {} wait now; all {max} in use for {} (p99) each",
        counted(pool.asked, "query"),
        ms(pool.waited_us / 1000),
        milliseconds(pool.wait_p99_ms),
        pool.waiting,
        milliseconds(pool.use_p99_ms),
    )];
    seen.extend((lost > 0).then(|| format!("{} got none in time", counted(lost, "query"))));
    let each = needed.div_ceil((*workers).max(1));
    let fix = match pool.allowed {
        Some(allowed) if is_small && needed > allowed => format!(
            "{needed} are needed and {} allows {allowed}: hold each for less time, or give the database more",
            pool.server
        ),
        _ if is_small => format!("make the pool {each} in each of {workers} workers; it is {max_each}"),
        _ => "hold each connection for less time: no call to another service while one is held".to_owned(),
    };
    Some(Draft {
        code: if is_small { "pool_too_small" } else { "pool_held" },
        concern: CONCERN,
        damage,
        about: name.clone(),
        what: match is_small {
            true => format!(
                "requests wait for a connection of {name} in our own process: it has {max}, {needed} are needed"
            ),
            false => format!(
                "requests wait for a connection of {name} in our own process while others hold all {max}"
            ),
        },
        seen,
        figures: figures(pool).into_iter().chain([("needed", f64::from(needed))]).collect(),
        fix,
        acts: Some(acts(pool)),
        ..Draft::default()
    })
}

fn acts(pool: &Pool) -> String {
    if pool.enforced {
        return format!("{} of what {} allows are lent to the workers by demand", pool.lent, pool.server);
    }
    match pool.server.as_str() {
        "" => "nothing: the pool is only observed".to_owned(),
        server => format!(
            "nothing: the pool is only observed ([pools.\"{server}\"] mode = \"enforce\" sizes it live)"
        ),
    }
}

fn leak(pool: &Pool) -> Option<Draft> {
    let last = pool.leaks.last();
    (pool.leaked > 0).then(|| {
        let held = last.map_or_else(String::new, |leak| format!(", the last for {} s so far", leak.held_ms / 1000));
        Draft {
            code: "pool_leak",
            concern: CONCERN,
            damage: Damage {
                waited_ms: waited(pool),
                failed: pool.gave_up + pool.refused,
                is_danger: true,
                ..Damage::default()
            },
            // They wait for it.
            about: pool.name.clone(),
            what: format!("connections of {} are taken and not given back: {} of {}", pool.name, pool.leaked, pool.max),
            seen: vec![format!("{} held for long now{held}; {} wait", pool.leaked, pool.waiting)],
            figures: figures(pool),
            at: last.and_then(|leak| leak.taker.lines().next()).map(|line| line.trim().trim_start_matches("at ").to_owned()),
            fix: "give it back on every path, also when something is thrown: try { … } finally { client.release() }".to_owned(),
            acts: Some(acts(pool)),
            ..Draft::default()
        }
    })
}

fn oversubscribed(pool: &Pool) -> Option<Draft> {
    let allowed = pool.allowed?;
    let sum = u64::from(pool.workers) * u64::from(pool.max_each);
    (sum > u64::from(allowed) && !pool.enforced).then(|| Draft {
        code: "pools_oversubscribe",
        concern: CONCERN,
        damage: Damage { failed: pool.errors, is_danger: true, ..Damage::default() },
        about: format!("the sum of {}", pool.name),
        what: format!(
            "{} workers x {} connections = {sum}, and {} allows {allowed}",
            pool.workers, pool.max_each, pool.server
        ),
        seen: vec![format!("{} open now, {} could not be opened", pool.open, pool.errors)],
        figures: figures(pool),
        fix: match pool.needed {
            0 => format!("make the pool {} in each worker", allowed / pool.workers.max(1)),
            needed => format!(
                "{needed} are enough for all workers: make the pool {} in each",
                needed.div_ceil(pool.workers.max(1))
            ),
        },
        acts: Some(acts(pool)),
        ..Draft::default()
    })
}
