//! What the doctor finds of the shop with its faults switched on one by one, and that everyone else says the same figures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{App, Database, Launch, Server, pause, until};

const STOCK: &str = include_str!("../../../../examples/shop/stock.js");

/// What the shop is asked for, by as many clients.
const ASKED: [&str; 4] = ["/products/1", "/orders/1?ms=20", "/orders/2?ms=20", "/orders"];

/// Each client takes a breath between two requests: the shop is busy, and not overrun.
const BREATH: Duration = Duration::from_millis(15);

struct Shop {
    server: Server,
    _stock: Server,
}

impl Shop {
    fn open(database: &Database, fault: Option<&str>) -> Self {
        let stock = Launch::plain(App::source(STOCK)).env("STOCK_MS", "5").start();
        let launch = Launch::plimsoll(App::Example("shop")).workers(2);
        let launch = launch.env("PLIMSOLL_SHUTDOWN_WORKER_GRACE", "200ms");
        let launch = launch.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port()));
        let launch = fault.into_iter().fold(launch, |launch, fault| launch.env("SHOP_FAULT", fault));
        let server = database.used_by(launch).start();
        server.workers(2);
        Self { server, _stock: stock }
    }

    /// Asks for everything again and again while `act` runs.
    fn asked_meanwhile<T>(&self, act: impl FnOnce() -> T) -> T {
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            for target in ASKED {
                let ended = &ended;
                scope.spawn(move || {
                    let mut client = self.server.connect();
                    while !ended.load(Ordering::Relaxed) {
                        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
                        assert_eq!(client.response("GET").status, 200, "{target}");
                        pause(BREATH);
                    }
                });
            }
            let _end = End(&ended);
            act()
        })
    }

    fn findings(&self) -> Value {
        self.server.findings()
    }

    /// Codes, what hurts most first. That the Node that runs the tests is old is no fault of the shop.
    fn codes(&self) -> Vec<String> {
        codes(&self.findings())
    }
}

fn codes(findings: &Value) -> Vec<String> {
    let all = findings["findings"].as_array().unwrap().iter();
    let codes = all.map(|finding| finding["code"].as_str().unwrap().to_owned());
    codes.filter(|code| code != "node_old").collect()
}

/// Also when something fails meanwhile.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The shop with the fault, until it is the first thing that is found.
fn is_found_first(fault: &str, code: &str, also: impl FnOnce(&Shop)) {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, Some(fault));
    shop.asked_meanwhile(|| {
        also(&shop);
        until(&format!("{code} is found first"), || {
            codes(&shop.findings()).first().is_some_and(|first| first == code).then_some(())
        });
    });
    // The figures in a finding change for a while after the last request.
    until("the doctor tells the finding", || {
        let first = shop.findings()["findings"][0].clone();
        let text = shop.server.plimsoll(&["doctor"]);
        let told = String::from_utf8(text.stdout).unwrap();
        assert_eq!(text.status.code(), Some(1), "{told}");
        let is_told = |part: &str| told.contains(first[part].as_str().unwrap());
        (first["code"] == code && is_told("what") && is_told("fix")).then_some(())
    });
}

#[test]
fn a_function_that_blocks_is_found_first() {
    is_found_first("event_loop", "stall", |_| {});
}

#[test]
fn a_fan_out_is_found_first() {
    is_found_first("downstream", "fan_out", |_| {});
}

#[test]
fn a_pool_that_is_too_small_is_found_first() {
    is_found_first("pools", "pool_too_small", |_| {});
}

#[test]
fn a_hook_on_every_promise_is_found_first() {
    is_found_first("context", "async_tax", |_| {});
}

#[test]
fn churn_is_found_first() {
    is_found_first("memory", "gc_pressure", |_| {});
}

#[test]
fn an_app_that_does_not_end_is_found_first() {
    is_found_first("shutdown", "sigterm_ignored", |shop| {
        let reloaded = shop.server.plimsoll(&["reload"]);
        assert!(reloaded.status.success(), "{reloaded:?}");
    });
}

#[test]
fn a_log_that_blocks_is_found_first() {
    is_found_first("logs", "log_blocks", |_| {});
}

#[test]
fn of_a_shop_without_a_fault_nothing_is_found() {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, None);
    assert!(shop.findings()["too_little"].is_string(), "it has just started");
    let young = shop.server.plimsoll(&["doctor"]);
    assert_eq!(young.status.code(), Some(1));
    let text = String::from_utf8(young.stdout).unwrap();
    assert!(text.contains("too little"), "{text}");
    let findings = shop.asked_meanwhile(|| {
        until("there is enough to judge", || {
            let findings = shop.findings();
            findings["too_little"].is_null().then_some(findings)
        })
    });
    assert_eq!(codes(&findings), Vec::<String>::new(), "{findings:#}");
}

