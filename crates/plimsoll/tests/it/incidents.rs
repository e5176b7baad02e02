//! What blocks a loop is named, and who will not turn again is replaced.

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Launch, Server, alive, signal, until};

fn blocking() -> Server {
    // On a fast machine, too, each of the routes is over this threshold.
    let launch =
        Launch::plimsoll(App::Example("blocking")).env("PLIMSOLL_EVENT_LOOP_STALL_THRESHOLD", "20ms");
    let server = launch.start();
    server.workers(1);
    server
}

/// The first incident, past or lasting, that fits.
fn incident(server: &Server, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let status = server.status();
        let recent = status["incidents"]["recent"].as_array().unwrap();
        recent.iter().find(|incident| fits(incident)).cloned()
    })
}

/// An incident of a request that is sent again until one fits: on a busy machine a look may come when the call is over, and a
/// collection of garbage in the middle of a call may last longer than it.
fn asked_until(server: &Server, what: &str, fits: impl Fn(&Value) -> bool, mut ask: impl FnMut()) -> Value {
    until(what, || {
        ask();
        let status = server.status();
        let recent = status["incidents"]["recent"].as_array().unwrap();
        recent.iter().find(|incident| fits(incident)).cloned()
    })
}

fn of_route<'a>(route: &'a str, function: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |incident| {
        incident["route"] == route && incident["function"] == function && incident["end"] == "turned"
    }
}

#[test]
fn what_blocks_is_named_with_route_function_file_and_call() {
    let server = blocking();
    let table = [
        ("GET /search", "isWord", "a regular expression (test)"),
        ("GET /files", "scanFiles", "readFileSync"),
    ];
    for (route, function, call) in table {
        let of_route = of_route(route, function);
        let fits = |incident: &Value| of_route(incident) && incident["call"] == call;
        let incident = asked_until(&server, route, fits, || {
            server.get(route.trim_start_matches("GET "));
        });
        assert_eq!(incident["kind"], "native_call", "{incident}");
        assert!(incident["file"].as_str().unwrap().ends_with("server.js"), "{incident}");
        assert!(incident["line"].as_u64().unwrap() > 0 && incident["hint"].is_string(), "{incident}");
        server.wait_for_stderr(&format!("{route} blocked worker 0 for "));
    }
    asked_until(&server, "a sort that blocks", of_route("GET /sorted", "sortRows"), || {
        server.get("/sorted");
    });
    // After an `await`, with no other request at the worker.
    let mut client = server.connect();
    let of_login = of_route("POST /login", "hashPassword");
    let is_hash = |incident: &Value| of_login(incident) && incident["call"] == "pbkdf2Sync";
    asked_until(&server, "a hash that blocks", is_hash, || {
        client.send("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecret");
        assert_eq!(client.response("POST").status, 200);
    });
}

