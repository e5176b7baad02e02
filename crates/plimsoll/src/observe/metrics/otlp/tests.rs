use prost::Message as _;

use super::*;

const SPAN: Span = Span { since: 1, at: 2 };

/// Everything, as a collector reads it.
fn told() -> BTreeMap<String, Told> {
    let request = request(&super::super::tests::scrape(), Resource::default(), SPAN);
    let request = ExportMetricsServiceRequest::decode(&*request.encode_to_vec()).unwrap();
    let metrics = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let metrics: Vec<Told> = metrics.flat_map(|scope| scope.metrics).collect();
    let count = metrics.len();
    let by_name: BTreeMap<String, Told> = metrics.into_iter().map(|one| (one.name.clone(), one)).collect();
    assert_eq!(by_name.len(), count, "a name comes twice");
    by_name
}

fn numbers(told: &Told) -> &[NumberDataPoint] {
    match &told.data {
        Some(Data::Sum(sum)) => &sum.data_points,
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_opentelemetry_has_a_name_for_is_called_that() {
    let told = told();
    for (name, unit) in [
        ("http.server.request.duration", "s"),
        ("http.server.active_requests", "{request}"),
        ("http.client.request.duration", "s"),
        ("db.client.connection.count", "{connection}"),
        ("db.client.connection.wait_time", "s"),
        ("nodejs.eventloop.utilization", "1"),
        ("nodejs.eventloop.time", "s"),
        ("nodejs.eventloop.delay.p99", "s"),
        ("v8js.gc.duration", "s"),
        ("v8js.memory.heap.used", "By"),
        ("process.cpu.time", "s"),
        ("process.memory.usage", "By"),
        ("plimsoll.event_loop.queue_age", "s"),
        ("plimsoll.event_loop.stalls", "1"),
        ("plimsoll.logs.buffer", "By"),
        ("plimsoll.workers", "1"),
    ] {
        assert_eq!(told.get(name).map(|one| one.unit.as_str()), Some(unit), "{name} in {:?}", told.keys());
    }
    let foreign = |name: &&String| {
        name.contains("_total") || name.starts_with("nodejs_") || name.starts_with("process_")
    };
    assert_eq!(told.keys().filter(foreign).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_name_of_the_list_is_that_of_a_row() {
    for name in NAMES {
        assert!(super::super::all().any(|metric| metric.name == name.row), "{}", name.row);
    }
}

#[test]
fn sums_gauges_and_histograms_are_what_they_are() {
    let told = told();
    let Some(Data::Sum(stalls)) = &told["plimsoll.event_loop.stalls"].data else { panic!() };
    assert!(stalls.is_monotonic && stalls.aggregation_temporality() == AggregationTemporality::Cumulative);
    assert_eq!(stalls.data_points[0].attributes, [text("kind", "java_script")]);
    assert_eq!((stalls.data_points[0].start_time_unix_nano, stalls.data_points[0].time_unix_nano), (1, 2));
    let Some(Data::Sum(active)) = &told["http.server.active_requests"].data else { panic!() };
    assert!(!active.is_monotonic);
    assert!(matches!(&told["nodejs.eventloop.utilization"].data, Some(Data::Gauge(_))));
    let modes: Vec<&KeyValue> =
        numbers(&told["process.cpu.time"]).iter().filter_map(|point| point.attributes.last()).collect();
    assert_eq!(modes, [&text("cpu.mode", "user"), &text("cpu.mode", "system")]);
    let Some(Data::Histogram(durations)) = &told["http.server.request.duration"].data else { panic!() };
    let ok = durations.data_points.iter().find(|point| point.count == 4).unwrap();
    let attributes = [
        text("http.request.method", "GET"),
        number("http.response.status_code", 200),
        text("http.route", "/users/:id"),
    ];
    assert_eq!(ok.attributes, attributes);
    assert_eq!((ok.bucket_counts.len(), ok.explicit_bounds.len()), (15, 14));
    assert_eq!((ok.bucket_counts[3], ok.bucket_counts[14], ok.sum), (2, 2, Some(40.06)));
    let states: Vec<&KeyValue> = numbers(&told["db.client.connection.count"])
        .iter()
        .filter_map(|point| point.attributes.last())
        .collect();
    assert_eq!(
        states,
        [&text("db.client.connection.state", "idle"), &text("db.client.connection.state", "used")]
    );
}
