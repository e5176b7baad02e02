//! What was decided of a request, so that its next line goes the same way though the share has changed.
//!
//! Two generations, each as long as a request may take: a decision is found in the younger one, or moved there from
//! the older one. Forgetting is then dropping a table, and the memory has a bound. A request that finds no room is
//! decided by the threshold alone, each time anew.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const GENERATION: Duration = Duration::from_secs(10);
const REQUESTS_MAX: usize = 100_000;

#[derive(Debug)]
pub(super) struct Decisions {
    /// By hash of the request: the weight of its lines, 0 if they go.
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
    since: Instant,
}

impl Decisions {
    pub(super) fn new(now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), since: now }
    }

    pub(super) fn get_or_decide(&mut self, request: u64, decide: impl FnOnce() -> u32) -> u32 {
        if let Some(weight) = self.young.get(&request) {
            return *weight;
        }
        let weight = self.old.get(&request).copied().unwrap_or_else(decide);
        self.note(request, weight);
        weight
    }

    /// From now on all of it stays. What stayed already keeps its weight.
    pub(super) fn keep(&mut self, request: u64) {
        if self.get_or_decide(request, || 1) == 0 {
            self.note(request, 1);
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= GENERATION {
            self.since = now;
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn note(&mut self, request: u64, weight: u32) {
        if self.young.len() < REQUESTS_MAX || self.young.contains_key(&request) {
            self.young.insert(request, weight);
        }
    }
}
