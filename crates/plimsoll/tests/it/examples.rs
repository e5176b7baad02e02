//! Every app of `examples/` answers as if Plimsoll were not there.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::harness::{App, Client, Launch, Server};

#[test]
fn hello_answers_the_same() {
    compare("hello", &["GET /", "HEAD /", "POST / {}"]);
}

#[test]
fn a_list_answers_the_same() {
    compare("list", &["GET /items", "HEAD /items", "GET /"]);
}

#[test]
fn express_answers_the_same() {
    compare("express", FRAMEWORK);
}

#[test]
fn fastify_answers_the_same() {
    compare("fastify", FRAMEWORK);
}

#[test]
fn koa_answers_the_same() {
    compare("koa", FRAMEWORK);
}

#[test]
fn hapi_answers_the_same() {
    compare("hapi", FRAMEWORK);
}

#[test]
fn nest_answers_the_same() {
    compare("nest", FRAMEWORK);
}

#[test]
fn next_answers_the_same() {
    compare(
        "next",
        &["GET /users/7", "GET /api/whoami", "POST /api/whoami {\"a\":1}", "GET /nowhere", "GET /"],
    );
}

#[test]
fn an_app_that_logs_answers_the_same() {
    compare("logging", &["GET /console", "GET /pino", "GET /winston", "GET /flood?lines=100"]);
}

#[test]
fn an_app_that_counts_answers_the_same() {
    compare("metrics", &["GET /", "GET /orders?kind=gift", "GET /cart?things=3", "GET /nowhere"]);
}

#[test]
fn server_sent_events_arrive_the_same() {
    compare("sse", &["GET /events?every=5&count=4", "GET /nowhere"]);
}

#[test]
fn downloads_and_uploads_are_the_same() {
    compare(
        "upload",
        &[
            "GET /download?bytes=3000000",
            "GET /download?bytes=200000&chunked",
            "POST /upload {\"some\":\"bytes\"}",
        ],
    );
}

#[test]
fn the_page_beside_a_websocket_is_the_same() {
    compare("websocket", &["GET /", "GET /echo"]);
}

/// Routes that all web frameworks have.
const FRAMEWORK: &[&str] = &[
    "GET /",
    "HEAD /",
    "GET /users/1",
    "GET /users/9",
    "GET /users/%zz",
    "POST /users {\"name\":\"Bob\"}",
    "POST /users {\"name\":",
    "GET /whoami",
    "GET /slow?ms=10",
    "GET /old",
    "GET /error",
    "GET /nowhere",
    "OPTIONS /users",
    "DELETE /users/1",
];

/// Sends the same requests (`METHOD TARGET [JSON]`) to both, over IPv4 and IPv6, several over one connection.
fn compare(example: &'static str, requests: &[&str]) {
    let plain = Launch::plain(App::Example(example)).start();
    let plimsoll = Launch::plimsoll(App::Example(example)).workers(2).start();
    plimsoll.workers(2);
    let (theirs, ours) = (answers(&plain, requests), answers(&plimsoll, requests));
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(theirs, ours);
    }
}

fn answers(server: &Server, requests: &[&str]) -> Vec<(String, Vec<String>, String)> {
    let clients = [
        Client::connect((Ipv4Addr::LOCALHOST, server.port())),
        Client::connect((Ipv6Addr::LOCALHOST, server.port())),
    ];
    clients
        .into_iter()
        .flat_map(|mut client| {
            requests.iter().map(move |line| ask(server, &mut client, line)).collect::<Vec<_>>()
        })
        .collect()
}

fn ask(server: &Server, client: &mut Client, line: &str) -> (String, Vec<String>, String) {
    let mut words = line.splitn(3, ' ');
    let (method, target, body) = (words.next().unwrap(), words.next().unwrap(), words.next());
    let body = body.map_or(String::from("\r\n"), |body| {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    let _ = client.try_send(format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n{body}"));
    let answer = client.final_response(method);
    if answer.header("connection").is_some_and(|value| value == "close") {
        *client = server.connect();
    }
    (line.to_owned(), answer.comparable_head(), answer.text())
}
