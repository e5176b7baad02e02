//! The end of an instance, step by step: announced, drained, asked, killed; and the exit codes.

use rustix::process::Signal;

use crate::harness::{App, Launch, alive, descendants, signal, under_load, until};

const LIFE: &str = include_str!("apps/life.js");

#[test]
fn everything_is_served_for_the_delay_after_a_stop_was_asked_for() {
    let launch = Launch::plimsoll(App::source(LIFE)).env("PLIMSOLL_SHUTDOWN_DELAY", "1h");
    let mut server = launch.start();
    server.signal(Signal::TERM);
    until("not ready any more", || (server.admin("/readyz").status == 503).then_some(()));
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.response("GET");
        assert_eq!(answer.status, 200);
        assert_ne!(answer.header("connection"), Some("close"));
    }
    // A worker that dies meanwhile is replaced.
    let before = server.workers(1);
    signal(before[0], Signal::KILL);
    until("another one stands there", || (server.workers(1) != before).then_some(()));
    assert_eq!(server.get("/").status, 200);
    server.signal_until_exit(Signal::TERM);
    // 5 where the gateway had not noted yet that the last answer was out.
    assert!([0, 5].contains(&server.exit_code()));
}

/// A load balancer needs a while to hear that we are about to go.
#[test]
fn clients_that_come_during_the_delay_lose_no_request() {
    let launch = Launch::plimsoll(App::source(LIFE)).workers(2).env("PLIMSOLL_SHUTDOWN_DELAY", "1h");
    let mut server = launch.start();
    server.workers(2);
    under_load(&server, || {
        server.signal(Signal::TERM);
        until("not ready any more", || (server.admin("/readyz").status == 503).then_some(()));
    });
    assert_eq!(server.status()["requests"]["failed"], 0);
    server.signal_until_exit(Signal::TERM);
}

#[test]
fn a_worker_is_told_when_its_last_request_is_done() {
    let app = "
        const server = require('node:http').createServer((request, response) => {
          console.log('begun');
          const timer = setInterval(() => {
            if (!require('node:fs').existsSync('gate')) return;
            clearInterval(timer);
            console.log('done');
            response.end('done');
          }, 5);
        });
        process.on('SIGTERM', () => { console.log('told'); server.close(() => process.exit(0)); });
        server.listen(process.env.PORT);";
    let mut server = Launch::plimsoll(App::source(app)).workers(2).start();
    server.workers(2);
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("begun");
    server.signal(Signal::TERM);
    server.wait_for_stdout("told");
    std::fs::write(server.directory().join("gate"), "").unwrap();
    assert_eq!(client.response("GET").text(), "done");
    assert_eq!(server.exit_code(), 0);
    let stdout = server.stdout();
    let said: Vec<&str> = stdout.lines().filter(|line| ["done", "told"].contains(line)).collect();
    // The idle one at once, the busy one after its request.
    assert_eq!(said, ["told", "done", "told"]);
    assert!(server.stderr().contains("drained: 1 request finished, 0 cut, in "), "{}", server.stderr());
}

#[test]
fn a_worker_that_does_not_end_is_killed() {
    let app = "
        process.on('SIGTERM', () => console.log('not me'));
        require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT);
        setInterval(() => {}, 1000);";
    let mut server =
        Launch::plimsoll(App::source(app)).env("PLIMSOLL_SHUTDOWN_WORKER_GRACE", "200ms").start();
    let below = descendants(server.pid());
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stdout().contains("not me"));
    assert!(below.iter().all(|&pid| !alive(pid)));
}

#[test]
fn what_is_cut_is_counted_and_exits_5() {
    let mut server = Launch::plimsoll(App::source(LIFE)).option("--grace").option("300ms").start();
    let mut held: Vec<_> = (0..3)
        .map(|_| {
            let mut client = server.connect();
            client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        })
        .collect();
    until("three are held", || (server.stdout().matches("hold started").count() == 3).then_some(()));
    // A client that has sent half a request loses nothing that it was promised.
    let mut half = server.connect();
    half.send("GET / HT");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 5);
    assert!(server.stderr().contains("drained: 0 requests finished, 3 cut, in "), "{}", server.stderr());
    assert!(held.iter_mut().all(|client| !client.until_closed("GET").1));
}

#[test]
fn under_kubernetes_everything_is_served_for_a_while() {
    let launch = Launch::plimsoll(App::source(LIFE)).env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    let mut server = launch.start();
    server.signal(Signal::TERM);
    server.wait_for_stderr("everything is served for another 5.0s");
    assert_eq!(server.get("/").status, 200);
    server.signal_until_exit(Signal::TERM);
}

/// Streams, and ends each answer when the file is there.
const STREAM: &str = "
const { existsSync } = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/') return response.end('ok');
  if (request.url === '/stream') response.write('begun');
  console.log('under way');
  const timer = setInterval(() => {
    if (!existsSync('gate')) return;
    clearInterval(timer);
    response.end('done');
  }, 5);
}).listen(process.env.PORT);
";

#[test]
fn the_last_answer_of_a_connection_says_that_it_closes() {
    let mut server = Launch::plimsoll(App::source(STREAM)).start();
    let mut idle = server.connect();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.response("GET").header("connection"), Some("keep-alive"));
    let mut busy = server.connect();
    busy.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("under way");
    server.signal(Signal::TERM);
    assert_eq!(idle.rest(), b"");
    until("nothing listens any more", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err().then_some(())
    });
    std::fs::write(server.directory().join("gate"), "").unwrap();
    let answer = busy.response("GET");
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("done", Some("close")));
    assert_eq!(busy.rest(), b"");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_stream_is_cut_at_the_deadline_and_counted() {
    let mut server = Launch::plimsoll(App::source(STREAM)).option("--grace").option("300ms").start();
    let mut client = server.connect();
    client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    client.take_past("begun");
    server.signal(Signal::TERM);
    let (_, whole) = client.until_closed("GET");
    assert!(!whole);
    assert_eq!(server.exit_code(), 5);
    assert!(server.stderr().contains("drained: 0 requests finished, 1 cut, in "), "{}", server.stderr());
}

#[test]
fn an_orphan_of_the_app_is_reaped() {
    let app = "
        require('node:child_process').spawn('sh', ['-c', 'sleep 0.1 & echo orphan $!'], { stdio: 'inherit' });
        require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT);";
    let server = Launch::plimsoll(App::source(app)).start();
    server.wait_for_stdout("orphan ");
    let stdout = server.stdout();
    let pid = stdout.lines().find_map(|line| line.strip_prefix("orphan ")).unwrap().trim().to_owned();
    // Not even a zombie of it is left.
    until("it is gone", || (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
}

#[test]
fn the_verb_stop_drains_and_exits_as_the_instance_does() {
    let mut server = Launch::plimsoll(App::source(LIFE)).start();
    let output = server.plimsoll(&["stop"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("drained: "), "{output:?}");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn nothing_of_a_worker_is_left_in_shared_memory() {
    let mut server = Launch::plimsoll(App::source(LIFE)).workers(2).start();
    server.workers(2);
    let of_ours = format!("plimsoll-page-{}-", server.pid());
    let pages = || {
        let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&of_ours)).count()
    };
    assert!(pages() <= 2);
    signal(server.workers(2)[0], Signal::KILL);
    until("it was replaced", || (server.status()["workers"][0]["restarts"] == 1).then_some(()));
    server.workers(2);
    assert!(pages() <= 2);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(pages(), 0);
}
