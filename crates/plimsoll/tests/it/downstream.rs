//! Calls of the app to one service: never more in flight than the limit, all workers together.

use std::fs;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Client, Launch, Server, signal, until};

const STOCK: &str = include_str!("../../../../examples/downstream/stock.js");
/// `own` first: what its library does not see of its first calls is a breach of the limit.
const CLIENTS: [&str; 10] =
    ["own", "http", "agent", "fetch", "undici", "undici-5", "undici-7", "axios", "got", "node-fetch"];

/// The example behind Plimsoll, and the service that it calls.
struct Shop {
    stock: Server,
    server: Server,
}

impl Shop {
    fn open(workers: u16, limit: &str) -> Self {
        let stock = Launch::plain(App::source(STOCK)).env("STOCK_MS", "5").start();
        let settings = format!("[downstream.\"127.0.0.1:{}\"]\n{limit}", stock.port());
        let launch = Launch::plimsoll(App::Example("downstream")).workers(workers).settings(settings);
        let server = launch.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port())).start();
        server.workers(workers.into());
        Self { stock, server }
    }

    fn figures(&self) -> Value {
        self.stock.get_json("/figures")
    }

    fn figure(&self, name: &str) -> u64 {
        self.figures()[name].as_u64().unwrap()
    }

    /// A request that makes so many calls, and its answer when they have ended.
    fn orders(&self, query: &str) -> Client {
        let mut client = self.server.connect();
        client.send(format!("GET /orders?{query} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client
    }

    /// Those that run on the Node under test.
    fn libraries(&self) -> Vec<&'static str> {
        let runs = |by: &&str| self.orders(&format!("ids=0&by={by}")).response("GET").status == 200;
        CLIENTS.into_iter().filter(runs).collect()
    }

    /// What is told of the service once `fits`.
    fn told(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let name = format!("http://127.0.0.1:{}", self.stock.port());
        until(what, || {
            let status = self.server.status();
            let one = status["downstreams"].as_array()?.iter().find(|one| one["origin"] == *name)?.clone();
            fits(&one).then_some(one)
        })
    }
}

#[test]
fn all_workers_together_stay_within_the_limit_whatever_makes_the_calls() {
    let shop = Shop::open(4, "mode = 'enforce'\nconcurrency = 10\nqueue_timeout = '1m'");
    let mut calls = 0;
    for by in shop.libraries() {
        calls += 200;
        shop.stock.get("/reset");
        let mut clients: Vec<Client> = (0..8).map(|_| shop.orders(&format!("ids=25&by={by}"))).collect();
        for client in &mut clients {
            let answer = client.response("GET").json();
            assert_eq!((&answer["orders"], &answer["failed"]), (&25.into(), &0.into()), "{by}: {answer}");
        }
        // How much of the limit is used meanwhile depends on how busy the machine is; the tests below hold it full.
        let (peak, total) = (shop.figure("peak"), shop.figure("total"));
        assert!(peak <= 10 && total == 200, "{by}: {peak} at once, {total} in all");
    }
    let told = shop.told("all calls are counted", |one| one["calls"] == calls && one["in_flight"] == 0);
    assert!(told["queued"].as_u64() > Some(100) && told["errors"] == 0, "{told}");
    let metrics = shop.server.admin("/metrics").text();
    let port = shop.stock.port();
    let count = format!(
        "http_client_request_duration_seconds_count{{server_address=\"127.0.0.1\",server_port=\"{port}\",url_scheme=\"http\"}} {calls}"
    );
    assert!(metrics.contains(&count), "{metrics}");
}

#[test]
fn one_worker_may_use_all_while_the_others_want_nothing_and_shares_when_they_do() {
    let shop = Shop::open(3, "mode = 'enforce'\nconcurrency = 9\nqueue_timeout = '1m'");
    let mut first = shop.orders("ids=20&by=http&path=/hold");
    until("one worker uses all", || (shop.figure("now") == 9).then_some(()));
    let mut second = shop.orders("ids=20&by=fetch&path=/hold");
    let end = |client: &mut Client| {
        let answer = client.response("GET").json();
        assert_eq!(answer["failed"], 0, "{answer}");
    };
    // Forty calls, nine at a time at most: whoever ends one makes room for another.
    until("all calls were made", || {
        shop.stock.get("/release");
        (shop.figure("total") == 40 && shop.figure("now") == 0).then_some(())
    });
    end(&mut first);
    end(&mut second);
    assert_eq!(shop.figure("peak"), 9);
}

