//! Sinks over TLS, with a collector and a syslog whose certificate is of an authority of our own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{App, Launch, Server, until};

const APP: &str = "
    require('node:http').createServer((request, response) => {
        console.error('what ' + request.url + ' says');
        response.end('ok');
    }).listen(process.env.PORT);
";

/// A file of `tests/it/apps/tls`.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/apps/tls").join(name)
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Serves each connection with `serve` on a thread of its own; the port.
fn listen(serve: impl Fn(Stream) -> Option<()> + Send + Sync + 'static) -> u16 {
    let certificates = CertificateDer::pem_file_iter(file("server.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            certificates.map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_file(file("server.key")).unwrap(),
        )
        .unwrap();
    let (settings, serve) = (Arc::new(settings), Arc::new(serve));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&settings)).unwrap();
            let serve = Arc::clone(&serve);
            drop(thread::spawn(move || serve(StreamOwned::new(connection, socket))));
        }
    }));
    port
}

/// A collector that takes everything, and notes it.
fn collector(bodies: &Arc<Mutex<String>>) -> u16 {
    let bodies = Arc::clone(bodies);
    listen(move |mut stream| {
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).ok()?;
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).ok()?;
            bodies.lock().unwrap().push_str(&String::from_utf8_lossy(&body));
            stream.write_all(b"HTTP/1.1 204 Done\r\n\r\n").ok()?;
        }
    })
}

/// A syslog that closes after each message, as one that is restarted often would.
fn syslog(messages: &Arc<Mutex<String>>) -> u16 {
    let messages = Arc::clone(messages);
    listen(move |mut stream| {
        let mut bytes = [0; 4096];
        let mut text = String::new();
        while !text.contains(" says") {
            let length = stream.read(&mut bytes).ok()?;
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        drop(stream);
        messages.lock().unwrap().push_str(&text);
        Some(())
    })
}

fn start(sinks: &str) -> Server {
    Launch::plimsoll(App::source(APP)).settings(sinks).start()
}

#[test]
fn a_collector_and_a_syslog_get_the_log_over_tls() {
    let (bodies, messages) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<String>>::default());
    let (https, tls) = (collector(&bodies), syslog(&messages));
    let ca = file("ca.pem");
    let server = start(&format!(
        "[[logs.sink]]\ntype = 'http'\nurl = 'https://localhost:{https}/in'\nca = {ca:?}\nbatch_wait = '0s'\n\
         [[logs.sink]]\ntype = 'otlp'\nurl = 'https://127.0.0.1:{https}'\nca = {ca:?}\nbatch_wait = '0s'\n\
         [[logs.sink]]\ntype = 'syslog'\naddress = 'tls://localhost:{tls}'\nca = {ca:?}\nlevel = 'error'"
    ));
    let has = |text: &Mutex<String>, part: &str| text.lock().unwrap().contains(part).then_some(());
    assert_eq!(server.get("/first").status, 200);
    until("the collector has it", || has(&bodies, "\"line\":\"what /first says\""));
    until("syslog has it", || has(&messages, "what /first says"));
    assert_eq!(server.get("/second").status, 200);
    until("the connection was made anew", || has(&messages, "what /second says"));
    assert_eq!(messages.lock().unwrap().matches(">1 2").count(), 2, "each once");
}

#[test]
fn one_that_cannot_be_believed_gets_nothing_and_it_is_said_why() {
    let bodies = Arc::<Mutex<String>>::default();
    let https = collector(&bodies);
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    drop(thread::spawn(move || {
        for mut one in plain.incoming().flatten() {
            let mut hello = [0; 4096];
            // Closing with something unread would be a reset, which might come before the answer.
            let _gone = one.read(&mut hello).and_then(|_| one.write_all(b"what?\r\n\r\n"));
            while one.read(&mut hello).is_ok_and(|length| length > 0) {}
        }
    }));
    let sinks = [
        ("stranger", format!("url = 'https://localhost:{https}'")),
        ("other", format!("url = 'https://127.0.0.2:{https}'\nca = {:?}", file("ca.pem"))),
        ("missing", format!("url = 'https://localhost:{https}'\nca = '/nowhere/ca.pem'")),
        ("plain", format!("url = 'https://localhost:{plain_port}'\nca = {:?}", file("ca.pem"))),
        ("good", format!("url = 'https://localhost:{https}'\nca = {:?}", file("ca.pem"))),
    ];
    let tables = sinks.iter().map(|(name, rest)| {
        format!("[[logs.sink]]\ntype = 'http'\nname = '{name}'\nbatch_wait = '0s'\nheaders = {{ x-from = '{name}' }}\n{rest}\n")
    });
    let server = start(&tables.collect::<String>());
    assert_eq!(server.get("/first").status, 200);
    for (name, why, hint) in [
        ("stranger", "UnknownIssuer", "set `ca`"),
        // The listener is at one address alone: nobody is there.
        ("other", "does not answer", "see that it runs"),
        ("missing", "/nowhere/ca.pem: ", "a file of certificates"),
        ("plain", "does not answer", "see that it speaks TLS"),
    ] {
        server.wait_for_stderr(&format!("logs to {name}: "));
        let said = server.stderr();
        let line = said.lines().find(|line| line.contains(&format!("logs to {name}: "))).unwrap();
        assert!(line.contains(why) && line.contains(hint), "{line}");
    }
    until("the one that is right goes on", || {
        bodies.lock().unwrap().contains("what /first says").then_some(())
    });
}
