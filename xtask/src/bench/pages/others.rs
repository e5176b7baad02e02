//! The figures of benches that are older than the scenarios, in their form.

use serde_json::Value;

use crate::bench::report::{Better, Headline};
use crate::bench::stats::{max, median, min};
use crate::bench::variant::{Judged, of_rounds};

fn headline(what: &str, unit: &str, values: Vec<(&str, Option<f64>)>) -> Headline {
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Headline { what: what.to_owned(), unit: unit.to_owned(), better: Better::Lower, goal: None, values }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The samples of one of the variants that took turns.
fn samples<'a>(variants: Option<&'a Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    let variant = variants.into_iter().flat_map(items).find(|one| text(one, "name") == name);
    variant.and_then(|one| one.get("samples")).into_iter().flat_map(items)
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}

/// What is more than without any traces, of gateway and worker together.
pub(super) fn context(results: &Value) -> Vec<Headline> {
    let part = items(results).find(|part| text(part, "part").starts_with("Beside the SDK"));
    let variants = part.and_then(|part| part.get("variants"));
    let us = |name: &str| -> Vec<f64> {
        let of = |sample: &Value, key: &str| number(sample, key).unwrap_or(f64::NAN);
        samples(variants, name).map(|sample| of(sample, "proxy_us") + of(sample, "worker_us")).collect()
    };
    // As the bench has it: turn by turn, as what disturbs one disturbs the next one too, and each process once.
    let off = variants.into_iter().flat_map(items).find(|one| text(one, "name") == "off");
    let turns = off.and_then(|off| off.get("turns")).and_then(Value::as_u64).unwrap_or(1);
    let added = |name: &str| {
        let pairs = us(name).into_iter().zip(us("off"));
        let pairs: Vec<_> = pairs.map(|(own, off)| Some(own - off)).collect();
        let rounds = of_rounds(&pairs, usize::try_from(turns).unwrap_or(1));
        Judged::of(&rounds).map(Judged::at_least_the_noise)
    };
    let each = |what: &str, theirs: &str, ours: &str| {
        headline(what, "µs", vec![("OpenTelemetry SDK", added(theirs)), ("Plimsoll", added(ours))])
    };
    vec![
        each("CPU that tracing all adds to a request", "SDK, all", "Plimsoll, all"),
        each(
            "CPU that tracing 1 % adds to a request (or the noise, if that is more)",
            "SDK, 1 %",
            "Plimsoll, 1 % and tail",
        ),
    ]
}

pub(super) fn memory(results: &Value) -> Vec<Headline> {
    let nodes = items(results).find_map(|part| part.get("list"));
    let of_node = |node: &Value| {
        let usual = |name: &str| {
            let turns = samples(node.get("variants"), name);
            median(&turns.filter_map(|turn| number(turn, "worker_us")).collect::<Vec<_>>())
        };
        let what = format!("CPU of the worker per request, {}", text(node, "node"));
        let values = vec![
            ("node", usual("plain")),
            ("node with flags by hand", usual("with flags")),
            ("Plimsoll", usual("plimsoll, heap auto")),
        ];
        headline(&what, "µs", values)
    };
    let mut all: Vec<Headline> = nodes.into_iter().flat_map(items).map(of_node).collect();
    // First the one on which the scenarios run.
    all.sort_by_key(|one| !one.what.contains("v24."));
    all
}

pub(super) fn shutdown(results: &Value) -> Vec<Headline> {
    let of = |scenario: &str, what: &str| {
        let found = items(results).filter(|one| text(one, "scenario") == scenario);
        let per_thousand = |one: &Value| {
            let found = one.get("found")?;
            let failed: f64 = found
                .get("failed")?
                .as_object()?
                .values()
                .filter_map(Value::as_f64)
                .fold(0.0, |sum, count| sum + count);
            Some(failed * 1000.0 / found.get("requests")?.as_f64()?)
        };
        headline(what, "‰", found.map(|one| (text(one, "peer"), per_thousand(one))).collect())
    };
    vec![
        of("Reload", "requests that failed while the app was renewed"),
        of("Stop", "requests that failed in 5 s after SIGTERM"),
        of("Kill", "requests that failed, `kill -9` each second"),
    ]
}

/// What stands in front of the app alone, each on a CPU of its own.
pub(super) fn gateway(results: &Value) -> Vec<Headline> {
    let us = |one: &Value| {
        let samples = items(one.get("samples")?).filter(|one| one.get("counts") != Some(&Value::Bool(false)));
        min(&samples.filter_map(|one| number(one, "proxy_us")).collect::<Vec<_>>())
    };
    let idle_mb = |one: &Value| Some(one.get("idle")?.get("rss")?.as_f64()? / 1e6);
    let of = |what: &str, unit: &str, read: &dyn Fn(&Value) -> Option<f64>| {
        let proxies = items(results).filter(|one| !["node", "nginx again"].contains(&text(one, "contender")));
        headline(what, unit, proxies.map(|one| (name_of(text(one, "contender")), read(one))).collect())
    };
    vec![
        of("CPU of the proxy per request, under full load", "µs", &us),
        of("RSS of the proxy with 10,000 idle connections", "MB", &idle_mb),
    ]
}

