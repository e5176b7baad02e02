//! Heaps that fit the memory that there is; what is seen of them, and who is renewed because of it.

use serde_json::Value;

use crate::harness::{App, Launch, Server, under_load, until};

/// Tells the options of V8 that reached it.
const OPTIONS: &str = "
    require('node:http').createServer((request, response) => {
      const { heap_size_limit: bytes } = require('node:v8').getHeapStatistics();
      response.end(`${process.env.NODE_OPTIONS.split(' --require')[0]}|${bytes / 1048576}`);
    }).listen(process.env.PORT);
";

fn launch() -> Launch {
    Launch::plimsoll(App::source(OPTIONS)).env("PLIMSOLL_MEMORY_LIMIT", "512MB")
}

#[test]
fn heaps_are_made_to_fit_and_the_arithmetic_is_told() {
    let server = launch().workers(4).start();
    let answer = server.get("/").text();
    let (options, limit) = answer.split_once('|').unwrap();
    assert_eq!(options, "--max-old-space-size=42 --max-semi-space-size=4");
    let limit: f64 = limit.parse().unwrap();
    assert!((42.0..=60.0).contains(&limit), "V8 took it: {answer}");
    server.wait_for_stderr("512 MB of memory.limit - 64 MB for Plimsoll");
}

/// In MB: the limits of the heap of the process, of a thread that the app limits to 38, and of a child process.
const THREADS: &str = "
    const { Worker } = require('node:worker_threads');
    const limit = `Math.round(require('node:v8').getHeapStatistics().heap_size_limit / 2 ** 20)`;
    const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 6 };
    const child = require('node:child_process').execFileSync(process.execPath, ['-p', limit]).toString().trim();
    require('node:http').createServer((request, response) => {
      new Worker(`require('node:worker_threads').parentPort.postMessage(${limit})`, { eval: true, resourceLimits })
        .on('message', (limited) => response.end(`${eval(limit)} ${limited} ${child}`));
    }).listen(process.env.PORT);
";

#[test]
fn threads_of_the_app_are_as_large_as_the_app_says() {
    let threads = || Launch::plimsoll(App::source(THREADS)).env("PLIMSOLL_MEMORY_LIMIT", "512MB").workers(1);
    // 148 MB of old space, with semi-spaces of 8 MB.
    assert_eq!(threads().start().get("/").text(), "172 38 172");
    // What somebody else has said wins over it, as always in Node.
    let own = threads().env("NODE_OPTIONS", "--max-old-space-size=148 --max-semi-space-size=8").start();
    assert_eq!(own.get("/").text(), "172 172 172");
}

#[test]
fn who_has_decided_about_heaps_is_left_alone() {
    let own = launch().env("NODE_OPTIONS", "--max-old-space-size=77").start();
    assert!(own.get("/").text().starts_with("--max-old-space-size=77|"), "{}", own.get("/").text());
    let off = launch().env("PLIMSOLL_MEMORY_HEAP", "off").env("NODE_OPTIONS", "--no-warnings").start();
    assert!(off.get("/").text().starts_with("--no-warnings|"), "{}", off.get("/").text());
    for server in [own, off] {
        assert!(!server.stderr().contains("heap of each worker"), "{}", server.stderr());
    }
}

/// `/leak` keeps what it makes until most of the heap is full, and has it collected: whoever looks finds it so. `/buffers`
/// keeps memory outside the heap; `/die` leaks for ever.
const LEAK: &str = "
    const v8 = require('node:v8');
    v8.setFlagsFromString('--expose-gc');
    const collect = require('node:vm').runInNewContext('gc');
    const most = 32 * 1024 * 1024;
    const kept = [], buffers = [];
    const make = () => Array.from({ length: 500 }, (_, id) => ({ id, text: `x${id}` }));
    require('node:http').createServer((request, response) => {
      if (request.url === '/leak') {
        while (v8.getHeapStatistics().used_heap_size < most) kept.push(make());
        collect();
      }
      if (request.url === '/buffers') buffers.push(Buffer.alloc(20 << 20, 1));
      if (request.url === '/die') for (;;) kept.push(make());
      if (request.url === '/') for (let times = 0; times < 5; times++) make();
      response.end('ok');
    }).listen(process.env.PORT);
";

fn leaking() -> Launch {
    Launch::plimsoll(App::source(LEAK))
        .env("PLIMSOLL_MEMORY_HEAP", "42MB")
        .env("PLIMSOLL_MEMORY_LIMIT", "1GB")
}

fn memory(server: &Server) -> Value {
    server.status()["workers"][0]["memory"].clone()
}

