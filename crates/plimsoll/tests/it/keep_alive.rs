//! The race that every proxy in front of Node knows: the app closes an idle connection just as it is used.

use std::time::{Duration, Instant};

use crate::harness::{App, Client, Launch, pause, until};

/// As an app may have it: a short idle timeout of its own, set before and again after `listen`.
const IMPATIENT: &str = "
    const server = require('node:http').createServer((request, response) => response.end('ok'));
    server.keepAliveTimeout = 1000;
    server.listen(process.env.PORT, () => { server.keepAliveTimeout = 1000; });
";

/// Around the app's timeout, and around the second later at which newer versions of Node really close.
const IDLE_MS: [u64; 12] = [940, 970, 990, 1000, 1010, 1020, 1050, 1960, 1990, 2000, 2010, 2040];

/// A link is used again only where Node's side of it is as clean as ours.
#[test]
fn no_request_is_held_up_by_what_another_client_asked_for() {
    let app = "require('node:http').createServer((request, response) => {
        if (request.url === '/events') return response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
        if (request.url === '/own') response.setHeader('Connection', 'keep-alive');
        request.on('data', () => {}).on('end', () => response.end('served'));
    }).listen(process.env.PORT)";
    let server = Launch::plimsoll(App::source(app)).start();
    let firsts = [
        ("GET", "GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: upgrade\r\nUpgrade: x\r\n\r\n"),
        ("GET", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
        ("GET", "GET / HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x\r\n\r\n"),
        ("HEAD", "HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET", "GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ("GET", "GET /own HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n"),
        ("GET", "GET /own HTTP/1.0\r\n\r\n"),
    ];
    for (method, first) in firsts {
        let mut client = server.connect();
        client.send(first);
        assert_eq!(client.response(method).status, 200, "{first}");
        let mut next = server.connect();
        next.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
        next.send("hi");
        assert_eq!(next.response("POST").text(), "served", "{first}");
        assert_eq!(server.get("/").text(), "served", "{first}");
    }
}

/// A client has all of an answer when its length is reached, which the app may notice late or never.
#[test]
fn no_request_waits_for_the_end_of_an_answer_that_its_client_has() {
    let app = "require('node:http').createServer((request, response) => {
        if (request.url === '/next') return response.end('next');
        response.writeHead(200, { 'Content-Length': 2 }).write('ok');
        if (request.url === '/breaks') setTimeout(() => response.destroy(), 1);
    }).listen(process.env.PORT)";
    for trunks in ["auto", "off"] {
        let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks).start();
        let mut clients = [server.connect(), server.connect()];
        for round in 0..30 {
            let first = if round % 2 == 0 { "/hangs" } else { "/breaks" };
            clients[0].send(format!("GET {first} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(clients[0].response("GET").text(), "ok");
            let begun = Instant::now();
            clients[1].send("POST /next HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
            let answer = clients[1].response("POST");
            assert_eq!((answer.status, answer.text().as_str()), (200, "next"), "{trunks} {round}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{trunks} {round}: {:?}", begun.elapsed());
        }
    }
}

/// Also those that come while its end is looked for.
#[test]
fn a_file_that_an_app_pipes_is_seen_to_its_end() {
    let app = "
        const fs = require('node:fs');
        const ends = { finish: 0, close: 0 };
        fs.writeFileSync('file', 'x'.repeat(5000));
        require('node:http').createServer((request, response) => {
            if (request.url === '/ends') return response.end(JSON.stringify(ends));
            for (const name of Object.keys(ends)) response.on(name, () => { ends[name]++ });
            response.setHeader('Content-Length', 5000);
            fs.createReadStream('file').pipe(response);
        }).listen(process.env.PORT)";
    let server = Launch::plimsoll(App::source(app)).start();
    let mut client = server.connect();
    for _ in 0..500 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").body.len(), 5000);
    }
    let ends = until("all are over", || {
        let ends = server.get_json("/ends");
        (ends["close"] == 500).then_some(ends)
    });
    // A machine that stands still for two milliseconds may cost one its end.
    assert!(ends["finish"].as_u64() >= Some(450), "{ends}");
}

/// Node closes the connection when the app has been done with its answer for `keepAliveTimeout`.
#[test]
fn an_answer_that_is_shorter_than_it_said_comes_to_an_end() {
    let app = "require('node:http').createServer((request, response) => {
        response.writeHead(200, { 'Content-Length': 10 }).end('hi');
    }).listen(process.env.PORT)";
    let one = |launch: Launch| {
        let server = launch.start();
        let mut client = server.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let (bytes, is_whole) = client.until_closed("GET");
        assert!(bytes.ends_with(b"\r\n\r\nhi") && !is_whole, "{}", String::from_utf8_lossy(&bytes));
        // What is never an answer's body is not waited for.
        client = server.connect();
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("HEAD").status, 200);
        server
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one(Launch::plain(App::source(app))));
        for trunks in ["auto", "off"] {
            scope.spawn(move || {
                let server = one(Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks));
                until("nothing is in flight", || {
                    (server.status()["workers"][0]["in_flight"] == 0).then_some(())
                });
            });
        }
    });
}