pub(super) fn large(results: &Value) -> Vec<Headline> {
    let of = |what: &str, key: &str| {
        let proxies = items(results).filter(|one| text(one, "name") != "node");
        let mb = |one: &Value| one.get(key).and_then(Value::as_f64).map(|bytes| bytes / 1e6);
        headline(what, "MB", proxies.map(|one| (name_of(text(one, "name")), mb(one))).collect())
    };
    vec![
        of("memory of the proxy grows by, 1 GiB to a slow client", "slow_download_growth"),
        of("memory of the proxy grows by, 1 GiB to a slow app", "slow_upload_growth"),
    ]
}

/// As the scenarios call it.
fn name_of(contender: &str) -> &str {
    if contender == "plimsoll" { "Plimsoll" } else { contender }
}

pub(super) fn logs(results: &Value) -> Vec<Headline> {
    let stalled = |name: &str, key: &str| {
        let one = items(results.get("stalled")?).find(|one| text(one, "name") == name)?;
        one.get(key).and_then(Value::as_f64)
    };
    let (plain, ours) = ("plain pipe, pino", "Plimsoll, pino");
    let missing = |key: &str| {
        let nodes = items(results.get("exit")?);
        max(&nodes.filter_map(|one| one.get(key).and_then(Value::as_f64)).collect::<Vec<_>>())
    };
    vec![
        // A plain process is not left alone for longer.
        headline(
            "memory that grows while nobody reads 10,000 lines/s (node: in 10 s, Plimsoll: in 30 s)",
            "MB",
            vec![("node", stalled(plain, "grown_mb")), ("Plimsoll", stalled(ours, "grown_mb"))],
        ),
        headline(
            "longest request meanwhile",
            "ms",
            vec![
                ("node", stalled(plain, "stalled_worst_ms")),
                ("Plimsoll", stalled(ours, "stalled_worst_ms")),
            ],
        ),
        headline(
            "bytes lost of 400,000 at `process.exit()`, the worst Node",
            "",
            vec![("node", missing("plain_missing")), ("Plimsoll", missing("plimsoll_missing"))],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_tracing_adds_is_of_gateway_and_worker() {
        let variant = |name: &str, proxy: f64, worker: f64| {
            let sample = |more: f64| json!({ "proxy_us": proxy + more, "worker_us": worker });
            json!({ "name": name, "samples": [sample(3.0), sample(0.0)] })
        };
        let variants = [
            variant("off", 10.0, 70.0),
            variant("SDK, all", 12.0, 170.0),
            variant("Plimsoll, all", 15.0, 71.0),
        ];
        let results = json!([{ "part": "Beside the SDK, in front of express", "variants": variants }]);
        let all = &context(&results)[0];
        assert_eq!(
            all.values,
            [("OpenTelemetry SDK".to_owned(), Some(102.0)), ("Plimsoll".to_owned(), Some(6.0))]
        );
    }

    #[test]
    fn a_list_costs_what_it_does_in_most_turns() {
        let variant = |name: &str, us: [f64; 3]| {
            let samples = us.map(|us| json!({ "worker_us": us }));
            json!({ "name": name, "samples": samples })
        };
        let variants = [variant("plain", [9.0, 2.0, 3.0]), variant("plimsoll, heap auto", [1.0, 9.0, 2.0])];
        let results = json!([{ "list": [{ "node": "v24.1.0", "variants": variants }] }]);
        let found = [("node", Some(3.0)), ("node with flags by hand", None), ("Plimsoll", Some(2.0))];
        assert_eq!(memory(&results)[0].values, found.map(|(name, us)| (name.to_owned(), us)));
    }

    #[test]
    fn failures_of_all_kinds_are_counted() {
        let found = json!({ "requests": 2000, "failed": { "reset": 3, "timed out": 1 } });
        let results = json!([{ "scenario": "Reload", "peer": "PM2", "found": found }]);
        assert_eq!(shutdown(&results)[0].values, [("PM2".to_owned(), Some(2.0))]);
    }

    #[test]
    fn what_is_not_there_has_no_value() {
        for read in [context, memory, shutdown, gateway, large, logs] {
            let all = read(&json!([]));
            assert!(all.iter().flat_map(|one| &one.values).all(|(_, value)| value.is_none()));
        }
    }
}