#[test]
fn what_a_killed_worker_had_comes_back_and_never_more() {
    let shop = Shop::open(2, "mode = 'enforce'\nconcurrency = 10\nqueue_timeout = '1m'");
    let _doomed = shop.orders("ids=10&by=http&path=/hold");
    until("one worker has all", || (shop.figure("now") == 10).then_some(()));
    let mut heir = shop.orders("ids=10&by=fetch&path=/hold");
    shop.told("the other one waits", |one| one["waiting"].as_u64() >= Some(1));
    // The one whose ten calls are open connections.
    let connections = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let holds = shop.server.workers(2).into_iter().max_by_key(connections).unwrap();
    signal(holds, Signal::KILL);
    until("the other one has all", || (shop.figure("total") == 20).then_some(()));
    until("nothing is left of the dead one's", || (shop.figure("now") == 10).then_some(()));
    assert_eq!(shop.figure("peak"), 10);
    shop.stock.get("/release");
    let answer = heir.response("GET").json();
    assert_eq!(answer["failed"], 0, "{answer}");
}

#[test]
fn a_full_queue_and_a_long_wait_are_told_to_the_app_in_its_own_way() {
    let shop = Shop::open(1, "mode = 'enforce'\nconcurrency = 1\nqueue = 5\nqueue_timeout = '100ms'");
    let mut held = shop.orders("ids=1&by=http&path=/hold");
    until("the slot is taken", || (shop.figure("now") == 1).then_some(()));
    let libraries = shop.libraries();
    for by in &libraries {
        let answer = shop.orders(&format!("ids=8&by={by}")).response("GET").json();
        assert_eq!(
            (&answer["failed"], &answer["code"]),
            (&8.into(), &"EPLIMSOLL_QUEUE".into()),
            "{by}: {answer}"
        );
    }
    shop.stock.get("/release");
    assert_eq!(held.response("GET").status, 200);
    let told = shop.told("what was refused is counted", |one| one["refused"] == 8 * libraries.len());
    assert_eq!(told["calls"], 1, "{told}");
}

#[test]
fn one_request_may_not_take_all_for_itself() {
    let shop = Shop::open(1, "mode = 'enforce'\nper_request = 3\nqueue_timeout = '1m'");
    let mut greedy = shop.orders("ids=20&by=http&path=/hold");
    until("it has what one may have", || (shop.figure("now") == 3).then_some(()));
    let mut modest = shop.orders("ids=2&by=agent");
    assert_eq!(modest.response("GET").status, 200);
    until("all calls were made", || {
        shop.stock.get("/release");
        (shop.figure("total") == 22 && shop.figure("now") == 0).then_some(())
    });
    assert_eq!(greedy.response("GET").status, 200);
    assert!(shop.figure("peak") <= 5, "{}", shop.figures());
}

#[test]
fn what_is_only_observed_is_not_held_up_and_its_fan_out_is_told() {
    let shop = Shop::open(1, "concurrency = 10");
    // Until the first call nothing is known of the service.
    assert_eq!(shop.orders("ids=1&by=http").response("GET").status, 200);
    shop.told("the service is known", |one| one["calls"] == 1);
    let held = thread::scope(|scope| {
        let held = scope.spawn(|| shop.orders("ids=50&by=http&path=/hold").response("GET"));
        until("all calls are in flight", || (shop.figure("now") == 50).then_some(()));
        shop.stock.get("/release");
        held.join().unwrap()
    });
    assert_eq!(held.status, 200);
    let told = shop.told("the calls are counted", |one| one["calls"] == 51 && one["in_flight"] == 0);
    assert_eq!(
        (&told["enforced"], &told["fan_out_max"], &told["queued"]),
        (&false.into(), &50.into(), &0.into())
    );
    let finding = told["finding"].as_str().unwrap();
    assert!(
        finding.starts_with("GET /orders makes up to 50 parallel calls to http://127.0.0.1:"),
        "{finding}"
    );
    assert_eq!(
        (&told["callers"][0]["route"], &told["callers"][0]["most"]),
        (&"GET /orders".into(), &50.into())
    );
    assert!(finding.contains("a limit of 10 would have queued "), "{finding}");
}

#[test]
fn an_adaptive_limit_shrinks_to_what_the_service_stands() {
    let limit = "mode = 'enforce'\nconcurrency = 'adaptive'\nqueue = 10000\nqueue_timeout = '5m'";
    let shop = Shop::open(2, limit);
    // A while with little to do: from it comes the baseline.
    assert_eq!(shop.orders("ids=1&each=200&by=agent&path=/four").response("GET").status, 200);
    let before = shop.told("the limit is told", |one| one["adaptive"] == true);
    assert!(before["concurrency"].as_u64() >= Some(20), "{before}");
    // The service works on four at a time: twenty at once take five times as long.
    let _busy: Vec<Client> = (0..2).map(|_| shop.orders("ids=40&each=1000&by=agent&path=/four")).collect();
    let after = shop.told("the limit is smaller", |one| one["concurrency"].as_u64() <= Some(10));
    assert!(after["lent"].as_u64() <= Some(20), "{after}");
}

