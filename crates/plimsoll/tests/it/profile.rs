//! Profiles and heap snapshots of running workers, as a user takes them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Launch, Server, meanwhile, signal, until};

/// `/work` spends its time in `formatRows`, line 2. `JSON` calls it, as V8 may build into its caller what is called by
/// JavaScript.
/// `/block` holds the loop until there is a file `go`.
const APP: &str = "
function formatRows () { let text = ''; for (let i = 0; i < 300000; i++) text += (i * 1.5).toFixed(2); return text.length }
function wait () { const fs = require('node:fs'); while (!fs.existsSync('go')); }
function stall () { for (const end = Date.now() + 400; Date.now() < end;); }
const http = require('node:http');
const server = http.createServer((request, response) => {
  if (request.url === '/work') JSON.stringify({ toJSON: formatRows });
  if (request.url === '/block') { process.stdout.write('blocked\\n'); wait(); }
  if (request.url === '/stall') stall();
  response.end('done');
});
process.on('SIGTERM', () => server.close(() => process.exit(0)));
server.listen(process.env.PORT);
";

fn start(workers: u16) -> Server {
    let server =
        Launch::plimsoll(App::command(&["node", "app.js"], &[("app.js", APP)])).workers(workers).start();
    server.workers(workers.into());
    server
}

/// Where the files of a test go.
fn directory(server: &Server) -> PathBuf {
    let path = server.directory().join("profiles");
    let _made_before = fs::create_dir(&path);
    path
}

fn profile(server: &Server, options: &[&str]) -> Output {
    let directory = directory(server);
    server.plimsoll(&[&["profile", "--output", directory.to_str().unwrap()], options].concat())
}

fn text(output: &Output) -> (String, String) {
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (utf8(&output.stdout), utf8(&output.stderr))
}

/// Asks for `target` again and again while `act` runs.
fn under_load<T>(server: &Server, target: &str, act: impl FnOnce() -> T) -> T {
    meanwhile([|| assert_eq!(server.get(target).status, 200)], act)
}

/// Waits until `count` workers have begun to be profiled since the start.
fn wait_for_begun(server: &Server, count: usize) {
    until("a profile has begun", || {
        (server.stderr().matches("a cpu profile").count() >= count).then_some(())
    });
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_hot_function_is_named_first() {
    let server = start(1);
    let output = under_load(&server, "/work", || profile(&server, &["--seconds", "2"]));
    let (shown, said) = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is profiled for 2 s"), "{said}");
    assert!(shown.contains("fix first\n  1. formatRows (app.js:2) takes "), "{shown}");
    let directory = directory(&server);
    let names = files(&directory);
    let endings: Vec<&str> = names.iter().map(|name| name.split_once('.').unwrap().1).collect();
    assert_eq!(endings, ["cpuprofile", "pb.gz", "svg"]);
    for name in &names {
        let mode = fs::metadata(directory.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let svg = fs::read_to_string(directory.join(&names[2])).unwrap();
    assert!(svg.contains("<svg") && svg.contains("formatRows (app.js:2)"));
    let raw: Value = serde_json::from_slice(&fs::read(directory.join(&names[0])).unwrap()).unwrap();
    assert!(raw["nodes"].is_array());
    assert!(fs::read(directory.join(&names[1])).unwrap().starts_with(&[0x1f, 0x8b]));
    // Nothing of it stays with the worker.
    let left = walk(&server.directory().join("run"));
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("profile-")), "{left:?}");
}

/// All files below a directory.
fn walk(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn json_has_the_report_and_overwrites_nothing() {
    let server = start(1);
    let options = ["--seconds", "1", "--json", "--format", "cpuprofile"];
    let outputs = [profile(&server, &options), profile(&server, &options)];
    for output in &outputs {
        let (shown, said) = text(output);
        let last: Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
        assert_eq!((output.status.success(), last["worker"].as_u64(), said.as_str()), (true, Some(0), ""));
        assert!(last["report"]["duration_us"].as_u64().unwrap() > 0, "{last}");
        assert!(Path::new(last["files"][0]["path"].as_str().unwrap()).exists(), "{last}");
    }
    assert_eq!(files(&directory(&server)).len(), 2);
}

#[test]
fn a_second_profile_of_a_worker_is_refused() {
    let server = start(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| profile(&server, &["--seconds", "3", "--worker", "1"]));
        wait_for_begun(&server, 1);
        let second = profile(&server, &["--seconds", "1", "--worker", "1"]);
        assert_eq!(second.status.code(), Some(1));
        assert!(
            text(&second).1.contains("worker 1: another profile or snapshot of it is being taken"),
            "{second:?}"
        );
        let (worker_0, snapshot) = (
            profile(&server, &["--seconds", "1", "--worker", "0"]),
            server.plimsoll(&["heap-snapshot", "--worker", "1", "--output", "/nowhere/x"]),
        );
        assert!(worker_0.status.success(), "{worker_0:?}");
        assert!(text(&snapshot).1.contains("another profile"), "{snapshot:?}");
        assert!(first.join().unwrap().status.success());
    });
}