/// The sum of a metric's samples that have all of these labels.
fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let of_labels = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
    of_labels.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// The shop with the fault, asked until that is found; then, at rest: the finding, `/status` and `/metrics` until they agree.
fn agree(fault: &str, code: &str, is_same: impl Fn(&Value, &Value, &str) -> bool) {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, Some(fault));
    shop.asked_meanwhile(|| {
        until(&format!("{code} is found"), || shop.codes().contains(&code.to_owned()).then_some(()));
    });
    until("doctor, status and metrics agree", || {
        let (findings, status) = (shop.findings(), shop.server.status());
        let metrics = shop.server.admin("/metrics").text();
        let found = findings["findings"].as_array()?.iter().find(|one| one["code"] == code)?.clone();
        is_same(&found["figures"], &status, &metrics).then_some(())
    });
}

/// Each of the figures is that of the status.
fn are_those_of(figures: &Value, of_status: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| figures[name].as_f64() == of_status[name].as_f64())
}

#[test]
fn a_stall_has_the_same_figures_everywhere() {
    agree("event_loop", "stall", |figures, status, metrics| {
        let groups = status["incidents"]["groups"].as_array().unwrap();
        let names = ["count", "total_ms", "worst_ms", "waited", "rescued", "cost_ms"];
        let Some(group) = groups.iter().find(|group| are_those_of(figures, group, &names)) else {
            return false;
        };
        let of_kind = groups.iter().filter(|one| one["kind"] == group["kind"]);
        let count: f64 = of_kind.map(|one| one["count"].as_f64().unwrap()).sum();
        let kind = format!("kind={}", group["kind"]);
        Some(sum(metrics, "plimsoll_event_loop_stalls_total", &[&kind])) == Some(count)
    });
}

#[test]
fn a_queue_for_connections_has_the_same_figures_everywhere() {
    agree("pools", "pool_too_small", |figures, status, metrics| {
        let pool = &status["pools"][0];
        let label = format!("db_client_connection_pool_name={}", pool["name"]);
        let of = |name: &str| Some(sum(metrics, name, &[&label]));
        are_those_of(figures, pool, &["asked", "waited_us", "max", "waiting"])
            && of("db_client_connection_max") == pool["max"].as_f64()
            && of("db_client_connection_wait_time_seconds_count") == pool["got"].as_f64()
    });
}

#[test]
fn a_fan_out_has_the_same_figures_everywhere() {
    agree("downstream", "fan_out", |figures, status, metrics| {
        let one = &status["downstreams"][0];
        let label = format!("origin={}", one["origin"]);
        are_those_of(figures, one, &["calls", "fan_out_max", "would_queue", "would_wait_ms"])
            && Some(sum(metrics, "plimsoll_downstream_fan_out_max", &[&label])) == one["fan_out_max"].as_f64()
    });
}

#[test]
fn a_log_flood_has_the_same_figures_everywhere() {
    agree("logs", "log_blocks", |figures, status, metrics| {
        let lines = status["workers"].as_array().unwrap().iter().map(|one| one["logs"]["lines"].as_f64());
        let left_out: f64 =
            ["sampled", "capped"].map(|kind| status["logs"][kind].as_f64().unwrap()).iter().sum();
        let verdicts = ["sampled", "capped"].map(|verdict| format!("outcome=\"{verdict}\""));
        let metric: f64 =
            verdicts.iter().map(|verdict| sum(metrics, "plimsoll_logs_lines_total", &[verdict])).sum();
        (figures["lines"].as_f64(), figures["left_out"].as_f64(), Some(metric))
            == (lines.sum::<Option<f64>>(), Some(left_out), Some(left_out))
    });
}

#[test]
fn collections_have_the_same_figures_everywhere() {
    agree("memory", "gc_pressure", |figures, status, metrics| {
        let workers = status["workers"].as_array().unwrap().iter();
        let kinds = workers.filter_map(|worker| worker["memory"]["gc"].as_array()).flatten();
        let count: f64 = kinds.map(|kind| kind["count"].as_f64().unwrap()).sum();
        (figures["gc_count"].as_f64(), sum(metrics, "v8js_gc_duration_seconds_count", &[]))
            == (Some(count), count)
    });
}
