//! Metrics for a collector, as OTLP: the same rows, under the names that OpenTelemetry has for them.
//!
//! What it has a name for is called that; what is ours loses the suffixes of Prometheus, which are units and kinds here. What
//! is there for Prometheus' boards alone, under the names of prom-client, is not sent a second time.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Point;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as Told, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::Scrape;
use super::table::{Labels, Metric, Number, Values};
use crate::observe::otlp::{number, scope, text};

/// Of a row: its name, its unit, whether it is a sum that may fall, and an attribute that its name says in Prometheus.
struct Name {
    row: &'static str,
    name: &'static str,
    unit: &'static str,
    kind: Kind,
    attribute: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AsItIs,
    /// A gauge that is summed over instances: OpenTelemetry's up-down counter.
    UpDown,
}

const fn name(row: &'static str, name: &'static str, unit: &'static str) -> Name {
    Name { row, name, unit, kind: Kind::AsItIs, attribute: None }
}

const fn updown(row: &'static str, name: &'static str, unit: &'static str) -> Name {
    Name { row, name, unit, kind: Kind::UpDown, attribute: None }
}

const fn with(mut name: Name, attribute: (&'static str, &'static str)) -> Name {
    name.attribute = Some(attribute);
    name
}

const NAMES: &[Name] = &[
    name("http_server_request_duration_seconds", "http.server.request.duration", "s"),
    updown("http_server_active_requests", "http.server.active_requests", "{request}"),
    name("http_client_request_duration_seconds", "http.client.request.duration", "s"),
    updown("db_client_connection_count", "db.client.connection.count", "{connection}"),
    updown("db_client_connection_max", "db.client.connection.max", "{connection}"),
    updown("db_client_connection_pending_requests", "db.client.connection.pending_requests", "{request}"),
    name("db_client_connection_wait_time_seconds", "db.client.connection.wait_time", "s"),
    name("db_client_connection_use_time_seconds", "db.client.connection.use_time", "s"),
    name("db_client_connection_timeouts_total", "db.client.connection.timeouts", "{timeout}"),
    name("nodejs_eventloop_utilization_ratio", "nodejs.eventloop.utilization", "1"),
    name("nodejs_eventloop_time_seconds_total", "nodejs.eventloop.time", "s"),
    name("nodejs_eventloop_lag_min_seconds", "nodejs.eventloop.delay.min", "s"),
    name("nodejs_eventloop_lag_max_seconds", "nodejs.eventloop.delay.max", "s"),
    name("nodejs_eventloop_lag_mean_seconds", "nodejs.eventloop.delay.mean", "s"),
    name("nodejs_eventloop_lag_stddev_seconds", "nodejs.eventloop.delay.stddev", "s"),
    name("nodejs_eventloop_lag_p50_seconds", "nodejs.eventloop.delay.p50", "s"),
    name("nodejs_eventloop_lag_p90_seconds", "nodejs.eventloop.delay.p90", "s"),
    name("nodejs_eventloop_lag_p99_seconds", "nodejs.eventloop.delay.p99", "s"),
    name("v8js_gc_duration_seconds", "v8js.gc.duration", "s"),
    updown("nodejs_heap_space_size_total_bytes", "v8js.memory.heap.limit", "By"),
    updown("nodejs_heap_space_size_used_bytes", "v8js.memory.heap.used", "By"),
    updown("nodejs_heap_space_size_available_bytes", "v8js.memory.heap.space.available_size", "By"),
    with(name("process_cpu_user_seconds_total", "process.cpu.time", "s"), ("cpu.mode", "user")),
    with(name("process_cpu_system_seconds_total", "process.cpu.time", "s"), ("cpu.mode", "system")),
    updown("process_resident_memory_bytes", "process.memory.usage", "By"),
    updown("process_virtual_memory_bytes", "process.memory.virtual", "By"),
    updown("process_open_fds", "process.unix.file_descriptor.count", "{file_descriptor}"),
];

/// Attributes that OpenTelemetry has names for.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("http_request_method", "http.request.method"),
    ("http_response_status_code", "http.response.status_code"),
    ("http_route", "http.route"),
    ("server_address", "server.address"),
    ("server_port", "server.port"),
    ("url_scheme", "url.scheme"),
    ("db_client_connection_pool_name", "db.client.connection.pool.name"),
    ("nodejs_eventloop_state", "nodejs.eventloop.state"),
    ("v8js_gc_type", "v8js.gc.type"),
    ("space", "v8js.heap.space.name"),
    ("worker", "plimsoll.worker"),
];
/// Those of them that are numbers.
const NUMBERS: [&str; 3] = ["http.response.status_code", "server.port", "plimsoll.worker"];

/// When it was taken, and since when what is summed has been summed: nanoseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) since: u64,
    pub(super) at: u64,
}

