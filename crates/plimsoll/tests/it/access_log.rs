//! The access log: which requests have a line, and what it says.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Client, Launch, Server, until};

const APP: &str = "
    const { createServer } = require('node:http');
    createServer((request, response) => {
        const [, kind] = request.url.split(/[/?]/);
        const reqId = request.headers['x-request-id'];
        if (kind === 'log') console.log(JSON.stringify({ level: 30, reqId, msg: 'served' }));
        if (kind === 'fail') response.statusCode = 503;
        if (kind === 'die') process.exit(1);
        if (kind === 'own') response.setHeader('X-Request-Id', 'made-by-the-app');
        if (kind === 'block') { const end = Date.now() + 400; while (Date.now() < end); }
        if (kind === 'slow') return setTimeout(() => response.end('late'), 300);
        if (kind === 'cut') {
            response.writeHead(200, { 'content-length': 100 });
            return response.write('half', () => setImmediate(() => request.socket.destroy()));
        }
        response.end('hello');
    }).listen(process.env.PORT);
";

fn start(mode: &str, more: &[(&str, &str)]) -> Server {
    let launch = Launch::plimsoll(App::source(APP)).option("--access-log").option(mode);
    more.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start()
}

/// Lines of the access log on stdout.
fn lines(server: &Server) -> Vec<Value> {
    let stdout = server.stdout();
    let all = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(|line| line.get("total_ms").is_some()).collect()
}

fn line(server: &Server, target: &str) -> Value {
    until("the line has come", || lines(server).into_iter().find(|line| line["target"] == target))
}

/// Asks with a request id, and does not mind how it ends.
fn ask(server: &Server, target: &str, id: &str) {
    let mut client = server.connect();
    let sent = client.try_send(format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\nUser-Agent: t\"t\r\nConnection: close\r\n\r\n"
    ));
    if sent.is_ok() {
        let _whole_or_cut = client.rest();
    }
}

#[test]
fn by_default_requests_that_failed_have_a_line_and_others_none() {
    let server = Launch::plimsoll(App::source(APP)).start();
    ask(&server, "/fine", "r0");
    ask(&server, "/fail/7?a=b", "r1");
    let failed = line(&server, "/fail/7?a=b");
    assert_eq!((&failed["status"], &failed["level"]), (&Value::from(503), &Value::from("error")), "{failed}");
    assert_eq!((&failed["route"], &failed["method"]), (&Value::from("/fail/:id"), &Value::from("GET")));
    assert_eq!((&failed["worker"], &failed["bytes"]), (&Value::from(0), &Value::from(5)));
    assert_eq!((&failed["request_id"], &failed["user_agent"]), (&Value::from("r1"), &Value::from("t\"t")));
    assert_eq!(failed["client"], "127.0.0.1");
    assert!(failed["first_byte_ms"].as_f64() <= failed["total_ms"].as_f64(), "{failed}");

    ask(&server, "/cut", "r2");
    let cut = line(&server, "/cut");
    assert_eq!((&cut["error"], &cut["status"]), (&Value::from("cut"), &Value::from(200)), "{cut}");
    ask(&server, "/die", "r3");
    let died = line(&server, "/die");
    assert_eq!((&died["error"], &died["status"]), (&Value::from("worker_died"), &Value::from(502)), "{died}");
    let mut client = server.connect();
    client.send("GET /refused HTTP/1.1\r\nno header\r\n\r\n");
    assert_eq!(client.response("GET").status, 400);
    let refused = line(&server, "/refused");
    assert_eq!((&refused["error"], &refused["level"]), (&Value::from("bad_request"), &Value::from("warn")));
    assert_eq!(lines(&server).len(), 4, "{}", server.stdout());
}

#[test]
fn all_have_a_line_the_last_one_too() {
    let mut server = start("all", &[]);
    ask(&server, "/own", "");
    assert_eq!(line(&server, "/own")["request_id"], "made-by-the-app");
    let mut kept = server.connect();
    for number in 0..50 {
        kept.send(format!("GET /users/{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(kept.response("GET").status, 200);
    }
    // It is in flight when the drain begins.
    kept.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it is in flight", || (server.status()["workers"][0]["in_flight"] == 1).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(kept.response("GET").status, 200);
    assert_eq!(server.exit_code(), 0);
    let lines = lines(&server);
    let users = lines.iter().filter(|line| line["target"].as_str().unwrap().starts_with("/users/"));
    assert_eq!(users.count(), 50);
    let slow = lines.iter().find(|line| line["target"] == "/slow").unwrap();
    assert!(slow["total_ms"].as_f64() >= Some(290.0), "{slow}");
}

#[test]
fn the_combined_format_goes_where_the_log_goes_and_can_be_asked_for() {
    let server = start("all", &[("PLIMSOLL_LOGS_ACCESS_FORMAT", "combined")]);
    ask(&server, "/x?y", "one");
    let ended = "] \"GET /x?y HTTP/1.1\" 200 5 \"-\" \"t\\x22t\"\n";
    until("the line has come", || server.stdout().contains(ended).then_some(()));
    assert!(server.stdout().starts_with("127.0.0.1 - - ["), "{}", server.stdout());
    let output = server.plimsoll(&["logs", "--request", "one", "--json"]);
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&record["stream"], &record["shape"]), (&Value::from("gateway"), &Value::from("plain")));
}

#[test]
fn a_line_belongs_to_the_lines_of_its_request() {
    let server = start("all", &[]);
    ask(&server, "/log", "joined");
    let found = until("both are there", || {
        let output = server.plimsoll(&["logs", "--request", "joined", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().count() == 2).then_some(text)
    });
    assert!(found.contains("\"stream\":\"gateway\"") && found.contains("\"stream\":\"stdout\""), "{found}");
}

#[test]
fn what_is_sampled_is_sampled_with_the_lines_of_the_app() {
    let server = start("sample", &[("PLIMSOLL_LOGS_SAMPLE", "0.1")]);
    let mut client = server.connect();
    for number in 0..400 {
        client.send(format!("GET /log HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-{number}\r\n\r\n"));
        assert_eq!(client.response("GET").status, 200);
    }
    ask(&server, "/fail", "failed");
    assert_eq!(line(&server, "/fail")["status"], 503, "whatever the share");
    let ids = |is_access: bool| -> BTreeSet<String> {
        let stdout = server.stdout();
        let all = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let all = all.filter(|line| line["msg"] != "GET /fail 503");
        let of = all.filter(|line| line.get("total_ms").is_some() == is_access);
        of.filter_map(|line| line["request_id"].as_str().or(line["reqId"].as_str()).map(str::to_owned))
            .collect()
    };
    until("each kept request has both", || (ids(true) == ids(false) && !ids(true).is_empty()).then_some(()));
    assert!(ids(true).len() < 200, "{}", ids(true).len());
}

#[test]
fn a_request_that_was_taken_back_says_so() {
    let server = start("all", &[("PLIMSOLL_WORKERS_COUNT", "2")]);
    until("one was taken back", || {
        let mut blocking: Vec<Client> = (0..2).map(|_| server.connect()).collect();
        blocking[0].send("GET /block HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        for _ in 0..8 {
            ask(&server, "/quick", "");
        }
        let _answered = blocking[0].response("GET");
        lines(&server).iter().any(|line| line["rescued"].as_u64() > Some(0)).then_some(())
    });
    let rescued = lines(&server).into_iter().find(|line| line["rescued"].as_u64() > Some(0)).unwrap();
    assert!(rescued["queue_ms"].as_f64() > Some(0.0), "{rescued}");
}
