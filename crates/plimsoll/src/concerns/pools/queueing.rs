//! Requests that stood in a queue of our own for a connection: from when to when, and what it came to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::window::Summary;

const KEPT: usize = 50;
/// How often it is looked whether a queue is over, when nobody reports.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One time of it.
#[derive(Debug, Clone)]
pub struct Queue {
    pub pool: String,
    pub began: Instant,
    /// `None`: it lasts.
    pub ended: Option<Instant>,
    /// The longest wait, and how many waited at once in one worker.
    pub worst_ms: u64,
    pub waiting_peak: u64,
    /// How many connections there could be, and how many were needed at most.
    pub size: u32,
    pub needed: u32,
    /// The same in words.
    pub text: String,
}

/// Those that last, and the latest of those that are over.
#[derive(Debug, Default)]
pub(super) struct Queues {
    open: Vec<Queue>,
    over: VecDeque<Queue>,
    looked: Option<Instant>,
}

impl Queues {
    pub(super) fn is_open(&self, pool: &str) -> bool {
        self.open.iter().any(|queue| queue.pool == pool)
    }

    pub(super) fn open(&mut self, pool: &str, now: Instant) {
        self.open.push(Queue {
            pool: pool.to_owned(),
            began: now,
            ended: None,
            worst_ms: 0,
            waiting_peak: 0,
            size: 0,
            needed: 0,
            text: String::new(),
        });
        self.looked = Some(now);
    }

    /// What is seen of the pool now.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of a wait")]
    pub(super) fn see(&mut self, pool: &str, summary: &Summary, size: u32, needed: u32, text: String) {
        let Some(queue) = self.open.iter_mut().find(|queue| queue.pool == pool) else { return };
        let worst = summary.wait_oldest_ms.max(summary.wait_p99_ms);
        queue.worst_ms = queue.worst_ms.max(worst as u64);
        queue.waiting_peak = queue.waiting_peak.max(summary.waiting_peak);
        queue.size = size;
        // Towards its end less is needed, and that is not why it began.
        if needed >= queue.needed {
            (queue.needed, queue.text) = (needed, text);
        }
    }

    /// It is over: how it was.
    pub(super) fn close(&mut self, pool: &str, now: Instant) -> Option<&Queue> {
        let place = self.open.iter().position(|queue| queue.pool == pool)?;
        let queue = Queue { ended: Some(now), ..self.open.swap_remove(place) };
        if self.over.len() >= KEPT {
            self.over.pop_front();
        }
        self.over.push_back(queue);
        self.over.back()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.open.iter().map(|queue| queue.pool.clone()).collect()
    }

    pub(super) fn looked(&mut self, now: Instant) {
        self.looked = (!self.open.is_empty()).then_some(now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.looked.filter(|_| !self.open.is_empty()).map(|looked| looked + LOOK_EVERY)
    }

    /// The latest first.
    pub(super) fn all(&self) -> Vec<Queue> {
        self.open.iter().chain(self.over.iter().rev()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_the_most_that_was_needed_and_what_was_said_of_it() {
        let mut queues = Queues::default();
        let now = Instant::now();
        queues.open("pg", now);
        for needed in [2, 25, 3] {
            queues.see("pg", &Summary::default(), 10, needed, format!("needs {needed}"));
        }
        let over = queues.close("pg", now).unwrap();
        assert_eq!((over.needed, over.text.as_str()), (25, "needs 25"));
    }
}
