//! What can be seen: counters, status, admin server, control socket.
//!
//! ```text
//! gateway threads ── http::ThreadStats ──┐
//!                                        ├── admin (TCP, read-only): /livez /readyz /status /metrics / /events
//! app loop ◄── control::Request ── Inquiry
//!                                  │     └── socket (Unix, 0600): what acts on the instance
//!                                  └── history: the last hour, for the dashboard and `doctor`
//! ```
//!
//! What is wrong, by what it costs, is judged in `findings`, from what the app loop says.
//!
//! The app loop owns the state and answers questions about it; counters of the data path are read where they
//! are. Nothing here keeps a copy of either, but what [`history`] keeps of the past.

pub mod admin;
mod by_route;
pub mod control;
mod dashboard;
pub mod findings;
pub mod histogram;
pub mod history;
pub mod http;
pub mod incidents;
pub mod logs;
pub mod metrics;
mod origin;
mod otlp;
pub mod query;
mod queue_age;
mod quick;
pub mod report;
mod server;
mod ship;
pub mod slow;
pub mod socket;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;
mod times;
mod tls;
pub mod traces;
pub mod units;

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
