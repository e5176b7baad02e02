use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use super::*;
use crate::ids::{RouteId, WorkerId};
use crate::observe::control::{Reading, Readings};
use crate::observe::http::Method;
use crate::observe::status::fixture;
use crate::routes::Routes;

pub(super) fn scrape() -> Scrape {
    let threads: Vec<Arc<ThreadStats>> = (0..2).map(|_| Arc::default()).collect();
    let routes = Routes::default();
    let route = routes.tell(Method::Get, b"/users/1", "/users/:id").unwrap();
    for stats in &threads {
        stats.connections_total.add(2);
        stats.record(route, Method::Get, 200, Duration::from_millis(30));
        stats.record(route, Method::Get, 200, Duration::from_secs(20));
        stats.record(RouteId::OTHER, Method::Other, 999, Duration::from_micros(1));
        stats.record_failure("bad_response");
    }
    threads[1].queue_age.note(Duration::from_millis(250), Instant::now());
    let mut status = fixture();
    // One of which the kernel knows something.
    status.workers[0].pid = Some(std::process::id());
    let scrape = Scrape::read(&threads, &routes.table(), Some(status)).with_processes(&Steady::default());
    let scrape = Scrape { logs: LogFigures::sample(), ..scrape };
    let exported = export::Figures { taken: 5, dropped: vec![("queue_full", 1)] };
    Scrape { exported: Some(exported), ..scrape.with_apps(&apps(), false, Format::Classic) }
}

/// Two workers, of which one is late, and an app that counts something.
fn apps() -> Apps {
    let apps = Apps::default();
    let lag = ["lag", "lag_min", "lag_max", "lag_mean", "lag_stddev", "lag_p50", "lag_p90", "lag_p99"];
    let lag: Vec<String> = lag.iter().map(|name| format!("\"{name}\":0.002")).collect();
    let node = format!(
        "n{{\"version\":\"v22.1.0\",\"active_ms\":250,\"idle_ms\":750,\"spaces\":{{\"new\":[3,2,1]}},\"resources\":{{\"Timeout\":1}},\"handles\":{{\"Socket\":4}},\"requests\":{{\"FSReqCallback\":2}},{}}}\n",
        lag.join(",")
    );
    let own = "f[\"shop_orders_total\",\"Orders.\",\"counter\",\"sum\"]\ns[\"\",3,{\"kind\":\"gift, \\\"wrapped\\\"\"}]\n";
    let reading = |index, lines: Option<String>| Reading {
        worker: WorkerId { index, incarnation: 1 },
        channel: 1,
        lines: lines.map(Into::into),
        left_out: 0,
    };
    let processes = vec![reading(0, Some(node + own)), reading(1, None)];
    apps.take(&Readings { id: 1, processes }, Instant::now());
    apps
}

/// Checks what the classic parser demands, and returns the names of the families with their types.
fn parse_strictly(text: &str) -> Vec<(String, String)> {
    let mut families: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(!families.iter().any(|(known, _)| known == name), "{name} twice");
            families.push((name.to_owned(), kind.to_owned()));
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let (family, kind) = families.last().unwrap();
            let suffix =
                name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} under {family}"));
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(labels.ends_with('}'), "{line}");
            for label in labels.trim_end_matches('}').replace(", ", " ").split_terminator(',') {
                let (key, quoted) = label.split_once('=').unwrap();
                assert!(
                    key.bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                    "{line}"
                );
                assert!(quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"'), "{line}");
            }
            assert!(seen.insert(series.to_owned()), "{series} twice");
        }
    }
    families
}

#[test]
fn the_classic_text_is_strictly_well_formed_and_complete() {
    let text = scrape().encode(Format::Classic).unwrap();
    let families = parse_strictly(&text);
    let names: Vec<&str> = families.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, all().map(|metric| metric.name).chain(["shop_orders_total"]).collect::<Vec<_>>());
}

