//! The metrics of `context`: what became of traces.

use super::Scrape;
use super::table::{Labels, Metric, Number, Samples, Values};
use crate::observe::traces::{Count, Figures};

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_context_recorded_traces_total",
        help: "Requests whose spans were recorded, by reason: sampled (context.sample, or its caller records the trace), slow (for its route), moved (to another worker), stalled (the event loop stood still in it), failed.",
        labels: &["reason"],
        values: Values::Counter(|scrape| by_reason(scrape, |figures| &figures.recorded)),
    },
    Metric {
        name: "plimsoll_context_dropped_traces_total",
        help: "Requests that were to be recorded and are not at the collector, by reason: rate (more than 100 a second of a gateway thread for one reason), overflow (they came faster than they were taken), calls_full (calls of a request beyond 64), calls_rate (calls and waits of a worker beyond 500 a second), queue_full (the collector was too slow or away), refused (it will not take them; where it refuses some spans of several, at most as many as there are spans), undelivered (not before the end).",
        labels: &["reason"],
        values: Values::Counter(|scrape| by_reason(scrape, |figures| &figures.dropped)),
    },
    Metric {
        name: "plimsoll_context_spans_total",
        help: "Spans that were made of recorded requests.",
        labels: &[],
        values: Values::Counter(|scrape| one(scrape, |figures| figures.spans)),
    },
    Metric {
        name: "plimsoll_context_sent_traces_total",
        help: "Requests whose spans the collector has taken.",
        labels: &[],
        values: Values::Counter(|scrape| one(scrape, |figures| figures.sent)),
    },
    Metric {
        name: "plimsoll_context_send_failures_total",
        help: "Attempts to send that failed.",
        labels: &[],
        values: Values::Counter(|scrape| one(scrape, |figures| figures.failures)),
    },
    Metric {
        name: "plimsoll_context_queue_bytes",
        help: "What waits for the collector; at most context.buffer.",
        labels: &[],
        values: Values::Gauge(|scrape| one(scrape, |figures| figures.queue_bytes)),
    },
];

fn figures(scrape: &Scrape) -> Option<&Figures> {
    scrape.status.as_ref()?.traces.as_ref()
}

fn one(scrape: &Scrape, read: fn(&Figures) -> u64) -> Samples {
    figures(scrape).map(|figures| (Labels::new(), Number::Whole(read(figures)))).into_iter().collect()
}

fn by_reason(scrape: &Scrape, read: fn(&Figures) -> &[Count]) -> Samples {
    let counts = figures(scrape).map(read).unwrap_or_default();
    counts.iter().map(|count| (vec![count.reason.clone()], Number::Whole(count.traces))).collect()
}