#[test]
fn a_worker_that_dies_meanwhile_is_told() {
    let server = start(1);
    let worker = server.workers(1)[0];
    thread::scope(|scope| {
        let profile = scope.spawn(|| profile(&server, &["--seconds", "60"]));
        wait_for_begun(&server, 1);
        signal(worker, Signal::KILL);
        let output = profile.join().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).1.contains("worker 0: its process ended before it was done"), "{output:?}");
    });
    until("another one stands there", || (server.workers(1)[0] != worker).then_some(()));
    assert!(profile(&server, &["--seconds", "1"]).status.success());
}

#[test]
fn a_blocked_worker_cannot_begin_and_serves_on_afterwards() {
    let server = start(1);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.get("/block").status, 200));
        server.wait_for_stdout("blocked");
        let output = profile(&server, &["--seconds", "1"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).1.contains("nothing was taken: worker 0: its event loop has"), "{output:?}");
        fs::write(server.directory().join("go"), "").unwrap();
    });
    // What it was asked too late it has given up.
    until("a profile is taken", || profile(&server, &["--seconds", "1"]).status.success().then_some(()));
}

#[test]
fn one_who_leaves_ends_the_profile() {
    let server = start(1);
    let directory = server.directory().join("run");
    let mut asker = server.spawn_plimsoll(&["profile", "--seconds", "300"]);
    wait_for_begun(&server, 1);
    asker.kill().unwrap();
    asker.wait().unwrap();
    until("the worker is free", || profile(&server, &["--seconds", "1"]).status.success().then_some(()));
    assert!(!walk(&directory).iter().any(|path| path.to_string_lossy().contains("profile-")));
}

#[test]
fn a_stall_is_waited_for_and_shown() {
    let server = start(2);
    thread::scope(|scope| {
        let armed = scope.spawn(|| profile(&server, &["--on-stall", "--threshold", "300"]));
        wait_for_begun(&server, 2);
        assert_eq!(server.get("/").status, 200);
        assert_eq!(server.get("/stall").status, 200);
        let output = armed.join().unwrap();
        let (shown, said) = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(shown.contains("the event loop stood still for "), "{shown}");
        assert!(shown.contains("1. stall (app.js:4) takes "), "{shown}");
    });
    // The other worker does not go on.
    until("the workers are free", || {
        let both = ["0", "1"].map(|worker| profile(&server, &["--seconds", "1", "--worker", worker]));
        both.iter().all(|output| output.status.success()).then_some(())
    });
}

#[test]
fn a_stall_is_waited_for_also_while_the_first_worker_is_profiled() {
    let server = start(2);
    thread::scope(|scope| {
        let first = scope.spawn(|| profile(&server, &["--seconds", "60", "--worker", "0"]));
        wait_for_begun(&server, 1);
        let armed = scope.spawn(|| profile(&server, &["--on-stall", "--threshold", "300"]));
        wait_for_begun(&server, 2);
        until("the other one stands still", || {
            assert_eq!(server.get("/stall").status, 200);
            armed.is_finished().then_some(())
        });
        let (shown, said) = text(&armed.join().unwrap());
        assert!(shown.contains("the event loop stood still for "), "{shown} {said}");
        // Who is profiled need not be waited for.
        signal(server.workers(2)[0], Signal::KILL);
        assert_eq!(first.join().unwrap().status.code(), Some(1));
    });
}

#[test]
fn who_stands_still_because_it_was_ordered_is_told_so() {
    let kept = "globalThis.kept = Array.from({ length: 500000 }, (_, id) => ({ id, name: `row ${id}` }));";
    let app = App::command(&["node", "app.js"], &[("app.js", &format!("{kept}{APP}"))]);
    let server = Launch::plimsoll(app).workers(1).env("PLIMSOLL_EVENT_LOOP_STALL_THRESHOLD", "20ms").start();
    server.workers(1);
    assert!(profile(&server, &["--seconds", "1"]).status.success());
    server.wait_for_stderr(" in the profile that was ordered");
    let file = server.directory().join("heap.heapsnapshot");
    assert!(server.plimsoll(&["heap-snapshot", "--output", file.to_str().unwrap()]).status.success());
    server.wait_for_stderr(" in the heap snapshot that was ordered");
}

#[test]
fn a_heap_snapshot_is_a_file_for_its_owner() {
    let server = start(1);
    let file = server.directory().join("heap.heapsnapshot");
    let arguments = ["heap-snapshot", "--output", file.to_str().unwrap()];
    let output = server.plimsoll(&arguments);
    let (shown, said) = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(shown.contains("heap.heapsnapshot (") && said.contains("answers nothing"), "{shown} {said}");
    let snapshot: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(snapshot["snapshot"]["meta"].is_object());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = server.plimsoll(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again).1.contains("exists already"), "{again:?}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_reason() {
    let server = start(1);
    for (options, code, reason) in [
        (&["--worker", "7"][..], 1, "there is no worker 7: the last one is 0"),
        (&["--output", "/nowhere"], 2, "/nowhere is not a directory"),
        (&["--seconds", "0"], 2, "0 is not in 1..=300"),
        (&["--format", "png"], 2, "invalid value 'png'"),
        (&["--threshold", "100"], 2, "--on-stall"),
    ] {
        let output = server.plimsoll(&[&["profile"], options].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output).1.contains(reason), "{output:?}");
    }
    let plain =
        Launch::plimsoll(App::command(&["node", "app.js"], &[("app.js", APP)])).option("--no-agent").start();
    let output = profile(&plain, &["--seconds", "1"]);
    assert!(text(&output).1.contains("the app runs without the agent"), "{output:?}");
}
