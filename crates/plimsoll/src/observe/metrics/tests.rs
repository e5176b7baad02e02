use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::ids::RouteId;
use crate::observe::http::Method;
use crate::observe::status::fixture;
use crate::routes::Routes;

fn scrape() -> Scrape {
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
    Scrape { logs: LogFigures::sample(), ..Scrape::read(&threads, &routes.table(), Some(fixture())) }
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
            for label in labels.trim_end_matches('}').split_terminator(',') {
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
    assert_eq!(
        names,
        METRICS
            .iter()
            .chain(logs::METRICS)
            .chain(downstream::METRICS)
            .chain(context::METRICS)
            .chain(memory::METRICS)
            .chain(pools::METRICS)
            .chain(traces::METRICS)
            .map(|metric| metric.name)
            .collect::<Vec<_>>()
    );
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
    assert!(scrape().encode(Format::OpenMetrics).unwrap().ends_with("\n# EOF\n"));
}

#[test]
fn the_reference_page_is_what_the_definitions_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    assert_eq!(fs::read_to_string(&path).unwrap(), reference(), "run `cargo xtask docs`");
}