/// Idle links of one gateway thread are no reason to refuse a connection of another.
#[test]
fn a_server_that_wants_few_connections_is_not_full_of_idle_ones() {
    let app =
        "const server = require('node:http').createServer((request, response) => response.end('served'));
        server.maxConnections = 1;
        server.listen(process.env.PORT)";
    for trunks in ["auto", "off"] {
        let launch = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_TRUNKS", trunks);
        let server = launch.env("PLIMSOLL_GATEWAY_THREADS", "2").start();
        for round in 0..100 {
            assert_eq!(server.get("/").text(), "served", "{trunks} {round}");
        }
    }
}

/// Each with the end of what its client sends right behind it.
#[test]
fn all_of_several_requests_are_answered_though_their_client_sends_no_more() {
    let app = "require('node:http').createServer((request, response) => response.end(request.url)).listen(process.env.PORT)";
    for server in [Launch::plain(App::source(app)).start(), Launch::plimsoll(App::source(app)).start()] {
        let mut client = server.connect();
        client
            .send(["/1", "/2", "/3"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).concat());
        client.finish_sending();
        for path in ["/1", "/2", "/3"] {
            assert_eq!(client.response("GET").text(), path);
        }
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn a_link_that_was_idle_never_loses_a_request() {
    let server = Launch::plimsoll(App::source(IMPATIENT)).start();
    // Each client is one kept-alive connection with its own rhythm; POST, so that nothing can be sent again.
    let mut clients: Vec<(Duration, Client)> =
        IDLE_MS.iter().map(|&idle| (Duration::from_millis(idle), server.connect())).collect();
    std::thread::scope(|scope| {
        for (idle, client) in &mut clients {
            scope.spawn(move || {
                for round in 0..4 {
                    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
                    let answer = client.response("POST");
                    assert_eq!(answer.status, 200, "round {round} after {idle:?}: {answer:?}");
                    pause(*idle);
                }
            });
        }
    });
}

#[test]
fn links_that_a_burst_has_left_are_closed_though_nobody_comes_any_more() {
    // All are answered when the last of them has come, so that each has a link of its own.
    let app = "
        const waiting = [];
        require('node:http').createServer((request, response) => {
            if (request.url === '/') return response.end('ok');
            if (waiting.push(response) === 32) for (const one of waiting) one.end('ok');
        }).listen(process.env.PORT);
    ";
    let server = Launch::plimsoll(App::source(app))
        .env("PLIMSOLL_GATEWAY_LINK_IDLE_TIMEOUT", "2s")
        .env("PLIMSOLL_GATEWAY_TRUNKS", "off")
        .start();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert_eq!(server.get("/").status, 200);
    let before = files();
    let mut clients: Vec<Client> = (0..32).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"));
    clients.iter_mut().for_each(|client| assert_eq!(client.response("GET").status, 200));
    assert!(files() >= before + 60, "a connection and a link each");
    drop(clients);
    until("all is as before", || (files() <= before).then_some(()));
}

#[test]
fn an_idle_client_is_kept_longer_than_the_app_would() {
    let server = Launch::plimsoll(App::source(IMPATIENT)).start();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.response("GET").status, 200);
        pause(Duration::from_millis(2500));
    }
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").status, 200);
}

/// Whatever the gateway does with idle connections, the app finds what it set, and its clients are told so.
#[test]
fn the_app_reads_back_the_timeouts_that_it_set() {
    let app = "
        const server = require('node:http').createServer((request, response) => {
          const { keepAliveTimeout, headersTimeout, requestTimeout, timeout } = server;
          const own = Object.getOwnPropertyDescriptor(server, 'keepAliveTimeout');
          response.end(JSON.stringify({ keepAliveTimeout, headersTimeout, requestTimeout, timeout, own }));
          server.keepAliveTimeout += 1000;
        });
        server.keepAliveTimeout = 71000;
        server.headersTimeout = 72000;
        server.listen(process.env.PORT, () => { server.keepAliveTimeout = 73000; });
    ";
    let seen = |launch: Launch| {
        let server = launch.start();
        let mut client = server.connect();
        [0, 1].map(|_| {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = client.response("GET");
            (answer.text(), answer.header("keep-alive").map(str::to_owned))
        })
    };
    let plimsoll = seen(Launch::plimsoll(App::source(app)));
    assert_eq!(plimsoll, seen(Launch::plain(App::source(app))));
    assert!(plimsoll[1].0.contains("\"keepAliveTimeout\":74000"), "{plimsoll:?}");
    assert_eq!(plimsoll[0].1.as_deref(), Some("timeout=73"));
}
