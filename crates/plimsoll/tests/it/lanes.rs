//! Routes that keep the loop for long are served by workers of their own, and nobody is lost in their queue.

use std::fs;

use rustix::process::Signal;

use crate::harness::{App, Client, Launch, Server, signal, until};

const APP: &str = include_str!("apps/lanes.js");

fn launch(workers: u16) -> Launch {
    Launch::plimsoll(App::source(APP)).workers(workers)
}

/// `/held` is kept to a lane by hand, for as long as a request lasts.
fn by_hand(workers: u16) -> (Server, tempfile::TempDir) {
    let server = launch(workers)
        .env("PLIMSOLL_EVENT_LOOP_LANE", "GET /held = 1")
        .env("PLIMSOLL_EVENT_LOOP_HEAVY_THRESHOLD", "1h")
        .start();
    server.workers(workers.into());
    if workers > 1 {
        until_lanes(&server, usize::from(workers) - 1);
    }
    (server, tempfile::tempdir().unwrap())
}

/// Waits until this place, and no other, is the lane's.
fn until_lanes(server: &Server, place: usize) {
    until(&format!("worker {place} is the lane's"), || {
        let status = server.status();
        let workers = status["workers"].as_array()?;
        let heavy: Vec<_> = (0..workers.len()).filter(|at| workers[*at]["lane"] == "heavy").collect();
        (heavy == [place]).then_some(())
    });
}

fn ask(server: &Server, target: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client
}

fn held(server: &Server, folder: &tempfile::TempDir, file: &str) -> Client {
    ask(server, &format!("/held?until={}", folder.path().join(file).display()))
}

fn release(folder: &tempfile::TempDir, file: &str) {
    fs::write(folder.path().join(file), "").unwrap();
}

/// One request that holds the lane until `first` is there, and five that wait behind it for `rest`.
fn fill(server: &Server, folder: &tempfile::TempDir, place: usize) -> (Client, Vec<Client>) {
    let first = held(server, folder, "first");
    until("the first has begun", || folder.path().join("first.begun").exists().then_some(()));
    assert_eq!(server.status()["workers"][place]["in_flight"], 1);
    let rest = (0..5).map(|_| held(server, folder, "rest")).collect();
    until("the others wait", || (server.status()["requests"]["queued_in_lane"] == 5).then_some(()));
    (first, rest)
}

#[test]
fn a_route_that_keeps_the_loop_is_learned_and_kept_to_one_worker() {
    // Before its first `await`, and after it.
    for route in ["/heavy", "/later"] {
        is_learned(route);
    }
}

fn is_learned(route: &str) {
    let server = launch(2).start();
    server.workers(2);
    until("it is learned", || {
        assert_eq!(server.get(route).status, 200);
        (server.status()["heavy_routes"][0]["route"] == format!("GET {route}")).then_some(())
    });
    // Workers are given out with the next request.
    server.get("/light");
    until_lanes(&server, 1);
    let mut clients: Vec<_> = (0..6).map(|_| ask(&server, route)).collect();
    for client in &mut clients {
        assert_eq!(client.response("GET").text(), "1");
    }
    server.wait_for_stderr(": it is now served by worker 1 alone");
    assert!(server.stderr().contains(&format!("GET {route} keeps the loop for ")), "{}", server.stderr());
    let status = server.status();
    assert!(status["heavy_routes"][0]["cost_ms"].as_f64().unwrap() >= 50.0, "{status}");
    assert_eq!(status["requests"]["failed"], 0, "{status}");
    until("it is known what it does", || {
        assert_eq!(server.get(route).status, 200);
        let heavy = &server.status()["heavy_routes"][0];
        let line = APP.lines().position(|line| line.contains("performance.now() + 80")).unwrap() + 1;
        let is_there = heavy["at"].as_str()?.ends_with(&format!(":{line}"));
        (is_there && heavy["place"].as_str()?.contains("/heavy (")).then_some(())
    });
}

/// The app's own timer keeps the loop; `/events` is open for two runs of it.
const TIMER: &str = "
    const open = [];
    let runs = 0;
    setInterval(() => {
      for (const end = performance.now() + 80; performance.now() < end;);
      console.log(`run ${++runs} is over`);
      while (open.length > 0 && open[0].until <= runs) open.shift().response.end();
    }, 300);
    require('node:http').createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': open\\n\\n');
      open.push({ response, until: runs + 2 });
    }).listen(process.env.PORT);
";

#[test]
fn a_stream_that_is_open_is_not_taken_for_the_apps_own_timers() {
    let server = Launch::plimsoll(App::source(TIMER)).start();
    for round in 0..6 {
        server.wait_for_stdout(&format!("run {} is over", 2 * round + 1));
        assert_eq!(server.get("/events").status, 200);
    }
    let status = server.status();
    assert_eq!(status["heavy_routes"].as_array().map(Vec::len), Some(0), "{status}");
    assert!(!server.stderr().contains("keeps the loop for"), "{}", server.stderr());
}

