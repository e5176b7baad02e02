//! What is said of the event loop of a worker.

use serde::{Deserialize, Serialize};

/// Since the place was first taken where it does not say "now".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLoop {
    /// For how long the loop of the process that stands there now has not waited; told at most once a second, and not
    /// while it is idle.
    pub busy_us: u64,
    /// The longest that a request waited to be begun, now: in this second and the one before.
    pub late_ms: u32,
    /// How often it has stood still.
    pub stalls: u64,
    /// For how long altogether; a stall that lasts is in it so far.
    pub stalled_ms: u64,
}
