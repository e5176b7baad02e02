//! Counters of the data path: one [`ThreadStats`] per gateway thread, written with relaxed atomics by that
//! thread alone (so never contended), read by `/metrics` and `/status`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Methods that get a label of their own; every other token is `_OTHER`, as OpenTelemetry's HTTP conventions
/// ask, so that clients cannot make labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl Method {
    /// Method tokens are case-sensitive (RFC 9110 §9.1): `get` is another method.
    #[must_use]
    pub fn from_token(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        // One writer: a load and a store, no locked instruction.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).saturating_sub(n), Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Figures of one gateway thread.
#[derive(Debug, Default)]
pub struct ThreadStats {
    pub connections_open: Counter,
    pub connections_total: Counter,
    pub connections_refused: Counter,
    pub requests_active: Counter,
    pub requests_total: Counter,
    pub requests_retried: Counter,
    /// Requests that the gateway itself had to answer with an error, or whose transfer it had to cut.
    pub requests_failed: Counter,
    pub bytes_from_clients: Counter,
    pub bytes_to_clients: Counter,
}

impl ThreadStats {
    /// A request was answered: `duration` from its first byte to the last byte of the answer.
    pub fn record(&self, _method: Method, _status: u16, _duration: Duration) {}

    /// The gateway answered by itself; `code` is what `x-plimsoll-error` says.
    pub fn record_failure(&self, _code: &'static str) {
        self.requests_failed.add(1);
    }
}
