//! What is said of the event loop of a worker.

use serde::{Deserialize, Serialize};

/// Since the place was first taken where it does not say "now".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLoop {
    /// For how long the loop of the process that stands there now has not waited; told at most twice a second, and not
    /// while it is idle.
    pub busy_us: u64,
    /// The longest that a request waited to be begun, now: in this second and the one before.
    pub late_ms: u32,
    /// How often it has stood still.
    pub stalls: u64,
    /// For how long altogether; a stall that lasts is in it so far.
    pub stalled_ms: u64,
}

/// A route whose requests keep the loop for long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeavyRoute {
    pub route: String,
    /// In the mean of the latest.
    pub cost_ms: f64,
    /// Its lane would do harm: every worker serves it all the same.
    #[serde(default)]
    pub is_lifted: bool,
    /// What it was mostly seen to do: `console.log, tellEverything (faults.js)`. Absent: it was not seen yet.
    #[serde(default)]
    pub place: Option<String>,
    /// The call that blocked, where it was one.
    #[serde(default)]
    pub call: Option<String>,
    /// `faults.js:48`
    #[serde(default)]
    pub at: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
}