#[test]
fn samples_say_what_was_counted() {
    let text = scrape().encode(Format::Classic).unwrap();
    let pair = r#"http_request_method="GET",http_response_status_code="200",http_route="/users/:id""#;
    for line in [
        &format!("http_server_request_duration_seconds_count{{{pair}}} 4"),
        &format!("http_server_request_duration_seconds_sum{{{pair}}} 40.06"),
        r#"http_request_method="_OTHER",http_response_status_code="_OTHER",http_route="other""#,
        "plimsoll_gateway_connections_total 4",
        r#"plimsoll_gateway_failures_total{code="bad_response"} 2"#,
        r#"plimsoll_logs_lines_total{level="info",outcome="sampled"} 7"#,
        r#"plimsoll_logs_dropped_lines_total{level="debug",reason="queue_full",sink="stdout"} 8"#,
        r#"plimsoll_logs_dropped_lines_total{level="unknown",reason="buffer_full",sink="-"} 9"#,
        r#"plimsoll_worker_logs_lines_total{worker="0"} 70"#,
        r#"plimsoll_workers{state="ready"} 1"#,
        r#"plimsoll_workers{state="draining"} 0"#,
        r#"plimsoll_worker_requests_total{worker="0"} 1200"#,
        r#"plimsoll_worker_resident_memory_bytes{worker="0"} 52428800"#,
        "plimsoll_event_loop_queue_age_seconds 0.25",
        "plimsoll_event_loop_utilization_ratio 0.625",
        r#"plimsoll_event_loop_lateness_seconds{worker="0"} 0.12"#,
        r#"nodejs_eventloop_lag_p99_seconds{worker="0"} 0.002"#,
        r#"nodejs_eventloop_utilization_ratio{worker="0"} 0.25"#,
        r#"nodejs_eventloop_utilization_ratio{worker="1"} 1.0"#,
        r#"nodejs_eventloop_time_seconds_total{worker="0",nodejs_eventloop_state="idle"} 0.75"#,
        r#"nodejs_heap_space_size_available_bytes{worker="0",space="new"} 1"#,
        r#"nodejs_version_info{worker="0",version="v22.1.0",major="22",minor="1",patch="0"} 1"#,
        r#"nodejs_gc_duration_seconds_bucket{le="0.001",worker="0",kind="minor"} 100"#,
        r#"nodejs_gc_duration_seconds_bucket{le="0.01",worker="0",kind="minor"} 120"#,
        r#"v8js_gc_duration_seconds_bucket{le="0.1",worker="0",v8js_gc_type="major"} 3"#,
        r#"process_open_fds{worker="0"}"#,
        r#"plimsoll_metrics_late_total{worker="1"} 1"#,
        r#"shop_orders_total{kind="gift, \"wrapped\""} 3"#,
        &format!("plimsoll_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for (bound, count) in [("0.025", 0), ("0.05", 2), ("10.0", 2), ("+Inf", 4)] {
        let found = text.lines().any(|line| {
            line.contains(pair)
                && line.contains(&format!("le=\"{bound}\""))
                && line.ends_with(&format!(" {count}"))
        });
        assert!(found, "le={bound} {count} is not in\n{text}");
    }
}

#[test]
fn without_an_answer_of_the_app_loop_the_gateway_is_still_there() {
    let text = Scrape::read(&[], &Routes::default().table(), None).encode(Format::Classic).unwrap();
    parse_strictly(&text);
    assert!(text.contains("http_server_active_requests 0"));
    assert!(!text.contains("plimsoll_worker"));
}

#[test]
fn open_metrics_is_for_who_asks() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (accept, format) in [
        (None, Format::Classic),
        (Some("*/*"), Format::Classic),
        (Some("text/html"), Format::Classic),
        (Some(prometheus), Format::OpenMetrics),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept:?}");
    }
    let open = scrape().encode(Format::OpenMetrics).unwrap();
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1, "{open}");
}

#[test]
fn the_board_asks_for_nothing_that_is_not_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/grafana/plimsoll.json");
    let board: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let samples: BTreeSet<String> = all().flat_map(Metric::samples).collect();
    let labels: BTreeSet<&str> =
        all().flat_map(|metric| metric.labels).copied().chain(["instance", "le"]).collect();
    let names = Regex::new("[a-z][a-z0-9_]*").unwrap();
    let by = Regex::new(r"\bby \(([^)]*)\)").unwrap();
    let mut asked = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let told = |name: &str| {
                ["plimsoll_", "http_", "db_", "nodejs_", "process_", "v8js_"]
                    .iter()
                    .any(|own| name.starts_with(own))
            };
            let found: Vec<&str> =
                names.find_iter(query).map(|name| name.as_str()).filter(|name| told(name)).collect();
            assert!(found.iter().any(|name| samples.contains(*name)), "{query}");
            for name in found {
                assert!(samples.contains(name) || labels.contains(name), "{name} in {query}");
                asked.insert(name.to_owned());
            }
            for label in by.captures_iter(query).flat_map(|by| by.extract::<1>().1[0].split(", ")) {
                assert!(labels.contains(label), "{label} in {query}");
            }
        }
    }
    // Every part of the program is on it.
    for part in [
        "http_server_",
        "plimsoll_event_loop_",
        "nodejs_gc_",
        "db_client_",
        "http_client_",
        "plimsoll_logs_",
        "plimsoll_workers",
    ] {
        assert!(asked.iter().any(|name| name.starts_with(part)), "{part}");
    }
}

#[test]
fn manifests_scale_on_what_is_there() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/k8s");
    let samples: BTreeSet<String> = all().flat_map(Metric::samples).collect();
    let names = Regex::new("plimsoll_event_loop_[a-z_]+").unwrap();
    for file in ["autoscaling-hpa.yaml", "autoscaling-keda.yaml"] {
        let text = fs::read_to_string(directory.join(file)).unwrap();
        let asked: BTreeSet<&str> = names.find_iter(&text).map(|name| name.as_str()).collect();
        assert_eq!(asked.len(), 2, "{file}");
        assert!(asked.iter().all(|name| samples.contains(*name)), "{asked:?}");
    }
}

#[test]
fn routes_beyond_those_that_are_told_apart_share_one_label() {
    let stats = Arc::<ThreadStats>::default();
    let routes = Routes::default();
    let asked: u64 = 1500;
    for index in 0..asked {
        let path = format!("/way{index}/x");
        let route = routes.tell(Method::Get, path.as_bytes(), &path).unwrap_or(RouteId::OTHER);
        stats.record(route, Method::Get, 200, Duration::from_millis(1));
    }
    let text = Scrape::read(&[stats], &routes.table(), None).encode(Format::Classic).unwrap();
    let counts = text.lines().filter(|line| line.starts_with("http_server_request_duration_seconds_count"));
    let counts: Vec<(&str, u64)> = counts
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, count)| (series, count.parse().unwrap()))
        .collect();
    assert!(counts.len() <= 1001, "{}", counts.len());
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), asked);
    let other = counts.iter().find(|(series, _)| series.contains("http_route=\"other\"")).unwrap();
    assert!(other.1 >= asked - 1000, "{other:?}");
}

#[test]
fn the_reference_page_is_what_the_definitions_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    assert_eq!(fs::read_to_string(&path).unwrap(), reference(), "run `cargo xtask docs`");
}
