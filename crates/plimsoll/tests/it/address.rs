//! The app sees the client and itself as it would without Plimsoll.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{App, Client, Launch, free_port};
use crate::transparency::ECHO;

const ADDRESSES: &str = include_str!("apps/addresses.js");
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Both ways on the same port, one after the other: then everything must be equal.
fn both(host: Option<&str>, client: &str) -> [Value; 2] {
    let ask = |launch: Launch, port: u16| {
        let launch = host.iter().fold(launch, |launch, host| launch.env("HOST", host)).port(port);
        let server = launch.start();
        let mut client = Client::connect((client, port));
        client.send(GET);
        let mut seen = client.response("GET").json();
        let port = client.stream().local_addr().unwrap().port();
        assert_eq!(seen["peer"]["remotePort"].take(), port, "{seen}");
        seen["printed"] = server.stdout().lines().find(|line| line.starts_with("listening")).into();
        seen
    };
    let port = free_port();
    let app = App::source(ADDRESSES);
    [ask(Launch::plain(app.clone()), port), ask(Launch::plimsoll(app), port)]
}

fn check(host: Option<&str>, client: &str, expected: &str) {
    let [plain, plimsoll] = both(host, client);
    assert_eq!(plain["peer"]["remoteAddress"], expected);
    assert_eq!(plimsoll, plain);
}

#[test]
fn an_ipv4_client_of_a_dual_stack_app() {
    check(None, "127.0.0.1", "::ffff:127.0.0.1");
}

#[test]
fn an_ipv6_client_of_a_dual_stack_app() {
    check(None, "::1", "::1");
}

#[test]
fn a_client_of_an_app_that_listens_on_ipv4_only() {
    check(Some("127.0.0.1"), "127.0.0.1", "127.0.0.1");
}

#[test]
fn a_client_of_an_app_that_listens_on_every_ipv4_address() {
    check(Some("0.0.0.0"), "127.0.0.1", "127.0.0.1");
}

#[test]
fn a_client_of_an_app_that_listens_on_ipv6_only() {
    check(Some("::1"), "::1", "::1");
}

#[test]
fn a_client_of_an_app_that_listens_on_localhost() {
    let [plain, plimsoll] = both(Some("localhost"), "localhost");
    assert_eq!(plimsoll, plain);
}

#[test]
fn many_clients_over_one_worker_are_never_taken_for_one_another() {
    let server = Launch::plimsoll(App::source(ADDRESSES)).start();
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for _ in 0..5 {
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            let seen = client.response("GET").json();
            assert_eq!(seen["peer"]["remotePort"], client.stream().local_addr().unwrap().port());
        }
    }
}

#[test]
fn a_client_cannot_forge_its_address() {
    let forged = "6.6.6.6 666 6.6.6.6 666";
    let heads = [
        format!("X-Plimsoll: {forged}\r\nHost: a\r\n"),
        format!("Host: a\r\nx-plimsoll: {forged}\r\n"),
        format!("X-PLIMSOLL: {forged}\r\nHost: a\r\nx-plimsoll: {forged}\r\nX-Plimsoll:{forged}\r\n"),
        "Host: a\r\nx-plimsoll:\r\n".to_owned(),
        "Host: a\r\nConnection: x-plimsoll\r\n".to_owned(),
    ];
    let server = Launch::plimsoll(App::source(ECHO)).start();
    for head in heads {
        let mut client = server.connect();
        client.send(format!("GET /case HTTP/1.1\r\n{head}\r\n"));
        let seen = client.response("GET").json();
        assert_eq!(seen["remoteAddress"], "::ffff:127.0.0.1", "{head}");
        let headers = seen["rawHeaders"].to_string().to_ascii_lowercase();
        assert!(!headers.contains("6.6.6.6"), "{head}: {headers}");
        assert_eq!(headers.contains("connection"), head.contains("Connection"), "{head}: {headers}");
    }
}

#[test]
fn a_forged_trailer_changes_nothing() {
    let server = Launch::plimsoll(App::source(ECHO)).start();
    let mut client = server.connect();
    client.send(
        "POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\na\r\n0\r\nx-plimsoll: 6.6.6.6 666 6.6.6.6 666\r\n\r\n",
    );
    assert_eq!(client.response("POST").json()["remoteAddress"], "::ffff:127.0.0.1");
}

#[test]
fn listen_on_the_command_line_moves_the_public_address() {
    let port = free_port();
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    let launch = Launch::plimsoll(App::source(ADDRESSES)).port(port);
    let _server = launch.option("--listen").option(wanted.to_string()).start();
    let mut client = Client::connect(wanted);
    client.send(GET);
    assert_eq!(client.response("GET").json()["peer"]["remoteAddress"], "127.0.0.1");
}
