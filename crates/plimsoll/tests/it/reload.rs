//! Reload and scale of a running instance: nothing is lost, and what does not come up changes nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::harness::{App, Launch, Server, descendants, signal, until};

/// Answers with its version: the file's, as it was at the start.
const APP: &str = "
const http = require('node:http');
const version = require('node:fs').readFileSync('version', 'utf8');
const server = http.createServer((request, response) => {
  setTimeout(() => response.end(request.url === '/env' ? String(process.env.GREETING) : version), 5);
});
process.on('SIGTERM', () => server.close(() => process.exit(0)));
server.listen(process.env.PORT);
";

fn launch(workers: u16) -> Launch {
    let app = App::command(&["node", "app.js"], &[("app.js", APP), ("version", "one")]);
    Launch::plimsoll(app).workers(workers)
}

fn write(server: &Server, file: &str, text: &str) {
    fs::write(server.directory().join(file), text).unwrap();
}

/// Runs a verb; its exit code and what it printed.
fn run(server: &Server, arguments: &[&str]) -> (i32, String) {
    let output = server.plimsoll(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Sends requests over kept-alive and fresh connections before, during and after `act`. All must be answered.
fn under_load(server: &Server, act: impl FnOnce()) {
    let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for kept_alive in [true, true, false, false] {
            let (ended, answered) = (&ended, &answered);
            scope.spawn(move || {
                let mut client = server.connect();
                while !ended.load(Ordering::Relaxed) {
                    if !kept_alive {
                        client = server.connect();
                    }
                    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    assert_eq!(client.response("GET").status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let some_more = |what: &str| {
            let before = answered.load(Ordering::Relaxed);
            until(what, || (answered.load(Ordering::Relaxed) > before + 20).then_some(()));
        };
        some_more("requests are answered before");
        act();
        some_more("requests are answered after");
        ended.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_reload_renews_all_workers_and_loses_no_request() {
    for workers in [1, 2] {
        let server = launch(workers).start();
        let before = server.workers(workers.into());
        write(&server, "version", "two");
        under_load(&server, || {
            let (code, text) = run(&server, &["reload"]);
            assert!(
                code == 0 && text.contains("reloaded: ") && text.contains("the new process serves"),
                "{text}"
            );
        });
        let after = server.workers(workers.into());
        assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} {after:?}");
        for _ in 0..10 {
            assert_eq!(server.get("/").text(), "two");
        }
        let status = server.status();
        assert_eq!(
            (&status["generation"], &status["requests"]["failed"]),
            (&2.into(), &0.into()),
            "{status}"
        );
    }
}

#[test]
fn an_app_that_is_broken_by_now_keeps_the_old_workers() {
    let server = launch(2).start();
    let before = server.workers(2);
    write(&server, "app.js", "throw new Error('broken on purpose')");
    let (code, text) = run(&server, &["reload"]);
    assert_eq!(code, 1, "{text}");
    for part in ["given up", "0 of 2 workers are renewed", "exited with code 1", "broken on purpose"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(server.workers(2), before);
    assert_eq!(server.get("/").text(), "one");
    // Repaired, it goes.
    write(&server, "app.js", APP);
    write(&server, "version", "two");
    assert_eq!(run(&server, &["reload"]).0, 0);
    assert_eq!(server.get("/").text(), "two");
}

#[test]
fn an_app_that_does_not_listen_any_more_keeps_the_old_workers() {
    let server = launch(1).option("--listen-timeout").option("700ms").start();
    write(&server, "app.js", "setInterval(() => {}, 1000)");
    let (code, text) = run(&server, &["reload"]);
    assert!(code == 1 && text.contains("has not listened within 700ms"), "{code} {text}");
    assert_eq!(server.get("/").text(), "one");
}

/// Listens when it is told to, and not before.
const SLOW: &str = "
const fs = require('node:fs');
const version = fs.readFileSync('version', 'utf8');
const server = require('node:http').createServer((request, response) => response.end(version));
console.log(`starting ${version}`);
const wait = () => fs.existsSync(`go ${version}`) ? server.listen(process.env.PORT) : setTimeout(wait, 5);
wait();
";

#[test]
fn a_reload_during_a_reload_begins_after_it_with_the_newest_files() {
    let files = [("app.js", SLOW), ("version", "one"), ("go one", "")];
    let server = Launch::plimsoll(App::command(&["node", "app.js"], &files)).start();
    write(&server, "version", "two");
    thread::scope(|scope| {
        let first = scope.spawn(|| run(&server, &["reload"]));
        server.wait_for_stdout("starting two");
        write(&server, "version", "three");
        let late = [0, 1].map(|_| scope.spawn(|| run(&server, &["reload"])));
        until("both wait", || {
            (server.stderr().matches("another reload is under way").count() == 2).then_some(())
        });
        assert!(!server.stdout().contains("starting three"), "the first reload is not over");
        assert_eq!(server.get("/").text(), "one");
        write(&server, "go two", "");
        assert_eq!(first.join().unwrap().0, 0);
        server.wait_for_stdout("starting three");
        write(&server, "go three", "");
        for reload in late {
            let (code, text) = reload.join().unwrap();
            assert!(code == 0 && text.contains("this one begins after it"), "{code} {text}");
        }
    });
    assert_eq!(server.get("/").text(), "three");
    // Everybody who asked meanwhile shares one reload.
    assert_eq!(server.status()["generation"], 3);
    assert_eq!(server.stdout().matches("starting").count(), 3, "{}", server.stdout());
}

#[test]
fn there_is_never_more_than_one_process_above_the_number_of_workers() {
    let server = launch(2).start();
    server.workers(2);
    thread::scope(|scope| {
        let reload = scope.spawn(|| run(&server, &["reload"]));
        let mut most = 0;
        until("the reload is over", || {
            most = most.max(descendants(server.pid()).len());
            reload.is_finished().then_some(())
        });
        assert_eq!(reload.join().unwrap().0, 0);
        assert!(most <= 3, "{most} processes");
    });
}

#[test]
fn a_hangup_reloads() {
    let server = launch(1).start();
    write(&server, "version", "two");
    server.signal(Signal::HUP);
    until("the new version answers", || (server.get("/").text() == "two").then_some(()));
}

#[test]
fn variables_of_a_reload_stay_for_those_who_come_later() {
    let server = launch(1).start();
    assert_eq!(server.get("/env").text(), "undefined");
    let (code, text) = run(&server, &["reload", "--env", "GREETING=good day & more", "--json"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.lines().last().unwrap().starts_with(r#"{"exit_code":0,"message":"reloaded: 1 worker "#),
        "{text}"
    );
    assert_eq!(server.get("/env").text(), "good day & more");
    let worker = server.workers(1)[0];
    signal(worker, Signal::KILL);
    until("another one stands there", || (server.workers(1)[0] != worker).then_some(()));
    assert_eq!(server.get("/env").text(), "good day & more");
    // A reload that fails leaves nothing of its own behind.
    write(&server, "app.js", "process.exit(9)");
    assert_eq!(run(&server, &["reload", "--env", "GREETING=bad"]).0, 1);
    write(&server, "app.js", APP);
    assert_eq!(run(&server, &["reload"]).0, 0);
    assert_eq!(server.get("/env").text(), "good day & more");
}

#[test]
fn scale_adds_and_removes_workers_and_loses_no_request() {
    let server = launch(1).start();
    under_load(&server, || {
        let (code, text) = run(&server, &["scale", "3"]);
        assert!(code == 0 && text.contains("scaled: 3 workers"), "{text}");
        server.workers(3);
        let (code, text) = run(&server, &["scale", "1"]);
        assert_eq!(code, 0, "{text}");
        server.workers(1);
    });
    assert_eq!(run(&server, &["scale", "0"]).0, 2);
}

/// Holds every request until the file is there.
const PATIENT: &str = "
const { existsSync } = require('node:fs');
require('node:http').createServer((request, response) => {
  if (request.url === '/') return response.end('ok');
  console.log('held');
  const timer = setInterval(() => {
    if (!existsSync('gate')) return;
    clearInterval(timer);
    response.end('released');
  }, 5);
}).listen(process.env.PORT);
";

#[test]
fn who_leaves_during_a_reload_is_shown() {
    let server = Launch::plimsoll(App::source(PATIENT)).start();
    let old = server.workers(1)[0];
    assert_eq!(server.get("/").text(), "ok");
    let mut client = server.connect();
    client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("held");
    thread::scope(|scope| {
        let reload = scope.spawn(|| run(&server, &["reload"]));
        let status = until("the old process leaves", || {
            let status = server.status();
            (status["leaving"][0]["pid"] == old).then_some(status)
        });
        let leaving = &status["leaving"][0];
        assert_eq!((&leaving["state"], &leaving["id"]), (&"draining".into(), &0.into()), "{status}");
        assert_eq!((&leaving["in_flight"], &leaving["requests"]), (&1.into(), &2.into()), "{status}");
        assert_eq!((&leaving["generation"], &status["generation"]), (&1.into(), &2.into()), "{status}");
        // What a place has served does not fall because somebody else stands in it.
        assert_eq!(status["workers"][0]["requests"], 2, "{status}");
        let table = String::from_utf8(server.plimsoll(&["ps"]).stdout).unwrap();
        let row = |pid: String| table.lines().find(|line| line.contains(&pid)).unwrap_or_default().to_owned();
        assert!(row(old.to_string()).contains("draining"), "{table}");
        assert!(row(status["workers"][0]["pid"].to_string()).contains("ready"), "{table}");
        write(&server, "gate", "");
        assert_eq!(client.response("GET").text(), "released");
        assert_eq!(reload.join().unwrap().0, 0);
    });
    assert_eq!(server.status()["leaving"].as_array().unwrap().len(), 0);
}

#[test]
fn a_stop_during_a_reload_ends_both() {
    let mut server = launch(1).start();
    // A version that never listens holds the reload up.
    write(&server, "app.js", "console.log('second'); setInterval(() => {}, 1000)");
    thread::scope(|scope| {
        let reload = scope.spawn(|| run(&server, &["reload"]));
        server.wait_for_stdout("second");
        server.signal(Signal::TERM);
        let (code, text) = reload.join().unwrap();
        assert!(code == 1 && text.contains("the instance is stopping"), "{code} {text}");
    });
    assert_eq!(server.exit_code(), 0);
}
