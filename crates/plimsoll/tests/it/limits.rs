//! Limits of time and size that the gateway keeps, each with its error.

use crate::harness::{App, Client, Launch, until};
use crate::transparency::ECHO;

fn launch(setting: &str, value: &str) -> Launch {
    Launch::plimsoll(App::source(ECHO)).env(&format!("PLIMSOLL_GATEWAY_{setting}"), value)
}

#[test]
fn a_head_that_does_not_come_is_408() {
    let server = launch("HEADER_TIMEOUT", "300ms").start();
    for start in ["GET /case HT", "GET /case HTTP/1.1\r\nHost: a\r\n"] {
        let mut client = server.connect();
        client.send(start);
        let answer = client.response("GET");
        assert_eq!((answer.status, answer.error_code()), (408, Some("header_timeout")), "{answer:?}");
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(server.get_json("/ran"), serde_json::json!([]));
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    let server = launch("IDLE_TIMEOUT", "300ms").start();
    let mut client = server.connect();
    client.send("GET /case HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").status, 200);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_body_that_does_not_come_is_cut() {
    let server = launch("BODY_TIMEOUT", "300ms").start();
    let mut client = server.connect();
    client.send("POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    assert_eq!(server.get("/case").status, 200);
}

#[test]
fn a_body_that_only_drips_is_cut_as_well() {
    let server = launch("BODY_TIMEOUT", "300ms").env("PLIMSOLL_GATEWAY_BODY_RATE", "1GB").start();
    let mut client = server.connect();
    client.send("POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    // Never silent, and never so fast.
    while client.try_send("x").is_ok() {}
    assert_eq!(server.get("/case").status, 200);
}

/// That it was told to go on says nothing about how long the app may take.
#[test]
fn a_client_that_was_told_to_go_on_may_wait_for_longer_than_it_may_take_to_read() {
    let app = "require('node:http').createServer((request, response) => {
        response.writeProcessing?.();
        request.resume().on('end', () => setTimeout(() => response.end('late'), 900));
    }).listen(process.env.PORT)";
    let launch = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_WRITE_TIMEOUT", "200ms");
    let server = launch.start();
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.final_response("POST").text(), "late");
}

#[test]
fn a_body_over_the_limit_is_413() {
    let server = launch("BODY_MAX", "1KB").start();
    let mut client = server.connect();
    client.send("POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
    let answer = client.response("POST");
    assert_eq!((answer.status, answer.error_code()), (413, Some("body_too_large")), "{answer:?}");
    // Who makes an answer of its own must say when (RFC 9110).
    assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")), "{answer:?}");
    assert_eq!(server.get_json("/ran"), serde_json::json!([]));

    // In chunks it is seen only as they come.
    let mut client = server.connect();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    client.send(format!("POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"));
    let _ = client.try_send(format!("{chunk}0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
    let answer = client.try_response("POST");
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 413), "{answer:?}");
    assert!(!server.get_json("/ran").to_string().contains("smuggled"));
}

#[test]
fn a_connection_over_the_limit_is_refused_and_room_comes_back() {
    let server = launch("CONNECTIONS_MAX", "3").start();
    // The harness's own looks may still be closing.
    let mut clients: Vec<Client> = until("three connections are served", || {
        let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        clients.iter_mut().all(serves).then_some(clients)
    });
    let mut fourth = server.connect();
    let _ = fourth.try_send("GET /case HTTP/1.1\r\nHost: a\r\n\r\n");
    let rest = String::from_utf8(fourth.rest()).unwrap();
    assert!(rest.is_empty() || rest.contains("connections_exhausted"), "{rest}");
    assert!(clients.iter_mut().all(serves), "the others are not disturbed");
    clients.pop();
    until("there is room again", || serves(&mut server.connect()).then_some(()));
}

/// Whether this connection is served; a refused one may be answered with 503 or just closed.
fn serves(client: &mut Client) -> bool {
    let sent = client.try_send("GET /case HTTP/1.1\r\nHost: a\r\n\r\n");
    sent.is_ok() && client.try_response("GET").is_some_and(|answer| answer.status == 200)
}