#[test]
fn a_service_that_fails_is_left_alone_by_all_workers_whatever_makes_the_calls() {
    let shop = Shop::open(
        2,
        "mode = 'enforce'\nbreaker = 'enforce'\nbase_ejection_time = '1h'\nmax_ejection_time = '1h'",
    );
    assert_eq!(shop.orders("ids=2&by=http").response("GET").json()["failed"], 0);
    shop.stock.get("/status-503");
    let answer = shop.orders("ids=5&by=http").response("GET").json();
    assert_eq!(answer["failed"], 0, "a 503 is an answer: {answer}");
    let told = shop.told("the breaker is open", |one| one["breaker"]["state"] == "open");
    assert_eq!(told["breaker"]["why"], "5 calls in a row failed", "{told}");
    let libraries = shop.libraries();
    let refused = |answer: &Value| answer["failed"] == 3 && answer["code"] == "EPLIMSOLL_BREAKER";
    for by in &libraries {
        // Both workers, also one that makes its first call.
        for _ in 0..8 {
            let answer = shop.orders(&format!("ids=3&by={by}")).response("GET").json();
            assert!(refused(&answer), "{by}: {answer}");
        }
    }
    assert_eq!(shop.figure("total"), 7);
    let told = shop.told("what was refused is counted", |one| {
        one["broken"].as_u64() == Some(24 * libraries.len() as u64)
    });
    let finding = told["finding"].as_str().unwrap_or_default();
    assert!(finding.is_empty() || finding.contains("the breaker of http://127.0.0.1:"), "{told}");
    let metrics = shop.server.admin("/metrics").text();
    assert!(metrics.contains("plimsoll_downstream_breaker_open{origin="), "{metrics}");
    let told = shop.told("the route is known", |one| one["breaker"]["routes"][0] == "GET /orders");
    let findings = shop.server.findings();
    let found = findings["findings"].as_array().unwrap().iter().find(|one| one["code"] == "breaker_open");
    let found = found.unwrap_or_else(|| panic!("{findings}"));
    let (what, origin) = (found["what"].as_str().unwrap(), told["origin"].as_str().unwrap());
    let start = format!("GET /orders: calls to {origin} are refused, its circuit breaker has been open for ");
    assert!(what.starts_with(&start), "{found}");
    assert_eq!(
        (&found["severity"], found["figures"]["broken"].as_f64()),
        (&"critical".into(), told["broken"].as_f64())
    );
}

#[test]
fn a_service_that_is_well_again_is_found_to_be_by_one_call_that_is_tried() {
    let shop = Shop::open(2, "mode = 'enforce'\nbreaker = 'enforce'\nbase_ejection_time = '50ms'");
    shop.stock.get("/status-503");
    shop.orders("ids=5&by=http").response("GET");
    shop.told("the breaker opens", |one| one["breaker"]["opened"].as_u64() >= Some(1));
    let ask = || shop.orders("ids=1&by=http").response("GET").json();
    // What is tried fails as long as the service does.
    until("a call was tried", || {
        ask();
        let told = shop.told("the service is known", |_| true);
        (told["breaker"]["why"] == "the call that tried it failed").then_some(())
    });
    shop.stock.get("/status-200");
    until("the breaker is closed", || (ask()["failed"] == 0).then_some(()));
    let told = shop.told("it is closed", |one| one["breaker"]["state"] == "closed");
    assert!(told["breaker"]["opened"].as_u64() >= Some(2), "{told}");
    assert_eq!(shop.orders("ids=20&by=http").response("GET").json()["failed"], 0);
}

#[test]
fn what_a_breaker_would_have_done_is_told_where_it_is_only_observed() {
    let shop = Shop::open(
        1,
        "mode = 'enforce'\nconcurrency = 100\nbase_ejection_time = '1h'\nmax_ejection_time = '1h'",
    );
    shop.stock.get("/status-500");
    let answer = shop.orders("ids=30&by=http").response("GET").json();
    assert_eq!(answer["failed"], 0, "{answer}");
    shop.told("it would be open", |one| one["breaker"]["state"] == "open");
    shop.orders("ids=20&by=http").response("GET");
    let told = shop.told("calls are counted", |one| {
        one["breaker"]["would_fail"].as_u64() >= Some(20) && one["calls"] == 50
    });
    assert_eq!((&told["breaker"]["enforced"], &told["broken"]), (&false.into(), &0.into()), "{told}");
    let finding = told["finding"].as_str().unwrap_or_default();
    assert!(finding.contains("would have opened once (last: "), "{told}");
    let hint = told["hint"].as_str().unwrap_or_default();
    assert!(hint.ends_with("breaker = \"enforce\""), "{told}");
}
