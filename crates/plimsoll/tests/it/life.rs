//! The life of workers: started, replaced, stopped; and commands that are not what they should be.

use crate::program::{Program, free_port, get};

const APP: &str = "
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/die') process.exit(7)
  response.end(`${process.env.PLIMSOLL_WORKER} of ${process.env.PLIMSOLL_WORKERS} in ${process.pid}`)
})
server.listen(process.env.PORT, () => console.log('app listens'))
process.on('SIGTERM', () => { console.log('app got SIGTERM'); server.close(() => process.exit(0)) })
";

/// Hears signals and does not end.
const STUBBORN: &str = "
require('node:http').createServer().listen(process.env.PORT, () => console.log('app listens'))
process.on('SIGTERM', () => console.log('app got SIGTERM'))
";

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn workers_serve_and_a_stop_is_clean() {
    let mut program = Program::start(&["--workers", "2"], &["node", "app.js"], APP);
    program.line("app listens");
    program.line("app listens");
    let answer = program.get("/");
    assert!(answer.contains(" of 2 in "), "{answer}");
    program.signal("-TERM");
    let ended = program.end();
    assert_eq!(ended.code, 0, "{:#?}", ended.lines);
    assert_eq!(count(&ended.lines, "app got SIGTERM"), 2);
    assert_eq!(count(&ended.lines, "drained: "), 1);
}

#[test]
fn a_signal_arrives_once_behind_a_parent_that_passes_it_on() {
    let parent = "node app.js & trap 'kill -TERM $!' TERM; wait; wait";
    let mut program = Program::start(&[], &["sh", "-c", parent], APP);
    program.line("app listens");
    program.signal("-TERM");
    let ended = program.end();
    assert_eq!((ended.code, count(&ended.lines, "app got SIGTERM")), (0, 1), "{:#?}", ended.lines);
}

#[test]
fn a_dead_worker_is_replaced_at_once() {
    let mut program = Program::start(&[], &["node", "app.js"], APP);
    program.line("app listens");
    let first = program.get("/");
    program.get("/die");
    program.line("exited with code 7");
    program.line("app listens");
    let second = program.get("/");
    assert!(first.starts_with("0 of 1") && second.starts_with("0 of 1"));
    assert_ne!(first, second);
    program.signal("-INT");
    assert_eq!(program.end().code, 0);
}

#[test]
fn an_app_that_cannot_start_is_reported_with_its_last_lines() {
    let table: &[(&[&str], &[&str])] = &[
        (&["node", "-e", "console.error('boom'); process.exit(9)"], &["exited with code 9", "  | boom"]),
        (&["node", "-e", "1"], &["without having listened"]),
        (&["no-such-command-here"], &["does not exist", " hint: check its spelling"]),
        (&["./app.js"], &["is not executable", " hint: put the interpreter in front"]),
    ];
    for (command, expected) in table {
        let ended = Program::start(&["--workers", "2"], command, "").end();
        assert_eq!(ended.code, 3, "{command:?}: {:#?}", ended.lines);
        for part in *expected {
            assert_eq!(count(&ended.lines, part), 1, "{part}: {:#?}", ended.lines);
        }
    }
}

#[test]
fn a_second_signal_ends_a_stubborn_app_at_once() {
    let mut program = Program::start(&[], &["node", "app.js"], STUBBORN);
    program.line("app listens");
    program.signal("-TERM");
    program.line("app got SIGTERM");
    program.signal("-TERM");
    assert_eq!(program.end().code, 0);
}

#[test]
fn a_port_that_is_taken_is_the_error_of_the_app() {
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let app = format!("require('node:http').createServer().listen({port}, '127.0.0.1')");
    let ended = Program::start(&[], &["node", "app.js"], &app).end();
    assert_eq!(ended.code, 3, "{:#?}", ended.lines);
    assert!(count(&ended.lines, "EADDRINUSE") >= 2, "{:#?}", ended.lines);
}

#[test]
fn a_command_without_agent_runs_behind_the_gateway() {
    let public = free_port();
    let listen = format!("127.0.0.1:{public}");
    for (options, command) in [
        (&["--workers", "2", "--listen", &listen][..], &["env", "-u", "NODE_OPTIONS", "node", "app.js"][..]),
        (&["--no-agent", "--listen", &listen], &["node", "app.js"]),
    ] {
        let mut program = Program::start(options, command, APP);
        program.line(&format!("listening address={listen}"));
        let answer = get(([127, 0, 0, 1], public).into(), "/");
        assert!(answer.starts_with("0 of "), "{answer}");
        program.signal("-TERM");
        let ended = program.end();
        assert_eq!((ended.code, count(&ended.lines, "app got SIGTERM")), (0, 1), "{:#?}", ended.lines);
    }
}

#[test]
fn an_app_that_may_not_read_the_preload_runs_without_it() {
    let flag = if node_major() >= 24 { "--permission" } else { "--experimental-permission" };
    let script = format!("exec node --no-warnings {flag} --allow-fs-read=$PWD/app.js app.js");
    let mut program = Program::start(&[], &["sh", "-c", &script], APP);
    program.line("runs without the agent");
    program.line("app listens");
    program.line("add `--listen ADDR`");
    assert!(program.get("/").starts_with("0 of 1"));
    program.signal("-TERM");
    assert_eq!(program.end().code, 0);
}

fn node_major() -> u32 {
    let output = std::process::Command::new("node").arg("--version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    version.trim_start_matches('v').split('.').next().unwrap().parse().unwrap()
}

#[test]
fn lines_of_workers_are_never_torn() {
    let app = "
    const letter = 'ab'[process.env.PLIMSOLL_WORKER]
    let left = 300
    const more = () => {
      if (left-- === 0) return require('node:http').createServer().listen(process.env.PORT, () => console.log('app listens'))
      process.stdout.write(letter.repeat(50), () => process.stdout.write(letter.repeat(50) + '\\n', more))
    }
    more()";
    let mut program = Program::start(&["--workers", "2"], &["node", "app.js"], app);
    program.line("app listens");
    program.line("app listens");
    program.signal("-TERM");
    let ended = program.end();
    let whole = |letter: &str| ended.lines.iter().filter(|line| **line == letter.repeat(100)).count();
    assert_eq!((whole("a"), whole("b")), (300, 300));
}

#[test]
fn rubbish_on_the_channel_disturbs_nobody() {
    let hostile = format!(
        "const socket = require('node:net').connect(process.env.PLIMSOLL_AGENT_DIR + '/agent.sock')
        socket.on('error', () => {{}}).end(Buffer.alloc(100000, 255))
        {APP}"
    );
    let mut program = Program::start(&[], &["node", "app.js"], &hostile);
    program.line("the channel of an agent was closed: frame length");
    if count(&program.seen, "app listens") == 0 {
        program.line("app listens");
    }
    assert!(program.get("/").starts_with("0 of 1"));
    program.signal("-TERM");
    assert_eq!(program.end().code, 0);
}
