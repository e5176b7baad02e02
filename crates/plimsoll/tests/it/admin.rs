//! What can be asked of a running instance, over the admin address and by command.

use serde_json::Value;

use crate::harness::{App, Client, Launch, Server, until};

const LIFE: &str = include_str!("apps/life.js");

fn server() -> Server {
    Launch::plimsoll(App::source(LIFE)).start()
}

#[test]
fn livez_answers_while_the_only_worker_is_blocked() {
    let server = server();
    server.get("/block?until=gate");
    server.wait_for_stdout("blocked");
    assert_eq!(server.admin("/livez").status, 200);
    assert_eq!(server.admin("/metrics").status, 200);
    assert_eq!(server.status()["workers"][0]["state"], "ready");
    std::fs::write(server.directory().join("gate"), "").unwrap();
    server.wait_for_stdout("free");
}

#[test]
fn readyz_is_503_before_the_first_worker_listens() {
    let late = "console.log('alive'); setInterval(() => {}, 1000);";
    let server = Launch::plimsoll(App::source(late)).spawn();
    server.wait_for_stdout("alive");
    assert_eq!(server.admin("/readyz").status, 503);
    assert_eq!(server.admin("/livez").status, 200);
}

#[test]
fn status_has_everything_that_scripts_rely_on() {
    let server = Launch::plimsoll(App::source(LIFE)).workers(2).start();
    server.workers(2);
    for _ in 0..10 {
        server.get("/");
    }
    let status = server.status();
    assert_eq!(status["state"], "ready", "{status}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["name"].is_string(), "{status}");
    let [listener] = status["listeners"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!(listener["address"], format!("[::]:{}", server.port()), "{status}");
    let numbers = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value[*name].is_u64(), "{name}: {status}");
        }
    };
    numbers(listener, &["connections", "requests"]);
    numbers(&status["requests"], &["total", "failed", "retried", "rescued", "queued"]);
    for (index, worker) in status["workers"].as_array().unwrap().iter().enumerate() {
        numbers(worker, &["id", "pid", "in_flight", "requests", "restarts", "uptime_s", "rss_bytes"]);
        assert_eq!(
            (worker["id"].as_u64(), &worker["lane"]),
            (Some(index as u64), &"main".into()),
            "{status}"
        );
    }
    let served: u64 =
        status["workers"].as_array().unwrap().iter().map(|worker| worker["requests"].as_u64().unwrap()).sum();
    assert_eq!((served, status["requests"]["total"].as_u64().unwrap()), (10, 10), "{status}");
}

#[test]
fn metrics_count_requests_by_method_and_status() {
    let server = server();
    for _ in 0..7 {
        server.get("/");
    }
    // A request is counted after its answer has left.
    let text = until("the requests are counted", || {
        let text = server.admin("/metrics").text();
        let mut lines = text.lines();
        let is_count = |line: &str| {
            line.starts_with("http_server_request_duration_seconds_count") && line.contains("GET")
        };
        let count = lines.find(|line| is_count(line)).unwrap_or_default();
        (count.contains("200") && count.ends_with(" 7")).then_some(text)
    });
    for name in ["http_server_active_requests", "plimsoll_"] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn nothing_over_tcp_changes_anything() {
    let server = server();
    let mut client = Client::connect(("127.0.0.1", server.admin_port()));
    client.send("POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response("POST").status, 405);
    assert_eq!(server.admin("/nowhere").status, 404);
    assert_eq!(server.admin("/stop").status, 404);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn rubbish_at_the_admin_address_disturbs_nothing() {
    let server = server();
    let mut client = Client::connect(("127.0.0.1", server.admin_port()));
    client.send([0u8, 1, 2, 255, 13, 10, 13, 10]);
    client.rest();
    assert_eq!(server.admin("/livez").status, 200);
}

#[test]
fn ps_lists_the_workers_as_table_and_as_json() {
    let server = Launch::plimsoll(App::source(LIFE)).workers(2).start();
    let pids = server.workers(2);
    let json = server.plimsoll(&["ps", "--json"]);
    assert!(json.status.success(), "{json:?}");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let table = server.plimsoll(&["ps"]);
    assert!(table.status.success(), "{table:?}");
    let table = String::from_utf8(table.stdout).unwrap();
    for pid in pids {
        assert!(json.to_string().contains(&pid.to_string()), "{json}");
        assert!(table.contains(&pid.to_string()), "{table}");
    }
}

#[test]
fn stop_drains_and_the_instance_exits_0() {
    let mut server = server();
    let mut client = server.connect();
    client.send("GET /slow?ms=500 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("slow started");
    let stop = server.plimsoll(&["stop"]);
    assert!(stop.status.success(), "{stop:?}");
    assert_eq!(client.response("GET").text(), "slow but done");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_verb_without_an_instance_says_so() {
    let mut server = server();
    server.plimsoll(&["stop"]);
    server.exit_code();
    let ps = server.plimsoll(&["ps"]);
    assert!(!ps.status.success(), "{ps:?}");
    assert!(!ps.stderr.is_empty());
}

#[test]
fn version_names_the_program_and_its_version() {
    let version = Launch::verb(&["version"]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.contains("plimsoll") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
}

#[test]
fn of_headers_bodies_queries_and_the_environment_nothing_is_shown() {
    let server = Launch::plimsoll(App::source(LIFE)).env("SHOP_SECRET", "hush-environment").start();
    let mut client = server.connect();
    client.send(
        "POST /block?until=gate&token=hush-query HTTP/1.1\r\nHost: hush-host\r\nAuthorization: hush-header\r\n\
         Content-Length: 9\r\n\r\nhush-body",
    );
    server.wait_for_stdout("blocked");
    let shows = |lasts: bool| {
        until("the incident is told", || {
            let status = server.status();
            let one = status["incidents"]["recent"].get(0)?;
            ((one["end"] == "lasts") == lasts).then_some(())
        });
        for path in ["/status", "/findings", "/metrics", "/metrics?app=each", "/", "/livez", "/readyz"] {
            let text = server.admin(path).text();
            assert!(!text.contains("hush"), "{path}: {text}");
        }
    };
    shows(true);
    std::fs::write(server.directory().join("gate"), "").unwrap();
    server.wait_for_stdout("free");
    shows(false);
}
