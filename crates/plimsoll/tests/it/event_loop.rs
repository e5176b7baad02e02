//! No request waits behind a loop that does not turn while another worker is free.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::harness::{App, Client, Launch, Response, Server, signal, until};

const LEDGER: &str = include_str!("apps/ledger.js");

fn start(workers: u16) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let launch = Launch::plimsoll(App::source(LEDGER)).workers(workers);
    (launch.env("LEDGER", ledger.to_str().unwrap()).start(), folder)
}

fn post(server: &Server, id: usize) -> Client {
    let mut client = server.connect();
    client.send(format!("POST /run?id={id} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
    client
}

/// Posts until so many wait in the gateway. How many the worker is sent before that is a matter of windows, threads and
/// time.
fn fill(server: &Server, waiting: u64) -> Vec<Client> {
    let mut clients = Vec::new();
    until("requests wait in the gateway", || {
        let first = clients.len();
        clients.extend((first..first + 10).map(|id| post(server, id)));
        (figure(server, "queued") >= waiting).then_some(())
    });
    clients
}

fn figure(server: &Server, name: &str) -> u64 {
    server.status()["requests"][name].as_u64().unwrap()
}

fn assert_ran_once(folder: &tempfile::TempDir, ids: usize) {
    let ledger = fs::read_to_string(folder.path().join("ledger")).unwrap();
    for id in 0..ids {
        let line = format!("run {id}");
        assert_eq!(ledger.lines().filter(|there| *there == line).count(), 1, "{line} in:\n{ledger}");
    }
}

#[test]
fn what_a_stopped_worker_was_sent_is_served_by_another() {
    let (server, folder) = start(2);
    let stopped = server.workers(2)[0];
    signal(stopped, Signal::STOP);
    let mut clients: Vec<_> = (0..20).map(|id| post(&server, id)).collect();
    for client in &mut clients {
        assert_eq!(client.response("POST").text(), "5");
    }
    assert!(figure(&server, "rescued") > 0, "{}", server.status());
    signal(stopped, Signal::CONT);
    until("the worker that was stopped serves again", || {
        let before = server.status()["workers"][0]["requests"].as_u64();
        server.get("/run?id=more");
        (server.status()["workers"][0]["requests"].as_u64() > before).then_some(())
    });
    assert_ran_once(&folder, 20);
}

/// The rest of its body goes to the other worker. What the late one was sent of it holds nothing there.
#[test]
fn a_rescued_request_whose_body_is_still_to_come_leaves_nothing_behind() {
    let (server, folder) = start(2);
    let workers = server.workers(2);
    signal(workers[0], Signal::STOP);
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for (id, client) in clients.iter_mut().enumerate() {
        client.send(format!("POST /run?id={id} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
    }
    until("requests are rescued", || (figure(&server, "rescued") > 0).then_some(()));
    signal(workers[0], Signal::CONT);
    for client in &mut clients {
        client.send("lo");
        assert_eq!(client.response("POST").text(), "5");
    }
    let in_flight = || -> Option<u64> {
        server.status()["workers"].as_array()?.iter().map(|worker| worker["in_flight"].as_u64()).sum()
    };
    until("nothing is in flight", || (in_flight()? == 0).then_some(()));
    assert_ran_once(&folder, clients.len());
}

/// Nobody will serve them: they must not wait for ever.
#[test]
fn who_waits_for_a_server_that_the_app_closes_is_told() {
    let app = "const server = require('node:http').createServer((request, response) => {
        if (request.url !== '/close') return response.end('served');
        const fs = require('node:fs');
        console.log('blocked');
        while (!fs.existsSync('close'));
        server.close();
        while (!fs.existsSync('go'));
        response.end('closed');
    }).listen(process.env.PORT);
    setInterval(() => {}, 1000)";
    let server = Launch::plimsoll(App::source(app)).start();
    let mut closing = server.connect();
    closing.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("blocked");
    let mut waiting = fill(&server, 20);
    fs::write(server.directory().join("close"), "").unwrap();
    // Those that the worker has been sent already are its own.
    let answers = waiting.iter_mut().rev().take(20).map(|client| client.response("POST"));
    let told = answers.filter(|answer| answer.header("x-plimsoll-error") == Some("no_worker")).count();
    assert_eq!(told, 20, "{}", server.status());
    fs::write(server.directory().join("go"), "").unwrap();
    assert_eq!(closing.response("GET").text(), "closed");
}

#[test]
fn what_no_worker_can_begin_waits_and_is_served() {
    let (server, folder) = start(1);
    let worker = server.workers(1)[0];
    signal(worker, Signal::STOP);
    let mut clients = fill(&server, 20);
    signal(worker, Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.response("POST").text(), "5");
    }
    assert_ran_once(&folder, clients.len());
}

#[test]
fn who_waited_in_the_gateway_is_served_by_the_next_worker_when_this_one_dies() {
    let (server, folder) = start(1);
    let worker = server.workers(1)[0];
    signal(worker, Signal::STOP);
    let mut clients = fill(&server, 20);
    signal(worker, Signal::KILL);
    for client in &mut clients {
        assert_eq!(client.response("POST").text(), "5");
    }
    assert_ran_once(&folder, clients.len());
}

#[test]
fn a_client_that_leaves_the_queue_is_not_served() {
    let (server, folder) = start(1);
    let worker = server.workers(1)[0];
    signal(worker, Signal::STOP);
    let mut clients = fill(&server, 8);
    let left = clients.pop();
    drop(left);
    until("the gateway has noticed", || {
        let metrics = server.admin("/metrics").text();
        metrics.contains("http_response_status_code=\"499\"").then_some(())
    });
    signal(worker, Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.response("POST").text(), "5");
    }
    assert_ran_once(&folder, clients.len());
    let ledger = fs::read_to_string(folder.path().join("ledger")).unwrap();
    assert!(!ledger.lines().any(|line| line == format!("run {}", clients.len())), "{ledger}");
}

