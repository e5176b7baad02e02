//! What became of traces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use super::Recorded;
use crate::concerns::context::tail::Why;
use crate::observe::ship::stats::ShipStats;

#[derive(Debug)]
pub struct Stats {
    sent: Arc<ShipStats>,
    recorded: [AtomicU64; Why::ALL.len()],
    skipped: [AtomicU64; Why::ALL.len()],
    spans: AtomicU64,
    /// What the thread did not keep up with.
    overflowed: AtomicU64,
    calls_dropped: AtomicU64,
    calls_untold: AtomicU64,
    ticks: AtomicU32,
}

/// As `/status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Where they go.
    pub to: String,
    /// Requests that were recorded, by reason.
    pub recorded: Vec<Count>,
    pub spans: u64,
    /// That the collector has taken.
    pub sent: u64,
    pub sent_bytes: u64,
    /// Requests that were not, or did not arrive, by reason.
    pub dropped: Vec<Count>,
    /// Attempts that failed.
    pub failures: u64,
    pub queue_bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub reason: String,
    pub traces: u64,
}

impl Stats {
    pub(super) fn new(to: &str) -> Self {
        Self {
            sent: Arc::new(ShipStats::new::<Recorded>(to)),
            recorded: Default::default(),
            skipped: Default::default(),
            spans: AtomicU64::new(0),
            overflowed: AtomicU64::new(0),
            calls_dropped: AtomicU64::new(0),
            calls_untold: AtomicU64::new(0),
            ticks: AtomicU32::new(0),
        }
    }

    pub(in crate::observe) fn sent(&self) -> &Arc<ShipStats> {
        &self.sent
    }

    pub(super) fn record(&self, why: Why, spans: u64) {
        add(&self.recorded, why);
        self.spans.fetch_add(spans, Relaxed);
    }

    /// A call of no request.
    pub(super) fn record_alone(&self) {
        self.spans.fetch_add(1, Relaxed);
    }

    pub(super) fn skip(&self, why: Why) {
        add(&self.skipped, why);
    }

    pub(super) fn overflow(&self) {
        self.overflowed.fetch_add(1, Relaxed);
    }

    pub(super) fn drop_calls(&self, calls: u64) {
        if calls > 0 {
            self.calls_dropped.fetch_add(calls, Relaxed);
        }
    }

    pub(super) fn untold(&self, calls: u64) {
        if calls > 0 {
            self.calls_untold.fetch_add(calls, Relaxed);
        }
    }

    pub(super) fn tick(&self) -> u32 {
        self.ticks.fetch_add(1, Relaxed)
    }

    /// Reason and requests.
    pub fn recorded(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Why::ALL.into_iter().zip(&self.recorded).map(|(why, count)| (why.word(), count.load(Relaxed)))
    }

    /// Reason and requests: by us (`rate`: too many in a second; `overflow`: the thread did not keep up), and as the
    /// queue has it.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        let skipped = self.skipped.iter().map(|count| count.load(Relaxed)).sum();
        let mut all = vec![
            ("rate", skipped),
            ("overflow", self.overflowed.load(Relaxed)),
            ("calls_full", self.calls_dropped.load(Relaxed)),
            ("calls_rate", self.calls_untold.load(Relaxed)),
        ];
        all.extend(self.sent.dropped_by_reason());
        all.retain(|(_, count)| *count > 0);
        all
    }

    #[must_use]
    pub fn figures(&self) -> Figures {
        let count = |(reason, traces): (&str, u64)| Count { reason: reason.to_owned(), traces };
        Figures {
            to: self.sent.name().to_owned(),
            recorded: self.recorded().map(count).collect(),
            spans: self.spans.load(Relaxed),
            sent: self.sent.items(),
            sent_bytes: self.sent.bytes(),
            dropped: self.dropped().into_iter().map(count).collect(),
            failures: self.sent.failures(),
            queue_bytes: self.sent.queue_bytes(),
        }
    }
}

fn add(counts: &[AtomicU64], why: Why) {
    if let Some(count) = counts.get(why as usize) {
        count.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
pub(in crate::observe) fn fixture() -> Figures {
    let count = |reason: &str, traces| Count { reason: reason.to_owned(), traces };
    Figures {
        to: "http://127.0.0.1:4318/v1/traces".to_owned(),
        recorded: vec![count("sampled", 12), count("failed", 2)],
        spans: 21,
        sent: 13,
        sent_bytes: 9000,
        dropped: vec![count("queue_full", 1)],
        failures: 1,
        queue_bytes: 500,
    }
}
