//! What an instance is made of, and a few figures that belong to no one part.

use serde::{Deserialize, Serialize};

/// What was found and chosen at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Whole CPUs that the container may use.
    pub cpus: u32,
    /// `gateway.idle_timeout`
    pub idle_timeout_ms: u64,
    /// `shutdown.worker_grace`
    pub worker_grace_ms: u64,
}

/// Requests that the gateway had to answer by itself, or cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As in `x-plimsoll-error`.
    pub code: String,
    pub count: u64,
}

/// Workers that were asked to end since the start: by a reload, a smaller scale, a renewal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stops {
    pub asked: u64,
    /// Of these: still there after `shutdown.worker_grace`.
    pub killed: u64,
}
