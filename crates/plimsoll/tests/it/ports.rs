//! Every server of the app: the ones that Plimsoll takes over, and the ones that it leaves alone.

use std::io::Read as _;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::{App, Launch, Server, free_port, get_json, until};

const PORTS: &str = include_str!("apps/ports.js");

fn launches() -> [Launch; 2] {
    [Launch::plain(App::source(PORTS)), Launch::plimsoll(App::source(PORTS))]
}

fn open(server: &Server, what: &Value) -> Value {
    let query: String = what.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    server.get_json(&format!("/open?{query}"))
}

fn closed(port: u16) -> Option<()> {
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err().then_some(())
}

#[test]
fn a_second_port_is_served_too() {
    for launch in launches() {
        let server = launch.start();
        let port = free_port();
        let opened = open(&server, &json!({"name": "second", "listen": {"port": port}}));
        assert_eq!(opened["address"], json!({"address": "::", "family": "IPv6", "port": port}));
        assert_eq!(opened["events"], json!(["listening"]));
        let seen = get_json(port, "/");
        assert_eq!(seen, json!({"name": "second", "remoteAddress": "::ffff:127.0.0.1", "localPort": port}));
        assert_eq!(server.get_json("/"), json!({"name": "first"}));
    }
}

#[test]
fn a_port_can_be_closed_and_opened_again() {
    for launch in launches() {
        let server = launch.start();
        let port = free_port();
        for round in ["once", "again", "and again"] {
            open(&server, &json!({"name": round, "listen": {"port": port}}));
            assert_eq!(get_json(port, "/")["name"], round);
            assert_eq!(
                server.get_json(&format!("/close?{}", round.replace(' ', "%20")))["address"],
                Value::Null
            );
            until("the port refuses connections", || closed(port));
        }
    }
}

#[test]
fn a_taken_port_is_the_apps_own_error() {
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let [plain, plimsoll] =
        launches().map(|launch| open(&launch.start(), &json!({"name": "second", "listen": {"port": port}})));
    assert_eq!(plain["error"]["code"], "EADDRINUSE", "{plain}");
    assert_eq!(plimsoll, plain);
}

#[test]
fn a_port_taken_by_the_app_itself_is_its_own_error() {
    let port = free_port();
    let [plain, plimsoll] = launches().map(|launch| {
        let server = launch.start();
        open(&server, &json!({"name": "second", "listen": {"port": port}}));
        open(&server, &json!({"name": "third", "listen": {"port": port}}))
    });
    assert_eq!(plain["error"]["code"], "EADDRINUSE", "{plain}");
    assert_eq!(plimsoll, plain);
}

#[test]
fn an_address_that_is_not_ours_is_the_apps_own_error() {
    let what = json!({"name": "second", "listen": {"port": free_port(), "host": "203.0.113.7"}});
    let [plain, plimsoll] = launches().map(|launch| open(&launch.start(), &what));
    assert_eq!(plain["error"]["code"], "EADDRNOTAVAIL", "{plain}");
    assert_eq!(plimsoll, plain);
}

/// Whatever that is: `EACCES` for most, success for root.
#[test]
fn a_privileged_port_is_as_it_is_without_us() {
    let free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port))
            .err()
            .is_none_or(|error| error.kind() != std::io::ErrorKind::AddrInUse)
    };
    let port = (600..1000).rev().find(free).unwrap();
    let what = json!({"name": "second", "listen": {"port": port, "host": "127.0.0.1"}});
    let [plain, plimsoll] = launches().map(|launch| open(&launch.start(), &what));
    assert_eq!(plimsoll, plain);
}

#[test]
fn a_port_chosen_by_the_kernel_is_left_alone() {
    for launch in launches() {
        let server = launch.start();
        let opened = open(&server, &json!({"name": "any", "listen": {"port": 0}}));
        let port = u16::try_from(opened["address"]["port"].as_u64().unwrap()).unwrap();
        assert_eq!(
            get_json(port, "/"),
            json!({"name": "any", "remoteAddress": "::ffff:127.0.0.1", "localPort": port})
        );
    }
}

#[test]
fn a_plain_tcp_server_is_left_alone() {
    for launch in launches() {
        let server = launch.start();
        let port = free_port();
        open(&server, &json!({"name": "raw", "kind": "net", "listen": {"port": port}}));
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "raw ::ffff:127.0.0.1");
    }
}

#[test]
fn a_unix_socket_is_left_alone() {
    for launch in launches() {
        let server = launch.start();
        let path = server.directory().join("app.sock");
        let opened = open(&server, &json!({"name": "raw", "kind": "net", "listen": {"path": &path}}));
        assert_eq!(opened["address"], json!(&path));
        let mut text = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "raw undefined");
    }
}

#[test]
fn a_server_of_several_workers_is_one_port() {
    let server = Launch::plimsoll(App::source(PORTS)).workers(2).start();
    server.workers(2);
    let status = server.status();
    assert_eq!(status["listeners"].as_array().unwrap().len(), 1, "{status}");
}
