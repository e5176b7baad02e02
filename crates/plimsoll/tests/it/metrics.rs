//! What `/metrics` says: under the names that boards know, and with what the app counts itself, of all workers together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;

use crate::harness::{
    App, Client, Collector, Exposition, Launch, Server, get_with, packages_of, signal, until,
};

fn shop(workers: u16) -> Server {
    let server = Launch::plimsoll(App::Example("metrics")).workers(workers).start();
    server.workers(workers.into());
    server
}

fn scrape(server: &Server) -> Exposition {
    read(server, "/metrics")
}

fn read(server: &Server, target: &str) -> Exposition {
    let answer = server.admin(target);
    assert_eq!(answer.status, 200, "{}", answer.text());
    Exposition::read(&answer.text())
}

/// Once it fits.
fn seen(server: &Server, what: &str, fits: impl Fn(&Exposition) -> bool) -> Exposition {
    until(what, || Some(scrape(server)).filter(|all| fits(all)))
}

#[test]
fn the_names_of_prom_clients_default_metrics_are_ours() {
    let plain = Launch::plain(App::Example("metrics")).start();
    let theirs = Exposition::read(&plain.get("/metrics").text());
    // With little room for what is young, so that there are collections.
    let server =
        Launch::plimsoll(App::Example("metrics")).env("NODE_OPTIONS", "--max-semi-space-size=1").start();
    // A collection must have been, on either side; and the delay of the loop is measured from the first scrape on.
    let ours = seen(&server, "everything is told", |all| {
        server.get("/orders");
        // Of what has no sample there is nothing to be told.
        theirs.labels.keys().all(|name| all.types.contains_key(name))
    });
    let mut compared = 0;
    for name in theirs.labels.keys() {
        assert_eq!(ours.types.get(name), theirs.types.get(name), "{name}");
        // `worker` comes in addition.
        let labels = |all: &Exposition| all.labels.get(name).cloned().unwrap_or_default();
        let missing: BTreeSet<_> = labels(&theirs).difference(&labels(&ours)).cloned().collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        compared += usize::from(name.starts_with("nodejs_") || name.starts_with("process_"));
    }
    assert!(compared >= 25, "{compared} of {:?}", theirs.types);
}

#[test]
fn what_the_app_counts_is_that_of_all_workers() {
    let server = shop(2);
    for things in 1..=20 {
        assert_eq!(server.get(&format!("/orders?kind=gift&things={things}")).status, 200);
    }
    for things in [3, 9, 4, 2] {
        server.get(&format!("/cart?things={things}"));
    }
    let all = scrape(&server);
    let of = |series: &str| all.get(series);
    assert_eq!(of("shop_orders_total{kind=gift}"), Some(20.0), "{all:?}");
    assert_eq!(
        (of("shop_order_seconds_count{}"), of("shop_order_seconds_bucket{le=+Inf}")),
        (Some(20.0), Some(20.0))
    );
    assert_eq!((of("shop_order_size_count{}"), of("shop_order_size_sum{}")), (Some(20.0), Some(210.0)));
    assert_eq!((of("shop_carts{}"), of("shop_cart_largest{}")), (Some(4.0), Some(9.0)));
    let each = read(&server, "/metrics?app=each");
    let orders = each.of("shop_orders_total");
    assert_eq!(orders.iter().map(|(_, count)| count).sum::<f64>(), 20.0, "{orders:?}");
    assert!(orders.iter().all(|(series, _)| series.contains("worker=")), "{orders:?}");
    // Nothing of it is twice, and nothing of ours is the app's.
    assert_eq!(all.of("process_resident_memory_bytes").len(), 2, "{all:?}");
    let open = get_with(server.admin_port(), "/metrics", "Accept: application/openmetrics-text\r\n").text();
    assert!(open.contains("\nshop_orders_total{kind=\"gift\"} 20\n") && open.ends_with("# EOF\n"), "{open}");
}

#[test]
fn a_sum_does_not_fall_when_a_worker_is_replaced() {
    let server = shop(2);
    for _ in 0..20 {
        server.get("/orders");
    }
    let count = |all: &Exposition| all.get("shop_orders_total{kind=plain}").unwrap_or(0.0);
    seen(&server, "all orders are counted", |all| count(all) == 20.0);
    let pids = server.workers(2);
    for pid in &pids {
        signal(*pid, rustix::process::Signal::KILL);
    }
    until("both are replaced", || {
        let now = server.workers(2);
        now.iter().all(|pid| !pids.contains(pid)).then_some(())
    });
    server.get("/orders");
    seen(&server, "what was counted stays", |all| count(all) == 21.0);
}

