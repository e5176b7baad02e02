//! What is said and done when workers die, and die again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::harness::{App, Launch, Server, alive, node, signal, until};

#[test]
fn a_worker_that_never_comes_up_is_called_failed_while_the_other_serves() {
    let app = "
        if (process.env.PLIMSOLL_WORKER === '1') throw new Error('no database for me');
        require('node:http').createServer((request, response) => response.end('ok')).listen(process.env.PORT);";
    let server = Launch::plimsoll(App::source(app)).workers(2).start();
    let status = until("it is called failed", || {
        let status = server.status();
        (status["workers"][1]["state"] == "failed").then_some(status)
    });
    assert_eq!(
        (&status["workers"][0]["state"], &status["state"]),
        (&"ready".into(), &"ready".into()),
        "{status}"
    );
    let reason = status["workers"][1]["last_death"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("exited with code 1 after ") && reason.ends_with("Error: no database for me"));
    let table = String::from_utf8(server.plimsoll(&["ps"]).stdout).unwrap();
    assert!(
        table.contains("failed") && table.contains("worker 1: the last one exited with code 1"),
        "{table}"
    );
    server.wait_for_stderr("the worker dies again and again before it listens; the others serve");
    assert_eq!((server.get("/").status, server.admin("/readyz").status), (200, 200));
}

#[test]
fn a_request_waits_for_the_replacement_and_not_for_ever() {
    let app = "
        const fs = require('node:fs');
        if (fs.existsSync('gone')) setInterval(() => {}, 1000);
        else require('node:http').createServer((request, response) => response.end('ok')).listen(process.env.PORT);";
    let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_HOLD", "300ms").start();
    std::fs::write(server.directory().join("gone"), "").unwrap();
    signal(server.workers(1)[0], Signal::KILL);
    until("nobody serves", || (server.admin("/readyz").status == 503).then_some(()));
    let answer = server.get("/");
    assert_eq!((answer.status, answer.error_code()), (503, Some("no_worker")), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn an_app_that_dies_again_and_again_ends_with_4() {
    let app = "
        const fs = require('node:fs');
        if (fs.existsSync('broken')) throw new Error('the database is gone');
        require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT);";
    let mut server = Launch::plimsoll(App::source(app)).start();
    std::fs::write(server.directory().join("broken"), "").unwrap();
    signal(server.workers(1)[0], Signal::KILL);
    assert_eq!(server.exit_code(), 4);
    let stderr = server.stderr();
    for part in ["was killed by SIGKILL", "dies again and again", "the database is gone"] {
        assert!(stderr.contains(part), "{part:?} in {stderr}");
    }
}

#[test]
fn a_full_heap_is_told_from_other_deaths() {
    let app = "
        require('node:http').createServer((request, response) => {
          const kept = [];
          for (;;) kept.push(new Array(1000).fill(kept.length + 0.5));
        }).listen(process.env.PORT);";
    let app = App::command(&["node", "--max-old-space-size=16", "app.js"], &[("app.js", app)]);
    let server = Launch::plimsoll(app).start();
    server.connect().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stderr("the V8 heap was full");
}

/// No descriptor can be opened in the process while this does something.
fn without_descriptors(server: &Server, act: impl FnOnce()) {
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    let is_open = |number: &u64| fs::symlink_metadata(format!("/proc/{}/fd/{number}", server.pid())).is_ok();
    let lowest_free = (0..).find(|number| !is_open(number));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let limits = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let limits: Vec<u64> = limits.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let set = |current| {
        let limit = Rlimit { current, maximum: Some(limits[1]) };
        prlimit(pid, Resource::Nofile, limit).unwrap();
    };
    set(lowest_free);
    act();
    set(Some(limits[0]));
}

#[test]
fn an_agent_that_cannot_be_heard_for_want_of_descriptors_makes_no_worker_immortal() {
    let app = "
        // The agent takes it out when the server listens.
        const directory = process.env.PLIMSOLL_AGENT_DIR;
        require('node:http').createServer((request, response) => response.end('ok')).listen(process.env.PORT);
        const look = setInterval(() => {
          if (!require('node:fs').existsSync('go')) return;
          clearInterval(look);
          for (let times = 0; times < 8; times++) {
            require('node:net').connect(directory + '/agent.sock').on('error', () => {});
          }
        }, 20);";
    let server = Launch::plimsoll(App::source(app)).start();
    let worker = server.workers(1)[0];
    without_descriptors(&server, || {
        fs::write(server.directory().join("go"), "").unwrap();
        server.wait_for_stderr("an agent cannot be heard yet");
    });
    fs::remove_file(server.directory().join("go")).unwrap();
    signal(worker, Signal::KILL);
    until("another one serves", || (server.workers(1)[0] != worker).then_some(()));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let app =
        "require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT);";
    let programs = tempfile::tempdir_in("/tmp").unwrap();
    let program = programs.path().join("start");
    fs::write(&program, format!("#!/bin/sh\nexec {} app.js\n", node().display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let command = App::command(&[program.to_str().unwrap()], &[("app.js", app)]);
    let server = Launch::plimsoll(command).workers(2).start();
    let victim = server.workers(2)[0];
    fs::remove_file(&program).unwrap();
    signal(victim, Signal::KILL);
    let failure = "a worker could not be started";
    until("it was tried three times", || (server.stderr().matches(failure).count() >= 3).then_some(()));
    let instance = server.directory().join("run/plimsoll").join(server.directory().file_name().unwrap());
    let names = |path: &std::path::Path, start: &str| {
        let entries = fs::read_dir(path).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(start)).collect::<Vec<_>>()
    };
    let pages = format!("plimsoll-page-{}-", server.pid());
    until("only what is of the other worker is left", || {
        let directories = names(&instance, "w");
        let pages = names("/dev/shm".as_ref(), &pages);
        (directories == ["w1.1"] && pages.len() <= 1).then_some(())
    });
}

/// Its child stays in its group and does not hear SIGTERM.
const STUBBORN: &str = "
    const child = require('node:child_process').spawn(
      'sh', ['-c', 'trap \"\" TERM; echo > trapped; while :; do sleep 0.1; done'], { stdio: 'ignore' });
    child.unref();
    console.log(`child ${child.pid}.`);
    require('node:http').createServer((request, response) => response.end()).listen(process.env.PORT);";

fn start_stubborn() -> (Server, u32) {
    let launch = Launch::plimsoll(App::source(STUBBORN)).env("PLIMSOLL_SHUTDOWN_WORKER_GRACE", "1s");
    let server = launch.start();
    until("the child is deaf", || server.directory().join("trapped").exists().then_some(()));
    let stdout = server.stdout();
    let pid = stdout.split("child ").nth(1).unwrap().split('.').next().unwrap().parse().unwrap();
    (server, pid)
}

#[test]
fn what_a_dead_worker_left_in_its_group_is_killed_after_the_grace() {
    let (server, child) = start_stubborn();
    let worker = server.workers(1)[0];
    signal(worker, Signal::KILL);
    until("another one serves", || (server.workers(1)[0] != worker).then_some(()));
    until("the child is gone", || (!alive(child)).then_some(()));
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn what_a_worker_left_in_its_group_does_not_outlive_the_instance() {
    let (mut server, child) = start_stubborn();
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!alive(child), "it runs on");
}
