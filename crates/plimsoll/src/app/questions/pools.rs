//! The pools of the app, as they are shown.

use plimsoll_wire::pools::{TIMES, Times, bound_us};

use crate::concerns::pools::{Leak, Queue, Seen};
use crate::observe::histogram::BOUNDS;
use crate::observe::status;

pub(super) fn pool(seen: &Seen) -> status::pools::Pool {
    let (figures, summary, about) = (&seen.figures, &seen.summary, &seen.about);
    status::pools::Pool {
        name: seen.name.clone(),
        library: about.library.clone(),
        server: about.server.clone(),
        database: about.database.clone(),
        workers: seen.workers,
        max_each: about.max,
        in_use: figures.open.saturating_sub(figures.idle),
        oldest_wait_ms: figures.oldest_us / 1000,
        figures: status::Counted(figures.clone()),
        waits: by_bound(&figures.waits),
        uses: by_bound(&figures.uses),
        rate: summary.rate,
        wait_p50_ms: summary.wait_p50_ms,
        wait_p99_ms: summary.wait_p99_ms,
        use_mean_ms: summary.use_mean_ms,
        use_p50_ms: summary.use_p50_ms,
        use_p99_ms: summary.use_p99_ms,
        needed: seen.needed,
        allowed: seen.allowed,
        lent: seen.lent,
        enforced: seen.enforced,
        is_shared: about.is_shared,
        findings: seen.findings.clone(),
        leaks: seen.leaks.iter().map(leak).collect(),
    }
}

fn leak(leak: &Leak) -> status::pools::Leak {
    let Leak { worker, at, held_ms, taker } = leak;
    let taker = taker.clone();
    status::pools::Leak { worker: *worker, age_s: at.elapsed().as_secs(), held_ms: *held_ms, taker }
}

pub(super) fn queue(queue: &Queue) -> status::pools::Queue {
    let lasted = queue.ended.map_or_else(|| queue.began.elapsed(), |ended| ended - queue.began);
    status::pools::Queue {
        pool: queue.pool.clone(),
        age_s: queue.began.elapsed().as_secs(),
        lasted_s: lasted.as_secs(),
        is_over: queue.ended.is_some(),
        worst_ms: queue.worst_ms,
        waiting_peak: queue.waiting_peak,
        size: queue.size,
        needed: queue.needed,
        text: queue.text.clone(),
    }
}

/// The fine buckets of the agent in those of the metrics, whose bounds are among them.
fn by_bound(times: &Times) -> Vec<u64> {
    let mut coarse = vec![0_u64; BOUNDS.len() + 1];
    for (bucket, count) in (0..TIMES).zip(times.0) {
        let place = bound_us(bucket)
            .map_or(BOUNDS.len(), |bound| BOUNDS.partition_point(|seconds| microseconds(*seconds) < bound));
        if let Some(sum) = coarse.get_mut(place) {
            *sum = sum.saturating_add(count);
        }
    }
    coarse
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_under_the_bound_that_it_stays_within() {
        for bound in BOUNDS {
            assert!((0..TIMES).any(|bucket| bound_us(bucket) == Some(microseconds(bound))), "{bound}");
        }
        // 0.1 ms, 5 ms, 5.6 ms, 10 s, 11 s, over 86 s.
        for (bucket, expected) in [(0, 0), (34, 0), (35, 1), (100, 13), (101, 14), (120, 14)] {
            let mut times = Times::default();
            times.0[bucket] = 3;
            let coarse = by_bound(&times);
            assert_eq!((coarse[expected], coarse.iter().sum::<u64>()), (3, 3), "{bucket}");
        }
    }
}