#[test]
fn heap_buffers_and_collections_of_a_worker_are_seen() {
    let server = leaking().start();
    let gc = |memory: &Value, kind: usize| memory["gc"][kind]["count"].as_u64().unwrap_or(0);
    let seen = until("collections are told", || {
        (0..50).for_each(|_| assert_eq!(server.get("/").status, 200));
        Some(memory(&server))
            .filter(|memory| gc(memory, 0) > 0 && memory["allocated_bytes"].as_u64() > Some(0))
    });
    let mb = |memory: &Value, name: &str| memory[name].as_u64().unwrap() >> 20;
    assert!((42..100).contains(&mb(&seen, "heap_limit_bytes")), "{seen}");
    assert!(mb(&seen, "heap_used_bytes") >= 2 && mb(&seen, "array_buffers_bytes") < 20, "{seen}");
    server.get("/buffers");
    until("buffers are told", || {
        server.get("/");
        let memory = memory(&server);
        (mb(&memory, "array_buffers_bytes") >= 20 && mb(&memory, "external_bytes") >= 20).then_some(())
    });
    let metrics = server.admin("/metrics").text();
    for name in ["nodejs_heap_size_used_bytes{worker=\"0\"} ", "v8js_gc_duration_seconds_bucket{"] {
        assert!(metrics.contains(name), "no {name} in:\n{metrics}");
    }
    let table = String::from_utf8(server.plimsoll(&["ps"]).stdout).unwrap();
    assert!(table.contains("HEAP") && table.contains(" of ") && table.contains('%'), "{table}");
}

/// Who is full sooner than this has the heap that it needs.
fn wait_until_no_longer_fresh(server: &Server) {
    until("it is no longer fresh", || {
        (server.status()["workers"][0]["uptime_s"].as_u64() > Some(12)).then_some(())
    });
}

#[test]
fn a_worker_that_is_nearly_full_is_renewed_and_no_request_is_lost() {
    let server = leaking().env("PLIMSOLL_MEMORY_RECYCLE_AT", "0.6").start();
    let before = server.workers(1);
    wait_until_no_longer_fresh(&server);
    under_load(&server, || {
        assert_eq!(server.get("/leak").status, 200);
        until("it is renewed", || (server.status()["memory"]["recycled"]["heap"] == 1).then_some(()));
        until("another one serves", || (server.workers(1) != before).then_some(()));
    });
    assert_eq!(server.status()["requests"]["failed"], 0);
    assert!(
        server.stderr().contains("the worker is renewed: a major collection has left "),
        "{}",
        server.stderr()
    );
}

#[test]
fn where_who_was_left_alone_died_of_it_the_next_one_is_renewed() {
    let server = leaking().env("PLIMSOLL_MEMORY_RECYCLE_AT", "0.6").start();
    let recycled = |times: u64| server.status()["memory"]["recycled"]["heap"] == times;
    let fill = || {
        let before = server.workers(1);
        wait_until_no_longer_fresh(&server);
        assert_eq!(server.get("/leak").status, 200);
        before
    };
    let before = fill();
    until("the first one is renewed", || recycled(1).then_some(()));
    until("another one serves", || (server.workers(1) != before).then_some(()));
    let before = fill();
    server.wait_for_stderr("the worker is nearly full soon after its start");
    server.get("/die");
    server.wait_for_stderr("; the V8 heap was full");
    until("another one serves", || (server.workers(1) != before).then_some(()));
    assert!(recycled(1), "it was left alone");
    fill();
    until("the next one is renewed", || recycled(2).then_some(()));
}

#[test]
fn a_leak_ends_in_a_renewal_and_not_in_a_death() {
    let leak = include_str!("../../../../bench/apps/leak.js");
    let launch = Launch::plimsoll(App::source(leak)).env("LEAK_BYTES_PER_SECOND", "1000000");
    // 42 MB of old space for each, and semi-spaces of 4 MB.
    let server = launch.env("PLIMSOLL_MEMORY_LIMIT", "512MB").workers(4).start();
    under_load(&server, || {
        until("one is renewed", || {
            let status = server.status();
            let deaths = status["workers"].as_array().unwrap().iter().map(|worker| &worker["last_death"]);
            assert!(deaths.clone().all(Value::is_null), "{:?}", deaths.collect::<Vec<_>>());
            (status["memory"]["recycled"]["heap"].as_u64() >= Some(1)).then_some(())
        });
    });
    assert_eq!(server.status()["requests"]["failed"], 0);
}

#[test]
fn a_heap_that_was_made_larger_by_hand_may_be_used() {
    // Of 512 MB one worker has a share of 224 MB, and is renewed from 202 MB on.
    let launch = Launch::plimsoll(App::source(LEAK)).env("PLIMSOLL_MEMORY_LIMIT", "512MB");
    let server = launch.env("NODE_OPTIONS", "--max-old-space-size=300").start();
    let before = server.workers(1);
    wait_until_no_longer_fresh(&server);
    (0..12).for_each(|_| assert_eq!(server.get("/buffers").status, 200));
    let held = || memory(&server)["array_buffers_bytes"].as_u64().unwrap_or(0) >> 20;
    let uptime = || server.status()["workers"][0]["uptime_s"].as_u64().unwrap_or(0);
    under_load(&server, || {
        until("it holds more than its share", || (held() >= 240).then_some(()));
        let seen = uptime();
        until("it was looked at several times since", || (uptime() > seen + 3).then_some(()));
    });
    assert_eq!(server.workers(1), before, "{}", server.stderr());
    assert!(!server.stderr().contains("nearly full"), "{}", server.stderr());
    // Of the 448 MB that there are it may have (300 MB + three semi-spaces + 24 MB) x 8/7.
    (0..10).for_each(|_| assert_eq!(server.get("/buffers").status, 200));
    under_load(&server, || server.wait_for_stderr(" MB of memory that it may have"));
}

