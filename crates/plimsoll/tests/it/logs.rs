//! What workers print: all of it, whoever reads it, and what is said when that cannot be.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Client, Launch, Server, free_port, get, node, plimsoll, signal, until};

const APP: &str = "
    const { createServer } = require('node:http');
    const error = console.error;
    const routes = {
        '/hello': () => console.log('hello'),
        '/exit': () => {
            for (let line = 0; line < 4000; line++) console.log(`line ${line} ${'x'.repeat(90)}`);
            process.exit(3);
        },
        '/throw': () => setImmediate(() => { throw new TypeError('boom'); }),
        '/odd': () => {
            process.stdout.write(Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
            process.stdout.write(`${'y'.repeat(3_000_000)}\\n`);
            process.stdout.write('half', () => process.kill(process.pid, 'SIGKILL'));
        },
        '/levels': () => {
            console.log(JSON.stringify({ level: 30, reqId: 'one', msg: 'fine' }));
            console.log(JSON.stringify({ level: 40, reqId: 'two', msg: 'doubtful' }));
            error('TypeError: bad\\n    at somewhere');
        },
        '/flood': () => {
            let count = 0;
            const timer = setInterval(() => {
                for (let line = 0; line < 500; line++, count++) {
                    const reqId = `request-${Math.floor(count / 5)}`;
                    console.log(JSON.stringify({ level: count % 1000 === 7 ? 50 : 30, reqId, msg: `m${count}` }));
                }
                if (count >= 60_000) { clearInterval(timer); console.error('flooded'); }
            }, 5);
        },
    };
    createServer((request, response) => {
        routes[request.url]?.();
        response.end('ok');
    }).listen(process.env.PORT);
";

fn start() -> Server {
    Launch::plimsoll(App::source(APP)).start()
}

#[test]
fn everything_printed_before_an_exit_arrives_and_before_the_line_about_it() {
    let server = start();
    let _worker_died = Client::try_get(server.port(), "/exit");
    server.wait_for_stderr("exited with code 3");
    let stdout = server.stdout();
    let lines: Vec<&str> = stdout.lines().filter(|line| line.starts_with("line ")).collect();
    assert_eq!(lines.len(), 4000);
    assert!(lines.iter().enumerate().all(|(number, line)| line.starts_with(&format!("line {number} x"))));
}

#[test]
fn the_last_words_of_a_worker_come_before_the_line_about_its_death() {
    let server = start();
    let _answered_or_not = Client::try_get(server.port(), "/throw");
    server.wait_for_stderr("exited with code 1");
    let stderr = server.stderr();
    let place = |text: &str| stderr.find(text).unwrap_or_else(|| panic!("{text:?} in {stderr}"));
    assert!(place("TypeError: boom\n    at ") < place("exited with code 1"));
}

#[test]
fn odd_lines_are_passed_on_and_endless_ones_cut() {
    let server = start();
    let _worker_died = Client::try_get(server.port(), "/odd");
    server.wait_for_stderr("was killed by SIGKILL");
    let stdout = server.stdout();
    assert!(stdout.starts_with("\u{fffd}\u{fffd}\0\n"), "{:?}", stdout.get(..20));
    assert!(stdout.contains("yyyy [plimsoll: 2737856 bytes cut]\n"));
    assert!(stdout.ends_with("\nhalf\n"));
}

#[test]
fn recent_lines_can_be_asked_for_and_followed() {
    let server = start();
    assert_eq!(server.get("/levels").status, 200);
    let ask = |arguments: &[&str]| {
        let output = server.plimsoll(&[&["logs"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    until("all have come", || ask(&["--level", "error"]).contains("somewhere").then_some(()));
    let warnings = ask(&["--level", "warn"]);
    assert!(warnings.contains("doubtful") && warnings.contains("TypeError: bad\n    at"), "{warnings}");
    assert!(!warnings.contains("fine"), "{warnings}");
    let of_request = ask(&["--request", "one", "--json"]);
    let record: Value = serde_json::from_str(&of_request).unwrap();
    assert_eq!((&record["worker"], &record["level"]), (&Value::from(0), &Value::from("info")));
    assert!(ask(&["--grep", "do[ub]{2}tful"]).contains(" 0 warn  {\"level\":40"));
    assert!(ask(&["--worker", "7"]).is_empty());
    assert!(ask(&["--grep", "^plimsoll: listening"]).contains(" - info "), "our own lines are there too");
    let refused = server.plimsoll(&["logs", "--grep", "("]);
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("regular expression")
    );

    let mut following = plimsoll()
        .args(["logs", "-f", "-n", "0", "--grep", "^hello$", "--name"])
        .arg(server.directory().file_name().unwrap())
        .env("XDG_RUNTIME_DIR", server.directory().join("run"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut followed = following.stdout.take().unwrap();
    let first = std::thread::spawn(move || {
        let mut line = [0; 27];
        followed.read_exact(&mut line).map(|()| String::from_utf8_lossy(&line).into_owned())
    });
    // It is not known when it has begun to follow.
    until("it has been heard of", || {
        server.get("/hello");
        first.is_finished().then_some(())
    });
    following.kill().unwrap();
    following.wait().unwrap();
    assert!(first.join().unwrap().unwrap().contains("info  hello"));
}

#[test]
fn above_the_budget_errors_stay_requests_are_whole_and_counts_are_true() {
    let server = Launch::plimsoll(App::source(APP)).env("PLIMSOLL_LOGS_RATE", "100").start();
    assert_eq!(server.get("/flood").status, 200);
    server.wait_for_stderr("flooded");
    let records = until("all has been decided", || {
        let text = String::from_utf8(server.admin("/metrics").body.clone()).unwrap();
        let counts = text.lines().filter(|line| line.starts_with("plimsoll_logs_lines_total"));
        let sum: u64 = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        // What is held for a moment is not decided yet.
        (sum > 20_000).then(|| server.stdout())
    });
    let records: Vec<Value> = records.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let errors = records.iter().filter(|record| record["level"] == 50).count();
    assert_eq!(errors, 60, "each error stays");
    assert!(records.len() < 30_000, "{} of 60000 were kept", records.len());
    assert!(records.iter().any(|record| record["plimsoll_weight"].as_u64() > Some(1)));
    let mut requests: BTreeMap<&str, u32> = BTreeMap::new();
    for record in &records {
        *requests.entry(record["reqId"].as_str().unwrap()).or_default() += 1;
    }
    let torn = requests.values().filter(|lines| **lines != 5).count();
    assert_eq!(torn, 0, "of {}", requests.len());
    assert!(server.stderr().contains("its budget is 100 (logs.rate)"));
}

#[test]
fn of_requests_that_fail_every_line_stays_whoever_gave_the_id() {
    let app = "
        const { createServer } = require('node:http');
        createServer((request, response) => {
            const [, kind, own] = request.url.split('/');
            const reqId = own || request.headers['x-request-id'];
            console.log(JSON.stringify({ level: 30, reqId, msg: 'begins' }));
            if (own) response.setHeader('X-Request-Id', own);
            response.statusCode = kind === 'fail' ? 503 : 200;
            response.end('ok', () => console.log(JSON.stringify({ level: 30, reqId, msg: 'ends' })));
        }).listen(process.env.PORT);
    ";
    let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_LOGS_SAMPLE", "0.0001").start();
    let send = |target: &str, id: &str| {
        let mut client = server.connect();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n"
        ));
        client.response("GET").status
    };
    // From the first line on the log is sampled.
    assert_eq!(send("/", "first"), 200);
    until("the gateway is asked", || {
        assert_eq!(send("/fail", "asks"), 503);
        server.stdout().contains("asks").then_some(())
    });
    assert_eq!(send("/fine", "good"), 200);
    assert_eq!(send("/fail", "bad"), 503);
    assert_eq!(send("/fail/ours", "theirs"), 503);
    let has = |id: &str| server.stdout().matches(&format!("\"reqId\":\"{id}\"")).count();
    until("both lines of both come", || (has("bad") == 2 && has("ours") == 2).then_some(()));
    assert_eq!(has("good"), 0);
}

#[test]
fn a_stuck_reader_of_stdout_holds_up_nobody_and_is_told_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut plimsoll = plimsoll()
        .args(["run", "--admin", "off", "--", node().to_str().unwrap(), "-e"])
        .arg(
            "require('node:http').createServer((request, response) => {
                if (request.url !== '/much') return response.end('hello');
                for (let i = 0; i < 2000; i++) console.log('z'.repeat(10_000));
                // Answered when the pipe has taken all.
                process.stdout.write('', () => response.end('done'));
            }).listen(process.env.PORT)",
        )
        .current_dir(&directory)
        .env_remove("NODE_OPTIONS")
        .env("XDG_RUNTIME_DIR", directory.path())
        .env("PORT", port.to_string())
        .env("PLIMSOLL_LOGS_RATE", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = plimsoll.stdout.take().unwrap();
    let mut stderr = plimsoll.stderr.take().unwrap();
    until("a request is answered", || (Client::try_get(port, "/") == Some(200)).then_some(()));
    // 20 MB that nobody reads; the answers come all the same.
    for target in ["/much", "/", "/"] {
        assert_eq!(get(port, target).status, 200);
    }
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).unwrap();
        text.len()
    });
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    signal(plimsoll.id(), Signal::TERM);
    let status = until("the process exits", || plimsoll.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let (read, said) = (reading.join().unwrap(), said.join().unwrap());
    assert!(
        read > 0 && said.contains("lines of the app are missing (") || read == 20_002_000,
        "{read} {said}"
    );
}

#[test]
fn of_requests_that_are_slow_for_their_route_every_line_stays() {
    let app = "
        const { createServer } = require('node:http');
        createServer((request, response) => {
            const { searchParams } = new URL(request.url, 'http://app');
            const reqId = request.headers['x-request-id'];
            const log = (msg) => searchParams.has('log') && console.log(JSON.stringify({ level: 30, reqId, msg }));
            log('begins');
            setTimeout(() => response.end('ok', () => log('ends')), Number(searchParams.get('wait')));
        }).listen(process.env.PORT);
    ";
    let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_LOGS_SAMPLE", "0.0001").start();
    let mut client = server.connect();
    let mut send = |target: &str, id: &str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\n\r\n"));
        assert_eq!(client.response("GET").status, 200);
    };
    let has = |id: &str| server.stdout().matches(&format!("\"reqId\":\"{id}\"")).count();
    until("slow ones are kept as a whole", || {
        (0..200).for_each(|_| send("/work", "quiet"));
        send("/work?wait=0&log", "usual");
        send("/work?wait=300&log", "slow");
        (has("slow") >= 2).then_some(())
    });
    assert_eq!(has("usual"), 0);
}
