//! Every metric: its name, what it means, its labels, and how it is read.
//!
//! Names follow OpenTelemetry for what it names, prom-client for `nodejs_*` and `process_*`, and are `plimsoll_…` for the
//! rest. Labels come from closed sets, except the number of a worker, of which there are as many as were asked for, and
//! routes, origins and pools, whose tables are bounded.

use std::time::Duration;

use super::Scrape;
use crate::observe::histogram::Snapshot;
use crate::observe::http::Totals;
use crate::observe::status::{Lane, Stalls, Worker, WorkerState};

#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    /// As it is queried: with `_total` or `_info`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) values: Values,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Values {
    Counter(fn(&Scrape) -> Samples),
    Gauge(fn(&Scrape) -> Samples),
    Histogram(fn(&Scrape) -> Vec<(Labels, Snapshot)>),
    /// A histogram with bounds of its own.
    Distribution(fn(&Scrape) -> Vec<(Labels, Distribution)>),
    Info(fn(&Scrape) -> Labels),
}

/// The values of a metric's labels, in the order of its definition.
pub(super) type Labels = Vec<String>;
pub(super) type Samples = Vec<(Labels, Number)>;

#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

#[derive(Debug, Clone)]
pub(super) struct Distribution {
    pub(super) sum: f64,
    pub(super) count: u64,
    /// Upper bound and observations of each bucket.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Metric {
    /// The name without the suffix that the encoder adds for the kind.
    pub(super) fn family(&self) -> &'static str {
        let suffix = match self.values {
            Values::Counter(_) => "_total",
            Values::Info(_) => "_info",
            Values::Gauge(_) | Values::Histogram(_) | Values::Distribution(_) => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// Names of its samples.
    pub(super) fn samples(&self) -> impl Iterator<Item = String> {
        let suffixes: &[&str] = match self.values {
            Values::Counter(_) | Values::Gauge(_) | Values::Info(_) => &[""],
            Values::Histogram(_) | Values::Distribution(_) => &["", "_bucket", "_sum", "_count"],
        };
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name))
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.values {
            Values::Counter(_) => "counter",
            Values::Gauge(_) => "gauge",
            Values::Histogram(_) | Values::Distribution(_) => "histogram",
            Values::Info(_) => "info",
        }
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "http_server_request_duration_seconds",
        help: "Time from the first byte of a request to the last byte of its response.",
        labels: &["http_request_method", "http_response_status_code", "http_route"],
        values: Values::Histogram(durations),
    },
    Metric {
        name: "http_server_active_requests",
        help: "Requests that are being served now.",
        labels: &[],
        values: Values::Gauge(|scrape| total(scrape, |totals| totals.requests_active)),
    },
    Metric {
        name: "plimsoll_gateway_connections_open",
        help: "Connections of clients that are open now.",
        labels: &[],
        values: Values::Gauge(|scrape| total(scrape, |totals| totals.connections_open)),
    },
    Metric {
        name: "plimsoll_gateway_connections_total",
        help: "Connections of clients that were accepted.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.connections_total)),
    },
    Metric {
        name: "plimsoll_gateway_connections_refused_total",
        help: "Connections of clients that were closed at once because too many were open.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.connections_refused)),
    },
    Metric {
        name: "plimsoll_gateway_links_opened_total",
        help: "Links to workers that were opened: in shared memory (gateway.trunks) or by socket.",
        labels: &["by"],
        values: Values::Counter(links),
    },
    Metric {
        name: "plimsoll_gateway_links_unclaimed_total",
        help: "Links to workers that were opened while the worker had more links than slots (1024): what is sent by one is neither rescued nor saved when the worker dies.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.links_unclaimed)),
    },
    Metric {
        name: "plimsoll_gateway_requests_total",
        help: "Requests whose head was read.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.requests_total)),
    },
    Metric {
        name: "plimsoll_gateway_requests_retried_total",
        help: "Requests that were sent to a worker a second time because a link died before the first response byte.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.requests_retried)),
    },
    Metric {
        name: "plimsoll_event_loop_requests_rescued_total",
        help: "Requests that were taken back from a worker that was late to begin them, and sent to another.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.requests_rescued)),
    },
    Metric {
        name: "plimsoll_event_loop_requests_queued_total",
        help: "Requests that waited in the gateway because every worker was late.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.requests_queued)),
    },
    Metric {
        name: "plimsoll_event_loop_lane_requests_queued_total",
        help: "Requests that waited in the gateway for a worker of their lane.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.requests_queued_in_lane)),
    },
    Metric {
        name: "plimsoll_event_loop_stalls_total",
        help: "Times that the event loop of a worker stood still for longer than event_loop.stall_threshold, by what made it.",
        labels: &["kind"],
        values: Values::Counter(|scrape| stalls(scrape, |stalls| Number::Whole(stalls.count))),
    },
    Metric {
        name: "plimsoll_event_loop_stalled_seconds_total",
        help: "For how long event loops stood still in those stalls, by what made it.",
        labels: &["kind"],
        values: Values::Counter(|scrape| {
            stalls(scrape, |stalls| Number::Real(Duration::from_millis(stalls.total_ms).as_secs_f64()))
        }),
    },
    Metric {
        name: "plimsoll_gateway_failures_total",
        help: "Requests that the gateway answered with an error or whose transfer it cut, by the code in x-plimsoll-error.",
        labels: &["code"],
        values: Values::Counter(failures),
    },
    Metric {
        name: "plimsoll_gateway_received_bytes_total",
        help: "Bytes that were read from clients.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.bytes_from_clients)),
    },
    Metric {
        name: "plimsoll_gateway_sent_bytes_total",
        help: "Bytes that were written to clients.",
        labels: &[],
        values: Values::Counter(|scrape| total(scrape, |totals| totals.bytes_to_clients)),
    },
    Metric {
        name: "plimsoll_workers",
        help: "Workers by state: starting, ready, draining, stopped, failed.",
        labels: &["state"],
        values: Values::Gauge(workers_by_state),
    },
    Metric {
        name: "plimsoll_event_loop_lane_workers",
        help: "Workers that are kept for heavy routes, and serve others while they have none.",
        labels: &[],
        values: Values::Gauge(lane_workers),
    },
    Metric {
        name: "plimsoll_event_loop_queue_age_seconds",
        help: "The longest that a request waited to be begun, in the gateway or in a worker's socket, within the last ten seconds. What to scale on.",
        labels: &[],
        values: Values::Gauge(|scrape| single(Some(Number::Real(scrape.totals.queue_age.as_secs_f64())))),
    },
    Metric {
        name: "plimsoll_event_loop_utilization_ratio",
        help: "Share of their time in which the workers' loops have not waited, in the mean of all workers, between the last two scrapes. What to scale on.",
        labels: &[],
        values: Values::Gauge(|scrape| single(scrape.apps.share().map(Number::Real))),
    },
    Metric {
        name: "plimsoll_event_loop_lateness_seconds",
        help: "The longest that a request waited for this worker to begin it, in this second and the one before.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| {
            let workers = scrape.status.iter().flat_map(|status| &status.workers);
            let late = |worker: &Worker| Duration::from_millis(worker.event_loop.late_ms.into());
            let seconds = |worker: &Worker| Number::Real(late(worker).as_secs_f64());
            workers.map(|worker| (vec![worker.id.to_string()], seconds(worker))).collect()
        }),
    },
    Metric {
        name: "plimsoll_worker_requests_total",
        help: "Requests that a worker has served, over all its processes.",
        labels: &["worker"],
        values: Values::Counter(|scrape| workers(scrape, |worker| worker.requests)),
    },
    Metric {
        name: "plimsoll_worker_in_flight",
        help: "Requests that a worker has been sent and has not finished.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| workers(scrape, |worker| worker.in_flight.into())),
    },
    Metric {
        name: "plimsoll_worker_restarts_total",
        help: "Processes that were started for a worker after its first.",
        labels: &["worker"],
        values: Values::Counter(|scrape| workers(scrape, |worker| worker.restarts.into())),
    },
    Metric {
        name: "plimsoll_worker_resident_memory_bytes",
        help: "Resident memory of a worker's process.",
        labels: &["worker"],
        values: Values::Gauge(|scrape| workers(scrape, |worker| worker.rss_bytes)),
    },
    Metric {
        name: "plimsoll_build_info",
        help: "Always 1; the version of this build as a label.",
        labels: &["version"],
        values: Values::Info(|_scrape| vec![env!("CARGO_PKG_VERSION").to_owned()]),
    },
];

