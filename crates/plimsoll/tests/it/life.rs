//! From SIGTERM to the last byte, and what happens when a worker dies.

use rustix::process::Signal;

use crate::harness::{App, Client, Launch, Server, alive, descendants, signal, until};

const LIFE: &str = include_str!("apps/life.js");

fn launch() -> Launch {
    Launch::plimsoll(App::source(LIFE))
}

/// A request that the app holds until it is told to release it.
fn hold(server: &Server) -> Client {
    let mut client = server.connect();
    client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("hold started");
    client
}

#[test]
fn sigterm_lets_a_request_in_flight_finish_and_exits_0() {
    for which in [Signal::TERM, Signal::INT] {
        let mut server = launch().start();
        let mut client = server.connect();
        client.send("GET /slow?ms=700 HTTP/1.1\r\nHost: a\r\n\r\n");
        server.wait_for_stdout("slow started");
        server.signal(which);
        let answer = client.response("GET");
        assert_eq!(answer.text(), "slow but done");
        assert_eq!(server.exit_code(), 0);
        assert!(server.stdout().contains("told to stop"), "the worker was told too");
    }
}

#[test]
fn sigterm_closes_idle_connections_and_takes_no_new_ones() {
    let mut server = launch().start();
    let mut idle = server.connect();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.response("GET").status, 200);
    server.signal(Signal::TERM);
    assert_eq!(idle.rest(), b"");
    assert_eq!(server.exit_code(), 0);
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err());
}

#[test]
fn readiness_ends_when_the_drain_begins() {
    let server = launch().start();
    let _held = hold(&server);
    assert_eq!(server.admin("/readyz").status, 200);
    server.signal(Signal::TERM);
    until("not ready any more", || (server.admin("/readyz").status == 503).then_some(()));
    assert_eq!(server.admin("/livez").status, 200);
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = launch().option("--grace").option("1h").start();
    let mut held = hold(&server);
    let workers = descendants(server.pid());
    server.signal(Signal::TERM);
    until("the drain has begun", || (server.admin("/readyz").status == 503).then_some(()));
    server.signal_until_exit(Signal::TERM);
    server.exit_code();
    let (_, whole) = held.until_closed("GET");
    assert!(!whole);
    until("no worker is left", || workers.iter().all(|&pid| !alive(pid)).then_some(()));
}

#[test]
fn a_request_that_outlives_the_grace_is_cut_and_the_exit_code_says_so() {
    let mut server = launch().option("--grace").option("500ms").start();
    let mut held = hold(&server);
    server.signal(Signal::TERM);
    let (_, whole) = held.until_closed("GET");
    assert!(!whole);
    assert_eq!(server.exit_code(), 5);
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let server = launch().workers(2).start();
    let before = server.workers(2);
    signal(before[0], Signal::KILL);
    let after = until("another worker stands in its place", || {
        let now = server.workers(2);
        (!now.contains(&before[0])).then_some(now)
    });
    assert!(after.contains(&before[1]), "{before:?} {after:?}");
    let status = server.status();
    let restarts: u64 =
        status["workers"].as_array().unwrap().iter().map(|worker| worker["restarts"].as_u64().unwrap()).sum();
    assert_eq!(restarts, 1, "{status}");
    for _ in 0..20 {
        assert_eq!(server.get("/").status, 200);
    }
}

/// Only a request that the dead worker was running may be lost. Here it runs none: the client waits for each answer
/// before the worker is killed.
#[test]
fn requests_keep_being_answered_while_a_worker_dies() {
    let server = launch().workers(2).start();
    let mut client = server.connect();
    let mut dead = 0;
    for round in 0..200 {
        if round % 50 == 20 {
            until("the last one was replaced", || (server.workers(2)[0] != dead).then_some(()));
            dead = server.workers(2)[0];
            signal(dead, Signal::KILL);
        }
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!(answer.status, 200, "request {round}: {answer:?}");
    }
    assert_eq!(server.status()["requests"]["failed"], 0);
    until("each death is told", || (server.stderr().matches("by SIGKILL after").count() == 4).then_some(()));
    assert!(server.stderr().contains("the worker is replaced now"), "{}", server.stderr());
    // The slots of what was answered are free.
    assert!(!server.stderr().contains("it was running 1"), "{}", server.stderr());
    let status = server.status();
    let death = &status["workers"][0]["last_death"];
    assert_eq!(death["running"], 0, "{status}");
    assert!(death["reason"].as_str().unwrap().starts_with("was killed by SIGKILL after "), "{status}");
}

