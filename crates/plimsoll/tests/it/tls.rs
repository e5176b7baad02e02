//! The app's own TLS and HTTP/2 pass through as they are.

use std::path::Path;

use crate::clients;
use crate::harness::{App, Launch, free_port};

const SECURE: &str = include_str!("apps/secure.js");

#[test]
fn https_and_http2_servers_of_the_app_see_their_clients() {
    let seen = |launch: Launch| {
        let ports = [free_port(), free_port(), free_port()].map(|port| port.to_string());
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/apps/tls");
        let server = launch
            .env("KEY", files.join("key.pem"))
            .env("CERTIFICATE", files.join("certificate.pem"))
            .env("HTTPS_PORT", &ports[0])
            .env("HTTP2_PORT", &ports[1])
            .env("H2C_PORT", &ports[2])
            .start();
        server.wait_for_stdout("all listen");
        let seen = clients::run("secure.js", &[&ports[0], &ports[1], &ports[2]]);
        assert_eq!(server.get_json("/plain")["remoteAddress"], "::ffff:127.0.0.1");
        seen
    };
    let plain = seen(Launch::plain(App::source(SECURE)));
    let plimsoll = seen(Launch::plimsoll(App::source(SECURE)));
    assert_eq!(plain["https"]["remoteAddress"], "::ffff:127.0.0.1", "{plain}");
    assert_eq!(plimsoll, plain);
}