fn single(number: Option<Number>) -> Samples {
    number.map(|number| (Labels::new(), number)).into_iter().collect()
}

fn total(scrape: &Scrape, read: fn(&Totals) -> u64) -> Samples {
    single(Some(Number::Whole(read(&scrape.totals))))
}

fn durations(scrape: &Scrape) -> Vec<(Labels, Snapshot)> {
    let label = |status: Option<u16>| status.map_or("_OTHER".to_owned(), |status| status.to_string());
    let durations = scrape.totals.durations.iter();
    durations
        .map(|((method, status, route), shot)| {
            (vec![method.as_str().to_owned(), label(*status), route.to_string()], shot.clone())
        })
        .collect()
}

fn links(scrape: &Scrape) -> Samples {
    let opened = [("memory", scrape.totals.links_in_memory), ("socket", scrape.totals.links_by_socket)];
    opened.map(|(by, count)| (vec![by.to_owned()], Number::Whole(count))).into()
}

fn failures(scrape: &Scrape) -> Samples {
    let failures = scrape.totals.failures.iter();
    failures.map(|(code, count)| (vec![(*code).to_owned()], Number::Whole(*count))).collect()
}

fn stalls(scrape: &Scrape, read: fn(&Stalls) -> Number) -> Samples {
    let kinds = scrape.status.iter().flat_map(|status| &status.incidents.kinds);
    kinds.map(|stalls| (vec![stalls.kind.as_str().to_owned()], read(stalls))).collect()
}

fn workers_by_state(scrape: &Scrape) -> Samples {
    let Some(status) = &scrape.status else { return Samples::new() };
    WorkerState::ALL
        .into_iter()
        .map(|state| (vec![state.as_str().to_owned()], Number::Whole(status.workers_in(state) as u64)))
        .collect()
}

fn lane_workers(scrape: &Scrape) -> Samples {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    let heavy = workers.filter(|worker| worker.lane == Lane::Heavy).count();
    scrape.status.iter().map(|_| (Labels::new(), Number::Whole(heavy as u64))).collect()
}

fn workers(scrape: &Scrape, read: fn(&Worker) -> u64) -> Samples {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    workers.map(|worker| (vec![worker.id.to_string()], Number::Whole(read(worker)))).collect()
}