/// As coreutils' `timeout` and `npm` do it, and whoever signals a process and its group.
#[test]
fn two_signals_at_the_same_instant_are_one_order() {
    for second in [Signal::TERM, Signal::INT] {
        let mut server = launch().start();
        let mut client = server.connect();
        client.send("GET /slow?ms=700 HTTP/1.1\r\nHost: a\r\n\r\n");
        server.wait_for_stdout("slow started");
        server.signal(Signal::TERM);
        server.signal(second);
        assert_eq!(client.response("GET").text(), "slow but done");
        assert_eq!(server.exit_code(), 0);
    }
}

#[test]
fn no_process_is_left_behind() {
    let mut server = launch().workers(2).start();
    server.workers(2);
    let below = descendants(server.pid());
    assert!(below.len() >= 2, "{below:?}");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(below.iter().all(|&pid| !alive(pid)));
}

#[test]
fn the_lines_of_two_workers_are_never_mixed() {
    let server = launch().workers(2).start();
    server.workers(2);
    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.connect();
            client.send("GET /chatter HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        })
        .collect();
    for mut client in clients {
        assert_eq!(client.response("GET").text(), "said");
    }
    let lines = |text: String| {
        text.lines().filter(|line| line.starts_with('<')).map(str::to_owned).collect::<Vec<_>>()
    };
    let lines =
        until("every line has come", || Some(lines(server.stdout())).filter(|lines| lines.len() == 16_000));
    for line in lines {
        let inside = line.strip_prefix('<').and_then(|line| line.strip_suffix('>'));
        let inside = inside.unwrap_or_else(|| panic!("{line:?}"));
        assert!(inside.bytes().all(|byte| byte == inside.as_bytes()[0]), "{line:?}");
    }
}

#[test]
fn both_workers_serve() {
    // A request that a worker is slow to begin would move to the other.
    let server = launch().workers(2).env("PLIMSOLL_EVENT_LOOP_RESCUE_AFTER", "1h").start();
    server.workers(2);
    // One after the other: two threads of the gateway that choose at the same time may choose the same worker.
    let held = [1, 2, 3, 4].map(|count| {
        let mut client = server.connect();
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        until("it is held", || (server.stdout().matches("hold started").count() == count).then_some(()));
        client
    });
    let status = server.status();
    let in_flight = |index: usize| status["workers"][index]["in_flight"].as_u64().unwrap();
    assert_eq!((in_flight(0), in_flight(1)), (2, 2), "{status}");
    drop(held);
}

#[test]
fn a_worker_is_what_it_would_be_without_us() {
    let seen = |launch: Launch| {
        let server = launch.env("NODE_OPTIONS", "--no-deprecation --max-http-header-size=20000").start();
        let mut seen = server.get_json("/env");
        let directory = server.directory().to_str().unwrap().to_owned();
        let env = seen["env"].as_object_mut().unwrap();
        let options = env.remove("NODE_OPTIONS").unwrap();
        assert!(
            options.as_str().unwrap().starts_with("--no-deprecation --max-http-header-size=20000"),
            "{options}"
        );
        env.retain(|name, _| name != "PORT" && !name.starts_with("PLIMSOLL_"));
        seen.to_string().replace(&directory, "DIRECTORY")
    };
    let (plimsoll, plain) = (seen(launch()), seen(Launch::plain(App::source(LIFE))));
    let differing: Vec<_> =
        plimsoll.split(',').zip(plain.split(',')).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(plimsoll == plain, "{differing:#?}");
}

#[test]
fn workers_are_told_their_number() {
    let server = launch().workers(2).start();
    server.workers(2);
    let env = server.get_json("/env")["env"].clone();
    assert_eq!(env["PLIMSOLL_WORKERS"], "2", "{env}");
    assert!(["0", "1"].contains(&env["PLIMSOLL_WORKER"].as_str().unwrap()), "{env}");
}