#[test]
fn who_leaves_while_no_worker_listens_is_not_served() {
    let app = "const fs = require('node:fs');
    const server = require('node:http').createServer((request, response) => {
        fs.appendFileSync('ran', request.url + '\\n');
        response.end('served');
    });
    const listen = () => server.listen(process.env.PORT);
    if (!fs.existsSync('again')) { fs.writeFileSync('again', ''); listen(); }
    else {
        console.log('waits');
        const look = setInterval(() => { if (fs.existsSync('gate')) { clearInterval(look); listen(); } }, 5);
    }";
    let server = Launch::plimsoll(App::source(app)).start();
    signal(server.workers(1)[0], Signal::KILL);
    server.wait_for_stdout("waits");
    let ask = |target: &str| {
        let mut client = server.connect();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
        client
    };
    let (impatient, mut patient) = (ask("/impatient"), ask("/patient"));
    drop(impatient);
    until("the gateway has noticed", || {
        let metrics = server.admin("/metrics").text();
        metrics.contains("http_response_status_code=\"499\"").then_some(())
    });
    fs::write(server.directory().join("gate"), "").unwrap();
    assert_eq!(patient.response("POST").text(), "served");
    assert_eq!(fs::read_to_string(server.directory().join("ran")).unwrap(), "/patient\n");
}

const TEN_MS_EACH: &str = "require('node:http').createServer((request, response) => {
    const end = performance.now() + 10;
    while (performance.now() < end);
    response.end('served');
}).listen(process.env.PORT)";

fn ask(port: u16) -> Response {
    let mut client = Client::connect(("127.0.0.1", port));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response("GET")
}

#[test]
fn where_clients_would_rather_wait_nobody_is_refused() {
    // Two seconds of work for one worker, and 640 ms of waiting for each.
    let server =
        Launch::plimsoll(App::source(TEN_MS_EACH)).env("PLIMSOLL_EVENT_LOOP_SHED_AFTER", "off").start();
    let port = server.port();
    let asking: Vec<_> =
        (0..64).map(|_| std::thread::spawn(move || [(); 3].map(|()| ask(port).status))).collect();
    for one in asking {
        assert_eq!(one.join().unwrap(), [200; 3]);
    }
}

#[test]
fn an_overload_is_answered_503_and_what_is_taken_is_served() {
    let server = Launch::plimsoll(App::source(TEN_MS_EACH)).start();
    let port = server.port();
    let ask = move || ask(port);
    let refused = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..64)
        .map(|_| {
            let refused = Arc::clone(&refused);
            std::thread::spawn(move || {
                let mut served = 0;
                until("somebody is refused", || {
                    let response = ask();
                    if response.status == 200 {
                        served += 1;
                    } else {
                        assert_eq!((response.status, response.error_code()), (503, Some("overloaded")));
                        assert_eq!(response.header("retry-after"), Some("1"));
                        refused.store(true, Ordering::Relaxed);
                    }
                    refused.load(Ordering::Relaxed).then_some(())
                });
                served
            })
        })
        .collect();
    let served: u32 = asking.into_iter().map(|one| one.join().unwrap()).sum();
    assert!(served > 0);
    assert_eq!(ask().text(), "served", "afterwards nobody is refused");
}
