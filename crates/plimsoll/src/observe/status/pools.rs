//! What an instance says of the pools in which the app keeps its connections.

use std::ops::Deref;

use plimsoll_wire::pools::Figures;
use serde::{Deserialize, Serialize};

use super::Counted;

/// A pool, all workers together: since the start where it does not say "now" or "lately", which is ten seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// `pg@db:5432/shop`
    pub name: String,
    pub library: String,
    /// Empty: not known.
    pub server: String,
    pub database: String,
    /// Processes that have it now.
    pub workers: u32,
    /// What the app set in each of them; 0: no limit.
    pub max_each: u32,
    pub in_use: u64,
    pub oldest_wait_ms: u64,
    /// Among them what was asked for, got, given up and refused.
    #[serde(flatten)]
    pub figures: Counted<Figures>,
    /// By the bounds of the metrics; not cumulative.
    pub waits: Vec<u64>,
    pub uses: Vec<u64>,
    /// Lately.
    pub rate: f64,
    pub wait_p50_ms: f64,
    pub wait_p99_ms: f64,
    pub use_mean_ms: f64,
    pub use_p50_ms: f64,
    pub use_p99_ms: f64,
    /// Connections that all workers together need, by what was seen lately; 0: not known.
    pub needed: u32,
    /// What the server allows to this instance, where it is known; and what of it is lent to workers.
    #[serde(default)]
    pub allowed: Option<u32>,
    pub lent: u32,
    /// The workers have as many as they are lent.
    pub enforced: bool,
    /// Commands do not wait for one another: `needed` says nothing.
    pub is_shared: bool,
    #[serde(default)]
    pub findings: Vec<String>,
    /// The latest last.
    #[serde(default)]
    pub leaks: Vec<Leak>,
}

impl Deref for Pool {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures.0
    }
}

/// A connection that was held for long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    pub worker: u16,
    pub age_s: u64,
    pub held_ms: u64,
    /// The stack that took it; empty: not known.
    pub taker: String,
}

/// Requests stood in a queue of our own for a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub pool: String,
    /// Since it began.
    pub age_s: u64,
    pub lasted_s: u64,
    pub is_over: bool,
    pub worst_ms: u64,
    /// Most that waited at once in one worker.
    pub waiting_peak: u64,
    /// How many connections there could be, and how many were needed.
    pub size: u32,
    pub needed: u32,
    pub text: String,
}

/// A pool of which every metric has something to say.
#[cfg(test)]
pub(crate) fn fixture() -> Pool {
    Pool {
        name: "pg@db:5432/shop".into(),
        in_use: 3,
        figures: Counted(Figures { max: 10, open: 4, idle: 1, ..Figures::default() }),
        waits: vec![1; 15],
        uses: vec![2; 15],
        needed: 6,
        lent: 7,
        enforced: true,
        ..Pool::default()
    }
}
