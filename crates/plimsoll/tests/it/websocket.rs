//! WebSockets, which are upgrades: after the handshake the bytes belong to the two ends.

use std::io::Write as _;

use rustix::process::Signal;

use crate::clients;
use crate::harness::{App, Client, Launch, Server, until};

const HANDSHAKE: &str = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// "hi", masked with zeros.
const HI: &[u8] = &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
const HI_BACK: &[u8] = &[0x81, 0x02, b'h', b'i'];

fn both() -> [Server; 2] {
    let app = App::Example("websocket");
    [Launch::plain(app.clone()).start(), Launch::plimsoll(app).workers(2).start()]
}

#[test]
fn a_websocket_client_sees_the_same_server() {
    let [plain, plimsoll] = both().map(|server| clients::run("websocket.js", &[&server.port().to_string()]));
    assert_eq!(plain["fragmented"]["same"], true, "{plain}");
    assert_eq!(plain["closedByServer"][0], 4001, "{plain}");
    assert_eq!(plimsoll, plain);
}

#[test]
fn the_handshake_is_the_apps_own_byte_for_byte() {
    let [plain, plimsoll] = both().map(|server| {
        let mut client = server.connect();
        client.send(HANDSHAKE);
        client.response("GET").raw
    });
    assert_eq!(String::from_utf8(plimsoll).unwrap(), String::from_utf8(plain).unwrap());
}

#[test]
fn a_frame_sent_together_with_the_handshake_arrives() {
    for server in both() {
        let mut client = server.connect();
        client.send([HANDSHAKE.as_bytes(), HI].concat());
        assert_eq!(client.response("GET").status, 101);
        assert_eq!(client.take(HI_BACK.len()), HI_BACK);
    }
}

#[test]
fn a_frame_arrives_even_byte_by_byte() {
    for server in both() {
        let mut client = server.connect();
        for byte in [HANDSHAKE.as_bytes(), HI].concat() {
            client.stream().write_all(&[byte]).unwrap();
        }
        assert_eq!(client.response("GET").status, 101);
        assert_eq!(client.take(HI_BACK.len()), HI_BACK);
    }
}

#[test]
fn the_app_sees_that_a_client_vanished() {
    for server in both() {
        let mut client = server.connect();
        client.send(HANDSHAKE);
        assert_eq!(client.response("GET").status, 101);
        drop(client);
        // 1006: the connection ended without a closing frame.
        server.wait_for_stdout("closed 1006");
    }
}

#[test]
fn the_upgrade_request_carries_the_clients_address() {
    for server in both() {
        let mut client = server.connect();
        client.send(HANDSHAKE);
        assert_eq!(client.response("GET").status, 101);
        server.wait_for_stdout("connected ::ffff:127.0.0.1");
    }
}

/// A close frame of the client: masked, 1001.
const CLIENT_CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9];

fn open_websocket(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(HANDSHAKE);
    client.take_past("\r\n\r\n");
    // The echo shows that the connection is whole.
    client.send(HI);
    assert_eq!(client.take(HI_BACK.len()), HI_BACK);
    client
}

/// The gateway says goodbye between two frames; the client answers and the app ends its side.
fn says_goodbye(mut client: Client) {
    assert_eq!(client.take(4), [0x88, 0x02, 0x03, 0xE9]);
    client.send(CLIENT_CLOSE);
    assert_eq!(client.rest(), b"");
}

/// It has been told that the app is gone, and its end says nothing: that must not last.
#[test]
fn a_client_that_does_not_close_what_the_app_has_closed_is_let_go() {
    let app = "const server = require('node:http').createServer();
    server.on('upgrade', (request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: any\\r\\n\\r\\n');
        socket.once('data', () => socket.destroy());
    });
    server.listen(process.env.PORT)";
    let server = Launch::plimsoll(App::source(app)).env("PLIMSOLL_GATEWAY_WRITE_TIMEOUT", "200ms").start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n");
    assert_eq!(client.response("GET").status, 101);
    client.send("x");
    assert_eq!(client.rest(), b"");
    let open = || server.status()["listeners"][0]["connections"].as_u64();
    until("the gateway has let go of it", || (open()? == 0).then_some(()));
    drop(client);
}

#[test]
fn a_stop_closes_websockets_in_order_and_cuts_none() {
    let mut server = Launch::plimsoll(App::Example("websocket")).start();
    let client = open_websocket(&server);
    server.signal(Signal::TERM);
    says_goodbye(client);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr().contains(", 0 cut"), "{}", server.stderr());
}

#[test]
fn a_stop_waits_for_websockets_where_the_settings_say_so() {
    for (grace, exit_code, told) in [("25s", 0, ", 0 cut"), ("300ms", 5, ", 1 cut")] {
        let launch = Launch::plimsoll(App::Example("websocket")).env("PLIMSOLL_SHUTDOWN_UPGRADED", "wait");
        let mut server = launch.option("--grace").option(grace).start();
        let mut client = open_websocket(&server);
        server.signal(Signal::TERM);
        server.wait_for_stderr("draining: ");
        if exit_code == 0 {
            client.send(HI);
            assert_eq!(client.take(HI_BACK.len()), HI_BACK, "it still works");
            drop(client);
        } else {
            assert_eq!(client.rest(), b"", "cut without a word");
        }
        assert_eq!(server.exit_code(), exit_code);
        assert!(server.stderr().contains(told), "{}", server.stderr());
    }
}

#[test]
fn a_reload_closes_the_websockets_of_the_old_worker() {
    let server = Launch::plimsoll(App::Example("websocket")).start();
    let client = open_websocket(&server);
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| server.plimsoll(&["reload"]));
        says_goodbye(client);
        assert_eq!(reload.join().unwrap().status.code(), Some(0));
    });
    drop(open_websocket(&server));
}
