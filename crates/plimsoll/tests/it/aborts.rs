//! Whoever goes away, the other side learns it.

use std::io::Write as _;
use std::net::Shutdown;

use serde_json::Value;

use crate::harness::{App, Client, Launch, Server, until};

const ABORTS: &str = include_str!("apps/aborts.js");
const CHUNKED: &str = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn both() -> [Server; 2] {
    [Launch::plain(App::source(ABORTS)).start(), Launch::plimsoll(App::source(ABORTS)).start()]
}

/// Does `act` to both and compares what the app wrote down, once it has written `count` lines.
fn same_diary(count: usize, act: impl Fn(&Server)) {
    let [plain, plimsoll] = both().map(|server| {
        act(&server);
        until("the app has noticed", || Some(diary(&server)).filter(|diary| diary.len() >= count))
    });
    assert_eq!(plimsoll, plain);
}

fn diary(server: &Server) -> Vec<String> {
    let diary = server.get_json("/diary");
    // Two emitters of one event may take turns; the set is what an app can rely on.
    let mut lines: Vec<String> = diary.as_array().unwrap().iter().map(Value::to_string).collect();
    lines.sort();
    lines
}

fn wait_for(server: &Server, event: &str) {
    until(event, || diary(server).iter().any(|line| line.contains(event)).then_some(()));
}

#[test]
fn a_client_that_leaves_before_the_answer_is_noticed() {
    same_diary(3, |server| {
        let mut client = server.connect();
        client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        wait_for(server, "started");
    });
}

/// With what the gateway adds to it, it needs more room than a buffer has.
#[test]
fn a_client_whose_request_fills_a_buffer_is_noticed_too() {
    same_diary(3, |server| {
        let mut client = server.connect();
        let head = "POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 16300\r\n\r\n";
        client.send(format!("{head}{}", "x".repeat(16_300)));
        wait_for(server, "started");
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_answer_is_noticed() {
    same_diary(3, |server| {
        let mut client = server.connect();
        client.send("GET /drip HTTP/1.1\r\nHost: a\r\n\r\n");
        client.take_past("drip");
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_chunks_is_noticed() {
    same_diary(5, |server| {
        let mut client = server.connect();
        client.send(format!("POST /read HTTP/1.1\r\n{CHUNKED}3\r\nabc\r\n"));
        wait_for(server, "started");
    });
}

#[test]
fn a_client_that_leaves_short_of_its_length_is_noticed() {
    same_diary(5, |server| {
        let mut client = server.connect();
        client.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
        wait_for(server, "started");
    });
}

#[test]
fn a_body_that_ends_short_is_never_taken_for_complete() {
    for head in ["Content-Length: 1000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        for server in both() {
            let mut client = server.connect();
            client.send(format!("POST /read HTTP/1.1\r\nHost: a\r\n{head}"));
            client.finish_sending();
            assert!(!String::from_utf8(client.rest()).unwrap().contains("200 OK"));
            wait_for(&server, "aborted");
            assert!(!diary(&server).iter().any(|line| line.contains("\"end\"")), "{:?}", diary(&server));
        }
    }
}

#[test]
fn an_answer_that_the_app_cuts_is_cut_for_the_client() {
    for route in ["/die-in-chunks", "/die-of-length"] {
        for server in both() {
            let mut client = server.connect();
            client.send(format!("GET {route} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let (bytes, whole) = client.until_closed("GET");
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains("half an ans") && !whole, "{text}");
            assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
        }
    }
}

#[test]
fn a_client_that_only_stops_sending_gets_a_whole_answer_or_none() {
    for server in both() {
        let mut client = server.connect();
        client.send("GET /answer-at-once HTTP/1.1\r\nHost: a\r\n\r\n");
        client.finish_sending();
        assert_eq!(client.response("GET").text(), "no need to read");
        assert_eq!(client.rest(), b"");
        // Node gives up an answer that is not ready when its client half-closes.
        let mut client = server.connect();
        client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
        client.finish_sending();
        let rest = client.rest();
        assert!(rest.is_empty() || rest.ends_with(b"late but whole"), "{:?}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn the_app_may_answer_before_it_reads_the_body() {
    for server in both() {
        for route in ["/end-early", "/answer-at-once"] {
            let mut client = server.connect();
            let head = format!("POST {route} HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
            client.send(head);
            // The body may be cut off, the answer may not.
            let mut piece = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
            piece.truncate(32_000);
            let _ = client.stream().set_nonblocking(true);
            let _ = (0..20).try_for_each(|_| client.try_send(&piece));
            let _ = client.stream().set_nonblocking(false);
            let answer = client.final_response("POST");
            assert!([200, 413].contains(&answer.status), "{answer:?}");
            let _ = client.stream().shutdown(Shutdown::Both);
        }
        assert!(!diary(&server).iter().any(|line| line.contains("smuggled")));
    }
}

/// The app has answered and is gone, while the client still sends: what it was answered must not be lost to a reset.
#[test]
fn an_upload_that_is_refused_while_it_comes_gets_its_answer_whole() {
    let app = "require('node:http').createServer((request, response) => {
        request.once('data', () => {
            response.writeHead(413, { 'Connection': 'close', 'Content-Length': 5 }).end('large');
            response.on('finish', () => request.destroy());
        });
    }).listen(process.env.PORT)";
    for server in [Launch::plain(App::source(app)).start(), Launch::plimsoll(App::source(app)).start()] {
        for round in 0..30 {
            let mut client = server.connect();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
            let mut sender = client.stream().try_clone().unwrap();
            let sending = std::thread::spawn(move || while sender.write_all(&[b'x'; 30_000]).is_ok() {});
            let answer = client.final_response("POST");
            assert_eq!((answer.status, answer.text()), (413, "large".to_owned()), "round {round}");
            let _ = client.stream().shutdown(Shutdown::Both);
            sending.join().unwrap();
        }
    }
}

#[test]
fn one_clients_leaving_disturbs_no_other() {
    let server = Launch::plimsoll(App::source(ABORTS)).start();
    let mut steady: Client = server.connect();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        steady.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
        drop(client);
        assert_eq!(steady.response("GET").text(), "late but whole");
    }
    let in_flight = || server.status()["workers"][0]["in_flight"].as_u64();
    until("no request is in flight", || (in_flight()? == 0).then_some(()));
}
