//! Memory of the workers: by the names that OpenTelemetry and Prometheus' client library for Node have for it, with the
//! worker as a label.

use plimsoll_wire::memory::BOUNDS_MS;

use super::Scrape;
use super::table::{Distribution, Labels, Metric, Number, Samples, Values};
use crate::observe::status::{Collections, WorkerMemory};

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "nodejs_heap_size_used_bytes",
        help: "Heap of V8 that is used, as last told by the worker (at most twice a second).",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.heap_used_bytes)),
    },
    Metric {
        name: "nodejs_heap_size_total_bytes",
        help: "Heap of V8 that is reserved.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.heap_total_bytes)),
    },
    Metric {
        name: "nodejs_external_memory_bytes",
        help: "What JavaScript holds outside the heap, array buffers with it.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.external_bytes)),
    },
    Metric {
        name: "v8js_memory_heap_used_bytes",
        help: "As nodejs_heap_size_used_bytes, by the name that OpenTelemetry has for it.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.heap_used_bytes)),
    },
    Metric {
        name: "v8js_memory_heap_limit_bytes",
        help: "The most that the heap of V8 may have.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.heap_limit_bytes)),
    },
    Metric {
        name: "plimsoll_memory_heap_after_gc_bytes",
        help: "What the last major collection left of the heap; 0 before the first one.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.heap_after_gc_bytes)),
    },
    Metric {
        name: "plimsoll_memory_array_buffers_bytes",
        help: "What array buffers hold.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| of_each(scrape, |memory| memory.array_buffers_bytes)),
    },
    Metric {
        name: "plimsoll_memory_allocated_bytes_total",
        help: "Bytes that were allocated in the heap of V8, as far as collections have shown.",
        labels: &["worker"],
        values: Values::Counter(|scrape| of_each(scrape, |memory| memory.allocated_bytes)),
    },
    Metric {
        name: "v8js_gc_duration_seconds",
        help: "Pauses of the garbage collector, by kind: minor, major, incremental, weakcb.",
        labels: &["worker", "v8js_gc_type"],
        values: Values::Distribution(|scrape| collections(scrape, &[10, 100, 1000, 10_000])),
    },
    Metric {
        name: "nodejs_gc_duration_seconds",
        help: "As v8js_gc_duration_seconds, by the name, the label and with the buckets of prom-client.",
        labels: &["worker", "kind"],
        values: Values::Distribution(|scrape| collections(scrape, &[1, 10, 100, 1000, 2000, 5000])),
    },
    Metric {
        name: "plimsoll_memory_recycled_total",
        help: "Workers that were renewed, by reason: heap or resident (memory.recycle_at), requests (workers.max_requests).",
        labels: &["reason"],
        values: Values::Counter(recycled),
    },
];

/// Workers that have told something, by their label.
fn told(scrape: &Scrape) -> impl Iterator<Item = (String, &WorkerMemory)> {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    workers.filter_map(|worker| Some((worker.id.to_string(), worker.memory.as_ref()?)))
}

fn of_each(scrape: &Scrape, read: fn(&WorkerMemory) -> u64) -> Samples {
    told(scrape).map(|(worker, memory)| (vec![worker], Number::Whole(read(memory)))).collect()
}

/// With buckets of these bounds, in milliseconds, which are among those of the workers.
fn collections(scrape: &Scrape, bounds: &[u64]) -> Vec<(Labels, Distribution)> {
    let of_worker = |(worker, memory): (String, &WorkerMemory)| {
        let kinds = memory.gc.iter().filter(|kind| kind.count > 0);
        let label = |kind: &Collections| vec![worker.clone(), kind.kind.as_str().to_owned()];
        kinds.map(|kind| (label(kind), distribution(kind, bounds))).collect::<Vec<_>>()
    };
    told(scrape).flat_map(of_worker).collect()
}

fn distribution(kind: &Collections, bounds: &[u64]) -> Distribution {
    let mut buckets: Vec<(f64, u64)> = bounds.iter().map(|ms| (*ms as f64 / 1000.0, 0)).collect();
    buckets.push((f64::INFINITY, 0));
    for (index, count) in kind.pauses.iter().enumerate() {
        let longest = BOUNDS_MS.get(index).copied().unwrap_or(u64::MAX);
        let place = bounds.partition_point(|bound| *bound < longest);
        if let Some((_, sum)) = buckets.get_mut(place) {
            *sum = sum.saturating_add(*count);
        }
    }
    Distribution { sum: kind.total_us as f64 / 1e6, count: kind.count, buckets }
}

fn recycled(scrape: &Scrape) -> Samples {
    let Some(status) = &scrape.status else { return Samples::new() };
    let recycled = status.memory.recycled;
    let reasons = [("heap", recycled.heap), ("resident", recycled.resident), ("requests", recycled.requests)];
    reasons.into_iter().map(|(reason, count)| (vec![reason.to_owned()], Number::Whole(count))).collect()
}
