//! Pools of connections: when requests waited for one, and what is wrong now.

use std::fmt::Write as _;

use crate::concerns::words::duration;
use crate::observe::status::pools::{Pool, Queue};
use crate::observe::units;

/// Of the queues that are over; `--json` has all of them.
const SHOWN: usize = 5;

pub(super) fn render(pools: &[Pool], queues: &[Queue]) -> String {
    let mut text = String::new();
    let findings: Vec<&String> = pools.iter().flat_map(|pool| &pool.findings).collect();
    let over: Vec<&Queue> = queues.iter().filter(|queue| queue.is_over).take(SHOWN).collect();
    if !findings.is_empty() {
        text.push_str("\nconnections to databases\n");
    }
    for finding in findings {
        let _ = writeln!(text, "  {finding}");
    }
    for leak in pools.iter().flat_map(|pool| &pool.leaks) {
        let age = units::age(leak.age_s);
        let taker = if leak.taker.is_empty() { "it is not known where" } else { leak.taker.trim_start() };
        let held = leak.held_ms / 1000;
        let _ = writeln!(
            text,
            "  {age} ago: worker {} had held one for {held} s, taken\n      {taker}",
            leak.worker
        );
    }
    if !over.is_empty() {
        text.push_str("\nrequests waited for a connection in our own process\n");
    }
    for queue in over {
        let (age, worst) =
            (units::age(queue.age_s), duration(u32::try_from(queue.worst_ms).unwrap_or(u32::MAX)));
        let Queue { pool, lasted_s, size, needed, waiting_peak, .. } = queue;
        let _ = writeln!(
            text,
            "  {age} ago: pool {pool}, for {lasted_s} s, up to {waiting_peak} at once and for up to {worst}; it had {size} \
             connections, {needed} were needed"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::pools::Leak;

    #[test]
    fn what_is_wrong_now_stands_before_what_was() {
        let leak = Leak { worker: 1, age_s: 5, held_ms: 31_000, taker: "    at work (a.js:1:2)".into() };
        let pool = Pool {
            findings: vec!["pool pg@db: 3 requests wait".into()],
            leaks: vec![leak],
            ..Pool::default()
        };
        let queue = Queue {
            pool: "pg@db".into(),
            age_s: 60,
            lasted_s: 12,
            is_over: true,
            worst_ms: 3240,
            waiting_peak: 40,
            size: 10,
            needed: 25,
            text: String::new(),
        };
        let lasts = Queue { is_over: false, ..queue.clone() };
        let expected = "
connections to databases
  pool pg@db: 3 requests wait
  5s ago: worker 1 had held one for 31 s, taken
      at work (a.js:1:2)

requests waited for a connection in our own process
  1m 0s ago: pool pg@db, for 12 s, up to 40 at once and for up to 3.2 s; it had 10 connections, 25 were needed
";
        assert_eq!(render(&[pool], &[lasts, queue]), expected);
        assert_eq!(render(&[Pool::default()], &[]), "");
    }
}
