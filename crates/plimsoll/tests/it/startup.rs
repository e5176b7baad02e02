//! What can go wrong before the first answer, and what is said about it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::harness::{App, Launch, Server, free_port, get, signal, until};
use crate::transparency::ECHO;

const HELLO: &str = "
    require('node:http').createServer((request, response) => response.end('hello')).listen(process.env.PORT);
";

/// Runs a command that cannot succeed; gives the exit code and what was said.
fn fails(launch: &Launch) -> (i32, String) {
    let mut server = launch.spawn();
    (server.exit_code(), server.stderr())
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn an_app_that_throws_at_start_is_reported_with_its_last_lines() {
    let app = App::source("console.log('warming up'); throw new Error('the database is not configured');");
    let (code, said) = fails(&Launch::plimsoll(app));
    assert_eq!(code, 3, "{said}");
    says(&said, &["the database is not configured"]);
}

#[test]
fn an_app_that_ends_without_listening_is_reported() {
    let (code, said) = fails(&Launch::plimsoll(App::source("console.error('nothing to do');")));
    assert_eq!(code, 3, "{said}");
    says(&said, &["nothing to do"]);
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let (code, said) = fails(&Launch::plimsoll(App::command(&["no-such-program", "server.js"], &[])));
    assert!([2, 3].contains(&code), "{code}: {said}");
    says(&said, &["no-such-program"]);
}

#[test]
fn a_command_that_may_not_be_executed_is_named() {
    let (code, said) = fails(&Launch::plimsoll(App::command(&["./server.js"], &[("server.js", HELLO)])));
    assert!([2, 3].contains(&code), "{code}: {said}");
    says(&said, &["./server.js", "not executable"]);
}

#[test]
fn a_missing_command_is_bad_usage() {
    let (code, said) = fails(&Launch::plimsoll(App::command(&[""], &[])));
    assert!([2, 3].contains(&code), "{code}: {said}");
}

#[test]
fn an_unknown_option_is_bad_usage_and_the_nearest_is_named() {
    let (code, said) = fails(&Launch::plimsoll(App::source(HELLO)).option("--worker").option("2"));
    assert_eq!(code, 2, "{said}");
    says(&said, &["--workers"]);
}

#[test]
fn an_app_that_never_listens_is_reported_and_waited_for() {
    let late = "
        const http = require('node:http');
        const listen = () => http.createServer((request, response) => response.end('late')).listen(process.env.PORT);
        process.on('SIGUSR2', listen);
        console.log('not yet');
        setInterval(() => {}, 1000);
    ";
    let server: Server = Launch::plimsoll(App::source(late)).option("--listen-timeout").option("1s").spawn();
    server.wait_for_stdout("not yet");
    server.wait_for_stderr("listen");
    assert_eq!(server.admin("/readyz").status, 503);
    assert_eq!(server.admin("/livez").status, 200);
    let worker = server.status()["workers"][0]["pid"].as_u64().unwrap();
    signal(u32::try_from(worker).unwrap(), Signal::USR2);
    until("the app listens after all", || (server.admin("/readyz").status == 200).then_some(()));
    assert_eq!(server.get("/").text(), "late");
}

#[test]
fn a_broken_config_is_refused_with_its_place() {
    let cases: &[(&str, &[&str])] = &[
        ("[workers]\ncount = = 2\n", &["plimsoll.toml:2:"]),
        ("[workers]\ncuont = 2\n", &["plimsoll.toml:2:", "cuont", "count"]),
        ("[gateway]\n\nidle_timeout = \"soon\"\n", &["plimsoll.toml:3:", "idle_timeout", "soon"]),
        ("[gatway]\n", &["plimsoll.toml:1:", "gatway", "gateway"]),
    ];
    for (config, words) in cases {
        let app = App::command(&["node", "app.js"], &[("app.js", HELLO), ("plimsoll.toml", config)]);
        let (code, said) = fails(&Launch::plimsoll(app));
        assert_eq!(code, 2, "{said}");
        says(&said, words);
    }
}

#[test]
fn a_setting_of_the_environment_that_makes_no_sense_is_refused() {
    let launch = Launch::plimsoll(App::source(HELLO)).env("PLIMSOLL_GATEWAY_IDLE_TIMEOUT", "soon");
    let (code, said) = fails(&launch);
    assert_eq!(code, 2, "{said}");
    says(&said, &["PLIMSOLL_GATEWAY_IDLE_TIMEOUT", "soon"]);
}

#[test]
fn a_port_that_is_taken_is_the_apps_own_end() {
    let taken = TcpListener::bind(("::", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, said) = fails(&Launch::plimsoll(App::source(HELLO)).port(port));
    assert_eq!(code, 3, "{said}");
    says(&said, &["EADDRINUSE", &port.to_string()]);
}

#[test]
fn a_port_that_our_own_admin_server_has_is_told_to_be_that() {
    let port = free_port();
    let admin = format!("127.0.0.1:{port}");
    let (code, said) = fails(&Launch::plimsoll(App::source(HELLO)).port(port).admin(&admin));
    assert_eq!(code, 3, "{said}");
    says(&said, &["EADDRINUSE", &format!("{admin} is the admin address of this Plimsoll"), "--admin"]);
}

#[test]
fn an_admin_address_that_was_asked_for_and_is_taken_is_bad_usage() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = fails(&Launch::plimsoll(App::source(HELLO)).admin(&address));
    assert_eq!(code, 2, "{said}");
    says(&said, &[&address]);
}

#[test]
fn npm_start_is_one_command_like_any_other() {
    let package = r#"{"name": "x", "scripts": {"start": "node app.js"}}"#;
    let files = &[("package.json", package), ("app.js", ECHO)];
    let server = Launch::plimsoll(App::command(&["npm", "start"], files)).start();
    assert_eq!(server.get_json("/case")["remoteAddress"], "::ffff:127.0.0.1");
    assert_eq!(server.status()["workers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_shell_between_us_and_node_changes_nothing() {
    let app = App::command(&["sh", "-c", "echo from the shell; node app.js; true"], &[("app.js", ECHO)]);
    let mut server = Launch::plimsoll(app).start();
    assert_eq!(server.get_json("/case")["remoteAddress"], "::ffff:127.0.0.1");
    server.wait_for_stdout("from the shell");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn an_es_module_is_served() {
    let module = "
        import http from 'node:http';
        http.createServer((request, response) => response.end(request.socket.remoteAddress)).listen(process.env.PORT);
    ";
    let server = Launch::plimsoll(App::command(&["node", "app.mjs"], &[("app.mjs", module)])).start();
    assert_eq!(server.get("/").text(), "::ffff:127.0.0.1");
}

#[test]
fn without_the_agent_the_app_is_served_and_the_lack_is_said() {
    let public = free_port();
    let launch = Launch::plimsoll(App::source(HELLO)).option("--no-agent");
    let server = launch.option("--listen").option(format!("127.0.0.1:{public}")).start();
    assert_eq!(get(public, "/").text(), "hello");
    server.wait_for_stderr("agent");
}

#[test]
fn a_command_that_is_not_node_is_served() {
    let public = free_port();
    let script = "exec python3 -u -m http.server --bind 127.0.0.1 \"$PORT\"";
    let app = App::command(&["sh", "-c", script], &[("page.txt", "from python")]);
    let mut server = Launch::plimsoll(app).option("--listen").option(format!("127.0.0.1:{public}")).start();
    assert_eq!(get(public, "/page.txt").text(), "from python");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn an_executable_script_is_a_command() {
    let script = format!("#!/usr/bin/env node\n{HELLO}");
    let app = App::command(&["sh", "-c", "chmod +x app.js && exec ./app.js"], &[("app.js", &script)]);
    let server = Launch::plimsoll(app).start();
    assert_eq!(server.get("/").text(), "hello");
    let mode = fs::metadata(server.directory().join("app.js")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

/// Answers with the CPU scheduling policy (`policy` in proc(5)) of each of its threads, by name.
const POLICIES: &str = r"
const fs = require('node:fs')
const policies = () => fs.readdirSync('/proc/self/task').map((id) => {
  const [, name, rest] = /\((.*)\) (.*)/.exec(fs.readFileSync(`/proc/self/task/${id}/stat`, 'utf8'))
  return [name, Number(rest.split(' ')[38])]
})
require('node:http').createServer((request, response) => response.end(JSON.stringify(policies()))).listen(process.env.PORT)
";

#[test]
fn a_worker_has_the_cpu_scheduling_it_is_to_have_and_its_watchdog_never_waits() {
    const WATCHDOG: &str = "plimsoll-watch";
    for (setting, expected) in [(None, libc::SCHED_OTHER), (Some("batch"), libc::SCHED_BATCH)] {
        let mut launch = Launch::plimsoll(App::source(POLICIES));
        if let Some(setting) = setting {
            launch = launch.env("PLIMSOLL_WORKERS_CPU_SCHEDULING", setting);
        }
        let threads: Vec<(String, i32)> = serde_json::from_value(launch.start().get_json("/")).unwrap();
        let (watchdogs, others): (Vec<_>, Vec<_>) = threads.iter().partition(|(name, _)| name == WATCHDOG);
        assert!(watchdogs.iter().all(|(_, policy)| *policy == libc::SCHED_OTHER), "{threads:?}");
        assert!(others.iter().all(|(_, policy)| *policy == expected), "{threads:?}");
        assert_eq!((watchdogs.len(), others.len() > 1), (1, true), "{threads:?}");
    }
}