#[test]
fn a_worker_that_is_blocked_is_shown_as_it_was_and_counted() {
    let app = r"
        const fs = require('node:fs')
        const client = require('prom-client')
        const hits = new client.Counter({ name: 'hits_total', help: 'Hits.' })
        require('node:http').createServer((request, response) => {
          hits.inc()
          if (request.url !== '/block') return response.end('ok')
          console.log('blocked')
          while (!fs.existsSync(process.env.GATE)) {}
          response.end('free')
        }).listen(process.env.PORT)
    ";
    let packages = packages_of("metrics");
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let server = Launch::plimsoll(App::source(app)).env("NODE_PATH", packages).env("GATE", &gate).start();
    for _ in 0..3 {
        server.get("/");
    }
    seen(&server, "the requests are counted", |all| all.get("hits_total{}") == Some(3.0));
    let mut client = Client::connect(("127.0.0.1", server.port()));
    client.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("blocked");
    let mut waiting = Client::connect(("127.0.0.1", server.port()));
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let late = |all: &Exposition| all.get("plimsoll_metrics_late_total{worker=0}").unwrap_or(0.0) > 0.0;
    let all = seen(&server, "it is late", |all| {
        late(all) && all.get("plimsoll_event_loop_queue_age_seconds{}").is_some_and(|age| age > 0.1)
    });
    assert_eq!(all.get("hits_total{}"), Some(3.0));
    assert!(all.get("plimsoll_metrics_age_seconds{worker=0}").is_some_and(|age| age > 0.0), "{all:?}");
    assert_eq!(all.get("plimsoll_event_loop_utilization_ratio{}"), Some(1.0));
    assert!(
        all.get("plimsoll_event_loop_lateness_seconds{worker=0}").is_some_and(|late| late > 0.0),
        "{all:?}"
    );
    fs::write(&gate, "").unwrap();
    seen(&server, "it is there again", |all| all.get("hits_total{}") == Some(5.0));
}

#[test]
fn an_app_may_be_left_alone() {
    let server = Launch::plimsoll(App::Example("metrics")).env("PLIMSOLL_METRICS_APP", "off").start();
    server.get("/orders");
    let all = seen(&server, "Node tells of itself", |all| all.types.contains_key("nodejs_version_info"));
    assert!(!all.types.keys().any(|name| name.starts_with("shop_")), "{all:?}");
}

/// The latest number of each metric that has one, and the attributes of who told it.
fn told(collector: &Collector) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut numbers, mut resource) = (BTreeMap::new(), BTreeSet::new());
    let requests = collector.bodies_at("/v1/metrics").into_iter();
    let requests = requests.map(|body| ExportMetricsServiceRequest::decode(&body[..]).unwrap());
    for told in requests.flat_map(|request| request.resource_metrics) {
        let attributes = told.resource.iter().flat_map(|resource| &resource.attributes);
        resource.extend(attributes.map(|pair| format!("{}={:?}", pair.key, pair.value)));
        for metric in told.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let points = match &metric.data {
                Some(Data::Sum(sum)) => sum.data_points.as_slice(),
                Some(Data::Gauge(gauge)) => gauge.data_points.as_slice(),
                Some(Data::Histogram(all)) => {
                    let count: u64 = all.data_points.iter().map(|point| point.count).sum();
                    numbers.insert(metric.name.clone(), count as f64);
                    continue;
                }
                _ => continue,
            };
            let sum = points.iter().map(|point| match point.value {
                Some(Value::AsInt(value)) => value as f64,
                Some(Value::AsDouble(value)) => value,
                None => 0.0,
            });
            numbers.insert(metric.name.clone(), sum.sum());
        }
    }
    (numbers, resource)
}

#[test]
fn a_collector_gets_the_same_figures_under_the_names_of_opentelemetry() {
    let collector = Collector::start(200);
    let server = Launch::plimsoll(App::Example("metrics"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collector.port))
        .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
        .env("OTEL_SERVICE_NAME", "the-shop")
        .start();
    for _ in 0..5 {
        server.get("/orders");
    }
    let (numbers, resource) = until("five requests are told", || {
        let (numbers, resource) = told(&collector);
        (numbers.get("http.server.request.duration") == Some(&5.0)).then_some((numbers, resource))
    });
    for name in
        ["process.memory.usage", "nodejs.eventloop.time", "plimsoll.workers", "plimsoll.event_loop.queue_age"]
    {
        assert!(numbers.contains_key(name), "{name} in {numbers:?}");
    }
    assert!(
        resource.iter().any(|pair| pair.starts_with("service.name=") && pair.contains("the-shop")),
        "{resource:?}"
    );
    assert!(collector.types().iter().all(|name| name == "application/x-protobuf"), "{:?}", collector.types());
    seen(&server, "exports are counted", |all| {
        all.get("plimsoll_metrics_exports_total{}").is_some_and(|count| count > 0.0)
    });
}

#[test]
fn what_was_counted_since_the_last_export_is_told_at_the_end() {
    let collector = Collector::start(200);
    let mut server = Launch::plimsoll(App::Example("metrics"))
        .env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", format!("http://127.0.0.1:{}/v1/metrics", collector.port))
        .start();
    server.get("/orders");
    seen(&server, "it is counted", |all| {
        all.of("http_server_request_duration_seconds_count").iter().any(|(_, count)| *count == 1.0)
    });
    server.plimsoll(&["stop"]);
    assert_eq!(server.exit_code(), 0);
    let numbers = told(&collector).0;
    assert_eq!(numbers.get("http.server.request.duration"), Some(&1.0));
    // The supervisor, which knows it, has ended by then.
    assert!(numbers.contains_key("plimsoll.event_loop.stalls"), "{numbers:?}");
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_a_count() {
    let mut server = Launch::plimsoll(App::Example("metrics"))
        // Nobody listens at the port of discard.
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
        .start();
    assert_eq!(server.get("/orders").status, 200);
    server.wait_for_stderr("does not answer");
    assert_eq!(server.get("/orders").status, 200);
    server.plimsoll(&["stop"]);
    assert_eq!(server.exit_code(), 0);
    let said = server.stderr();
    assert!(said.contains("metrics to") && said.contains("could not be delivered before the end"), "{said}");
}