/// All of it as one request.
pub(super) fn request(scrape: &Scrape, resource: Resource, span: Span) -> ExportMetricsServiceRequest {
    let mut all = BTreeMap::<String, Told>::new();
    for metric in super::all() {
        let Some(told) = tell(metric, scrape, span) else { continue };
        match all.get_mut(&told.name) {
            Some(known) => join(known, told),
            None => drop(all.insert(told.name.clone(), told)),
        }
    }
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope()),
        metrics: all.into_values().collect(),
        ..ScopeMetrics::default()
    }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn tell(metric: &Metric, scrape: &Scrape, span: Span) -> Option<Told> {
    let (name, unit, kind, attribute) = named(metric.name)?;
    let attributes = |labels: Labels| attributes(metric, labels, attribute);
    let points = |samples: Vec<(Labels, Number)>| -> Vec<NumberDataPoint> {
        let point = |(labels, value)| NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: span.since,
            time_unix_nano: span.at,
            value: Some(value_of(value)),
            ..NumberDataPoint::default()
        };
        samples.into_iter().map(point).collect()
    };
    let sum = |data_points, is_monotonic| {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
    };
    let data = match metric.values {
        Values::Counter(read) => sum(points(read(scrape)), true),
        Values::Gauge(read) if kind == Kind::UpDown => sum(points(read(scrape)), false),
        Values::Gauge(read) => Data::Gauge(Gauge { data_points: points(read(scrape)) }),
        Values::Histogram(read) => histogram(
            read(scrape).into_iter().map(|(labels, shot)| {
                let sum = std::time::Duration::from_nanos(shot.sum_ns).as_secs_f64();
                (attributes(labels), sum, shot.by_bound())
            }),
            span,
        ),
        Values::Distribution(read) => histogram(
            read(scrape).into_iter().map(|(labels, one)| (attributes(labels), one.sum, one.buckets)),
            span,
        ),
        // Who we are is in the resource.
        Values::Info(_) => return None,
    };
    let told = Told { name, description: metric.help.to_owned(), unit, data: Some(data), ..Told::default() };
    (length(&told) > 0).then_some(told)
}

type Attribute = (&'static str, &'static str);

/// Name, unit, kind and attribute; `None`: it is for Prometheus alone.
fn named(row: &'static str) -> Option<(String, String, Kind, Option<Attribute>)> {
    if let Some(known) = NAMES.iter().find(|known| known.row == row) {
        return Some((known.name.to_owned(), known.unit.to_owned(), known.kind, known.attribute));
    }
    let own = row.strip_prefix("plimsoll_")?;
    let counted = own.strip_suffix("_total").unwrap_or(own);
    let units = [("_seconds", "s"), ("_bytes", "By"), ("_ratio", "1")];
    let unit = units.into_iter().find(|(suffix, _)| counted.ends_with(suffix));
    // Of bytes that are counted it is the noun: `plimsoll.logs.bytes` beside `plimsoll.logs.lines`.
    let suffix = unit.map(|(suffix, _)| suffix).filter(|suffix| *suffix != "_bytes" || counted == own);
    let bare = suffix.and_then(|suffix| counted.strip_suffix(suffix)).unwrap_or(counted);
    let concern = [
        "event_loop",
        "gateway",
        "downstream",
        "pools",
        "memory",
        "logs",
        "context",
        "metrics",
        "worker",
        "process",
    ]
    .into_iter()
    .find(|concern| bare.strip_prefix(concern).is_some_and(|rest| rest.starts_with('_')));
    let name =
        match concern.and_then(|concern| Some((concern, bare.strip_prefix(concern)?.strip_prefix('_')?))) {
            Some((concern, rest)) => format!("plimsoll.{concern}.{rest}"),
            None => format!("plimsoll.{bare}"),
        };
    Some((name, unit.map_or("1", |(_, unit)| unit).to_owned(), Kind::AsItIs, None))
}

fn attributes(metric: &Metric, labels: Labels, more: Option<Attribute>) -> Vec<KeyValue> {
    let named = metric.labels.iter().zip(labels).map(|(label, value)| {
        let known = ATTRIBUTES.iter().find(|(known, _)| known == label).map(|(_, name)| *name);
        // The state is of whatever the metric is about.
        let name = match *label {
            "state" if metric.name.starts_with("db_client_") => "db.client.connection.state",
            label => known.unwrap_or(label),
        };
        match value.parse().ok().filter(|_| NUMBERS.contains(&name)) {
            Some(value) => number(name, value),
            None => text(name, value),
        }
    });
    named.chain(more.map(|(name, value)| text(name, value))).collect()
}

fn value_of(value: Number) -> Point {
    match value {
        Number::Whole(value) => Point::AsInt(i64::try_from(value).unwrap_or(i64::MAX)),
        Number::Real(value) => Point::AsDouble(value),
    }
}

fn histogram(all: impl Iterator<Item = (Vec<KeyValue>, f64, Vec<(f64, u64)>)>, span: Span) -> Data {
    let point = |(attributes, sum, buckets): (Vec<KeyValue>, f64, Vec<(f64, u64)>)| HistogramDataPoint {
        attributes,
        start_time_unix_nano: span.since,
        time_unix_nano: span.at,
        count: buckets.iter().map(|(_, count)| count).sum(),
        sum: Some(sum),
        explicit_bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
        bucket_counts: buckets.into_iter().map(|(_, count)| count).collect(),
        ..HistogramDataPoint::default()
    };
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    Data::Histogram(Histogram { data_points: all.map(point).collect(), aggregation_temporality })
}

/// Two rows of one name.
fn join(known: &mut Told, other: Told) {
    match (&mut known.data, other.data) {
        (Some(Data::Sum(known)), Some(Data::Sum(other))) => known.data_points.extend(other.data_points),
        (Some(Data::Gauge(known)), Some(Data::Gauge(other))) => known.data_points.extend(other.data_points),
        _ => {}
    }
}

fn length(told: &Told) -> usize {
    match &told.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
