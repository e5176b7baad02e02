//! When logging itself is the problem: a worker's pipe was full.
//!
//! Then either its logger waits for room, and its event loop with it, or Node queues without a bound what
//! `process.exit()` loses. Which of the two shows the pipe itself: Node makes it non-blocking when it queues.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::stats::WorkerFigures;
use crate::observe::units;

/// Said again of the same worker only after so long.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Fullness {
    told: HashMap<u16, Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    count: u64,
    at: Option<Instant>,
}

impl Fullness {
    /// What people should hear of the worker, if anything. `is_waiting`: its logger waits for room; `None`: it is not
    /// known.
    pub(super) fn judge(
        &mut self,
        worker: u16,
        figures: &WorkerFigures,
        is_waiting: impl FnOnce() -> Option<bool>,
        now: Instant,
    ) -> Option<String> {
        let told = self.told.entry(worker).or_insert(Told { count: 0, at: None });
        let times = figures.pipe_full.saturating_sub(told.count);
        let is_early = told.at.is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
        if times == 0 || is_early {
            return None;
        }
        *told = Told { count: figures.pipe_full, at: Some(now) };
        let consequence = match is_waiting() {
            Some(true) => "its logger waits until there is room, and its event loop with it",
            Some(false) => "Node queues what finds no room, and process.exit() loses that",
            None => "its logger waits, or Node queues what process.exit() loses",
        };
        Some(format!(
            "worker {worker} found its log pipe full {times} times ({} lines/s, {}/s): {consequence}; hint: log less, or \
             asynchronously (pino: pino.destination({{ sync: false }}))",
            figures.lines_per_s,
            units::size(figures.bytes_per_s)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_is_said_with_what_it_means_and_not_too_often() {
        let now = Instant::now();
        let mut fullness = Fullness::default();
        let figures = |pipe_full| WorkerFigures {
            pipe_full,
            lines_per_s: 9000,
            bytes_per_s: 3 << 20,
            ..WorkerFigures::default()
        };
        assert_eq!(fullness.judge(1, &figures(0), || Some(true), now), None);
        let said = fullness.judge(1, &figures(3), || Some(true), now).unwrap();
        assert!(said.contains("full 3 times (9000 lines/s, 3 MB/s): its logger waits"), "{said}");
        assert_eq!(fullness.judge(1, &figures(9), || Some(true), now + AGAIN / 2), None);
        let said = fullness.judge(1, &figures(9), || Some(false), now + AGAIN).unwrap();
        assert!(said.contains("full 6 times") && said.contains("Node queues"), "{said}");
        assert_eq!(fullness.judge(1, &figures(9), || None, now + AGAIN * 3), None);
    }
}