#[test]
fn what_comes_before_the_first_answer_is_no_heavy_route_however_long_it_keeps_the_loop() {
    let server = launch(2).env("PLIMSOLL_LOG_LEVEL", "debug").start();
    server.workers(2);
    let folder = tempfile::tempdir().unwrap();
    let target = format!("/cold?until={}", folder.path().join("all").display());
    let mut clients: Vec<_> = (0..8).map(|_| ask(&server, &target)).collect();
    until("all have kept a loop", || {
        (server.stderr().matches("a request kept the event loop busy").count() >= 8).then_some(())
    });
    let status = server.status();
    assert_eq!(status["heavy_routes"].as_array().map(Vec::len), Some(0), "{status}");
    release(&folder, "all");
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 200);
    }
}

#[test]
fn nothing_is_learned_where_lanes_are_off() {
    let server = launch(2).env("PLIMSOLL_EVENT_LOOP_LANES", "off").start();
    server.workers(2);
    for _ in 0..8 {
        server.get("/heavy");
    }
    let status = server.status();
    assert_eq!(status["heavy_routes"].as_array().map(Vec::len), Some(0), "{status}");
    assert!(status["workers"].as_array().unwrap().iter().all(|worker| worker["lane"] == "main"));
}

#[test]
fn a_lane_runs_one_request_at_a_time_and_others_never_come_near_it() {
    let (server, folder) = by_hand(2);
    let (mut first, rest) = fill(&server, &folder, 1);
    for _ in 0..20 {
        assert_eq!(server.get("/light").text(), "0");
    }
    release(&folder, "first");
    release(&folder, "rest");
    assert_eq!(first.response("GET").text(), "1 1");
    for mut client in rest {
        assert_eq!(client.response("GET").text(), "1 1", "one at a time, on worker 1");
    }
}

#[test]
fn with_one_worker_heavy_requests_take_turns_and_light_ones_go_between() {
    let (server, folder) = by_hand(1);
    let (mut first, rest) = fill(&server, &folder, 0);
    for _ in 0..20 {
        assert_eq!(server.get("/light").text(), "0");
    }
    release(&folder, "first");
    release(&folder, "rest");
    assert_eq!(first.response("GET").text(), "0 1");
    for mut client in rest {
        assert_eq!(client.response("GET").text(), "0 1");
    }
}

#[test]
fn who_waits_for_a_lane_is_served_by_the_next_worker_when_a_reload_takes_this_one() {
    let (server, folder) = by_hand(2);
    let (mut first, rest) = fill(&server, &folder, 1);
    let mut reload = server.spawn_plimsoll(&["reload"]);
    release(&folder, "rest");
    // The first still holds the old worker.
    for mut client in rest {
        let response = client.response("GET");
        assert_eq!((response.status, response.text().as_str()), (200, "1 1"));
    }
    release(&folder, "first");
    assert_eq!(first.response("GET").text(), "1 1");
    assert!(reload.wait().unwrap().success());
    let status = server.status();
    assert_eq!((&status["generation"], &status["requests"]["failed"]), (&2.into(), &0.into()), "{status}");
}

#[test]
fn who_waits_for_a_lane_is_served_when_its_worker_dies() {
    for workers in [1, 2] {
        let (server, folder) = by_hand(workers);
        let place = usize::from(workers) - 1;
        let (mut first, rest) = fill(&server, &folder, place);
        release(&folder, "rest");
        signal(server.workers(workers.into())[place], Signal::KILL);
        let response = first.response("GET");
        assert_eq!((response.status, response.error_code()), (502, Some("worker_died")));
        for mut client in rest {
            assert_eq!(client.response("GET").status, 200);
        }
        if workers > 1 {
            until_lanes(&server, place);
        }
    }
}

#[test]
fn the_lane_moves_to_the_last_worker_when_their_number_changes() {
    let (server, folder) = by_hand(2);
    release(&folder, "rest");
    for count in ["3", "2"] {
        assert!(server.plimsoll(&["scale", count]).status.success());
        let place = count.parse::<usize>().unwrap() - 1;
        until_lanes(&server, place);
        assert_eq!(held(&server, &folder, "rest").response("GET").text(), format!("{place} 1"));
    }
}

#[test]
fn a_client_that_leaves_the_queue_of_a_lane_is_not_served() {
    let (server, folder) = by_hand(2);
    let (mut first, mut rest) = fill(&server, &folder, 1);
    drop(rest.pop());
    until("the gateway has noticed", || {
        server.admin("/metrics").text().contains("http_response_status_code=\"499\"").then_some(())
    });
    release(&folder, "first");
    release(&folder, "rest");
    first.response("GET");
    for mut client in rest {
        assert_eq!(client.response("GET").status, 200);
    }
    assert_eq!(server.status()["workers"][1]["requests"], 5, "{}", server.status());
}