#[test]
fn a_large_body_is_told_with_the_parse_that_blocked() {
    let server = blocking();
    let rows: Vec<String> = (0..400_000).map(|row| format!("{{\"id\":{row},\"name\":\"row\"}}")).collect();
    let body = format!("[{}]", rows.join(","));
    let mut client = server.connect();
    let head = format!(
        "POST /reports HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = head + &body;
    let is_parse = |incident: &Value| {
        incident["route"] == "POST /reports"
            && incident["call"] == "JSON.parse"
            && incident["end"] == "turned"
    };
    let incident = asked_until(&server, "a parse is told as such", is_parse, || {
        client.send(&request);
        assert_eq!(client.response("POST").text(), "400000 rows\n");
    });
    assert_eq!(incident["kind"], "native_call", "{incident}");
    assert_eq!(incident["body"]["bytes"], body.len(), "{incident}");
    assert_eq!(incident["body"]["content_type"], "json", "{incident}");
}

#[test]
fn the_verb_groups_incidents_and_names_what_should_be_a_stream() {
    let server = blocking();
    assert!(server.plimsoll(&["incidents"]).status.success());
    server.get("/export");
    until("a large body is told", || {
        let status = server.status();
        let large = status["incidents"]["large_bodies"].as_array().unwrap();
        large
            .iter()
            .any(|one| one["route"] == "GET /export" && one["bytes_max"].as_u64() > Some(1 << 20))
            .then_some(())
    });
    for _ in 0..3 {
        server.get("/search");
    }
    until("three are one group", || {
        let finished = server.plimsoll(&["incidents", "--json"]);
        let incidents: Value = serde_json::from_slice(&finished.stdout).unwrap();
        let groups = incidents["groups"].as_array().unwrap();
        groups.iter().any(|group| group["route"] == "GET /search" && group["count"] == 3).then_some(())
    });
    let text = String::from_utf8(server.plimsoll(&["incidents"]).stdout).unwrap();
    for part in [
        "GET /search\n",
        "isWord (server.js)",
        "hint",
        "large bodies written in one go",
        "GET /export: up to",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let told = server.stderr().matches("GET /search blocked").count();
    assert_eq!(told, 1, "what repeats is told later, in one line:\n{}", server.stderr());
    assert!(
        server.admin("/metrics").text().contains("plimsoll_event_loop_stalls_total{kind=\"native_call\"} ")
    );
}

#[test]
fn an_incident_is_seen_while_it_lasts_and_kept_when_its_worker_is_replaced() {
    const FOREVER: &str = r"
    require('node:http').createServer((request, response) => {
      if (request.url === '/forever') spin();
      response.end('done');
    }).listen(process.env.PORT || 3000);
    function spin () { for (;;); }
    ";
    let launch = Launch::plimsoll(App::source(FOREVER)).env("PLIMSOLL_EVENT_LOOP_DEAD_AFTER", "2s");
    let server = launch.start();
    let first = server.workers(1)[0];
    let mut client = server.connect();
    client.send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
    let spins = |incident: &Value| incident["function"] == "spin" && incident["route"] == "GET /forever";
    incident(&server, "it is seen while it lasts", |incident| spins(incident) && incident["end"] == "lasts");
    assert_eq!(server.admin("/livez").status, 200);
    server.wait_for_stderr("the worker is replaced: its event loop has not turned for");
    assert_eq!(client.response("GET").status, 502);
    until("another serves", || (server.workers(1)[0] != first).then_some(()));
    assert_eq!(server.get("/").text(), "done");
    incident(&server, "it is kept", |incident| spins(incident) && incident["end"] == "died");
}

#[test]
fn a_stopped_process_is_replaced_and_one_that_only_rests_is_not() {
    let launch = Launch::plimsoll(App::Example("hello")).workers(2);
    let server = launch.env("PLIMSOLL_EVENT_LOOP_DEAD_AFTER", "2s").start();
    let workers = server.workers(2);
    let stopped = workers[0];
    signal(stopped, Signal::STOP);
    // Nobody looks at workers that have nothing to do. The stopped one is sent some of these, and another serves them.
    for _ in 0..8 {
        assert_eq!(server.get("/").status, 200);
    }
    server.wait_for_stderr("the worker is replaced: its process has been stopped for");
    until("it is gone", || (!alive(stopped)).then_some(()));
    let after = until("another stands in its place", || {
        let now = server.workers(2);
        (!now.contains(&stopped)).then_some(now)
    });
    assert!(after.contains(&workers[1]), "{after:?}");
    incident(&server, "it is told", |incident| incident["kind"] == "stopped" && incident["end"] == "died");
}

#[test]
fn routes_are_counted_by_what_the_framework_calls_them() {
    for framework in ["express", "koa", "hapi"] {
        routes_of(framework);
    }
}

fn routes_of(framework: &'static str) {
    let launch = Launch::plimsoll(App::Example(framework)).env("PLIMSOLL_LOG_LEVEL", "debug");
    let server = launch.start();
    for target in ["/users/1", "/users/2", "/users/1?x=1", "/nowhere/at/all"] {
        server.get(target);
    }
    server.wait_for_stderr("the app's framework has told a route");
    server.get("/users/9");
    let count = |server: &Server, route: &str| {
        let status = server.status();
        let routes = status["routes"].as_array().unwrap();
        let found = routes.iter().find(|row| row["route"] == route);
        found.map_or(0, |row| row["requests"].as_u64().unwrap())
    };
    until("four requests of one route", || (count(&server, "GET /users/:id") == 4).then_some(()));
    assert_eq!(count(&server, "other"), 1, "{framework}");
    let metrics = server.admin("/metrics").text();
    assert!(metrics.contains("http_route=\"/users/:id\""), "{metrics}");
}

/// `/work` uses 20 ms of a CPU, which is not enough for a stall. From the first request on twelve others want the same CPU, for
/// as long as the worker lives.
const CROWDED: &str = r"
let crowd;
require('node:http').createServer((request, response) => {
  const busy = 'while kill -0 $PPID 2>/dev/null; do :; done';
  crowd ??= Array.from({ length: 12 }, () => require('node:child_process').spawn('sh', ['-c', busy]));
  work();
  response.end('done');
}).listen(process.env.PORT || 3000);
function work () {
  const before = process.cpuUsage();
  const used = () => { const { user, system } = process.cpuUsage(before); return user + system; };
  while (used() < 20000);
}
";

#[test]
fn a_loop_that_waits_for_a_cpu_is_told_and_nobody_is_blamed() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let on_one = ["taskset", "-c", &cpu.to_string(), "node", "app.js"];
    let server = Launch::plimsoll(App::command(&on_one, &[("app.js", CROWDED)])).start();
    server.workers(1);
    let is_starved = |incident: &Value| incident["kind"] == "cpu_starvation";
    let incident = asked_until(&server, "a loop waits for a CPU", is_starved, || {
        assert_eq!(server.get("/work").text(), "done");
    });
    assert_eq!(incident["function"], Value::Null, "{incident}");
    let [delayed, whole] = ["delayed_ms", "duration_ms"].map(|name| incident[name].as_u64().unwrap());
    assert!(delayed <= whole && delayed * 4 >= whole * 3, "{incident}");
    server.wait_for_stderr("of it waiting for a CPU");
    let status = server.status();
    let groups = status["incidents"]["groups"].as_array().unwrap();
    let starved = groups.iter().find(|group| is_starved(group)).unwrap();
    assert_eq!((&starved["route"], &starved["place"]), (&Value::Null, &"CPU starvation".into()), "{starved}");
    // It is no cost of the route either.
    assert_eq!(status["heavy_routes"], Value::Array(Vec::new()), "{status}");
}