#[test]
fn a_worker_is_renewed_after_so_many_requests() {
    let server = leaking().env("PLIMSOLL_WORKERS_MAX_REQUESTS", "40").start();
    let before = server.workers(1);
    under_load(&server, || {
        until("it is renewed", || {
            (server.status()["memory"]["recycled"]["requests"].as_u64() >= Some(1)).then_some(())
        });
        until("another one serves", || (server.workers(1) != before).then_some(()));
    });
    assert_eq!(server.status()["requests"]["failed"], 0);
}

#[test]
fn a_full_heap_is_told_with_how_it_came_to_that() {
    let server = leaking().start();
    let mut client = server.connect();
    client.send("GET /die HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").error_code(), Some("worker_died"));
    server.wait_for_stderr("; the V8 heap was full: find what grows");
    server.wait_for_stderr(" MB (of 42), with ");
}

/// 8 bytes for each number.
const CHURN: &str = "
    let kept;
    const hold = (kilobytes) => { kept = new Array(kilobytes * 128).fill(1.5); };
    const sizes = { '/large': 2048, '/middle': 200, '/small': 1 };
    require('node:http').createServer((request, response) => {
      hold(sizes[request.url] ?? 1);
      response.end('ok');
    }).listen(process.env.PORT);
";

#[test]
fn what_routes_allocate_is_told_within_a_fifth() {
    let server = Launch::plimsoll(App::source(CHURN)).start();
    let routes = ["/large", "/middle", "/small"];
    let rows = until("all are weighed", || {
        for route in routes.into_iter().cycle().take(60) {
            assert_eq!(server.get(route).status, 200);
        }
        let status = server.status();
        let rows = status["memory"]["churn"].as_array().cloned().unwrap_or_default();
        let enough = rows.iter().filter(|row| row["weighed"].as_u64() >= Some(12)).count();
        (enough == routes.len()).then_some(rows)
    });
    let bytes = |route: &str| {
        let row = rows.iter().find(|row| row["route"] == format!("GET {route}"));
        row.unwrap_or_else(|| panic!("no {route} in {rows:?}"))["bytes_per_request"].as_f64().unwrap()
    };
    // What Node makes for any request is in all of them.
    for (route, kilobytes) in [("/large", 2047.0), ("/middle", 199.0)] {
        let found = (bytes(route) - bytes("/small")) / 1024.0;
        assert!((found - kilobytes).abs() <= kilobytes / 5.0, "{route}: {found} of {kilobytes} kB, {rows:?}");
    }
    assert_eq!(rows[0]["route"], "GET /large", "{rows:?}");
    assert!(rows[0]["share_per_mille"].as_u64() > Some(800), "{rows:?}");
}

#[test]
fn a_long_pause_of_the_collector_names_the_requests_in_flight() {
    const PAUSE: &str = "
        require('node:v8').setFlagsFromString('--expose-gc');
        const collect = require('node:vm').runInNewContext('gc');
        const kept = Array.from({ length: 300000 }, (_, id) => ({ id, text: `x${id}` }));
        let waiting;
        require('node:http').createServer((request, response) => {
          if (request.url === '/waits') { waiting = response; return; }
          if (request.url === '/collect') { collect(); setTimeout(() => response.end(`${kept.length}`), 1); return; }
          waiting?.end('now');
          response.end('ok');
        }).listen(process.env.PORT);
    ";
    let server = Launch::plimsoll(App::source(PAUSE)).env("PLIMSOLL_MEMORY_PAUSE_THRESHOLD", "1ms").start();
    let mut waits = server.connect();
    waits.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = until("the pause is told", || {
        assert_eq!(server.get("/collect").status, 200);
        let status = server.status();
        let recent = status["incidents"]["recent"].as_array()?.clone();
        let text = recent
            .iter()
            .find(|one| one["kind"] == "garbage_collection" && one["hit"] != Value::Array(Vec::new()))?;
        Some(text.clone())
    });
    assert!(text["text"].as_str().unwrap().contains("; in flight: GET /"), "{text}");
    assert!(text["hit"].as_array().unwrap().iter().any(|hit| hit["route"] == "GET /waits"), "{text}");
    server.get("/");
    assert_eq!(waits.response("GET").status, 200);
}
