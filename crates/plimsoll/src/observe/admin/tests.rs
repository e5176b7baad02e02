use std::future::pending;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::*;
use crate::observe::control;
use crate::observe::metrics::export::Exported;
use crate::observe::status::{State, fixture};
use crate::observe::testing::app_loop;

/// An admin server before an app loop that says `status`.
async fn serving(status: Status) -> SocketAddr {
    let (inquiry, requests) = control::channel();
    tokio::spawn(app_loop(requests, status));
    serve_with(inquiry).await
}

async fn serve_with(inquiry: Inquiry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, source(inquiry), Default::default(), pending()));
    address
}

pub(super) fn source(inquiry: Inquiry) -> Source {
    Source {
        inquiry,
        threads: vec![Arc::default()],
        routes: Arc::default(),
        logs: Arc::default(),
        apps: Arc::default(),
        steady: Arc::default(),
        exported: Exported::default(),
    }
}

/// Sends the bytes and reads to the end.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn request(address: SocketAddr, line: &str) -> String {
    exchange(address, format!("{line} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn every_route_answers_reads_and_refuses_all_else() {
    let address = serving(fixture()).await;
    for (line, status, part) in [
        ("GET /livez", 200, "ok: 1 of 2 workers ready, 3 requests in flight\n"),
        ("GET /healthz", 200, "ok: "),
        ("GET /readyz", 200, "ready\n"),
        ("GET /readyz?verbose", 200, "ready\n"),
        (
            "GET /status",
            200,
            r#""workers":[{"id":0,"pid":4243,"node":"v24.1.0","state":"ready","lane":"main""#,
        ),
        ("GET /findings", 200, r#"{"name":"shop","seconds":3725,"since_start":true,"requests":1207"#),
        ("GET /metrics", 200, "\nhttp_server_active_requests 0\n"),
        ("GET /", 200, "<h1 id=\"name\">Plimsoll</h1>"),
        ("HEAD /events", 200, "text/event-stream"),
        ("POST /events", 405, "allow: GET, HEAD\r\n"),
        ("POST /status", 405, "allow: GET, HEAD\r\n"),
        ("DELETE /livez", 405, "allow: GET, HEAD\r\n"),
        ("POST /stop", 404, "nothing is here"),
        ("GET /status/", 404, "nothing is here"),
        ("GET /../status", 404, "nothing is here"),
        ("GET //status", 404, "nothing is here"),
    ] {
        let answer = request(address, line).await;
        assert_eq!(status_of(&answer), status, "{line}: {answer}");
        assert!(answer.contains(part), "{line}: {answer}");
        assert!(answer.contains("cache-control: no-store\r\n"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn head_has_the_head_alone() {
    let address = serving(fixture()).await;
    for path in ["/livez", "/status", "/metrics", "/"] {
        let answer = request(address, &format!("HEAD {path}")).await;
        assert_eq!(status_of(&answer), 200, "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("content-length: 0"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_page_comes_with_its_security_policy() {
    let answer = request(serving(fixture()).await, "GET /").await;
    assert!(answer.contains("content-security-policy: default-src 'none'; script-src 'nonce-"), "{answer}");
    assert!(!answer.contains("access-control-"), "{answer}");
}

#[tokio::test]
async fn on_the_loopback_a_foreign_host_is_refused_whatever_it_asks_for() {
    let address = serving(fixture()).await;
    for path in ["/", "/status", "/events", "/livez", "/nowhere"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
        let answer = exchange(address, head.as_bytes()).await;
        assert_eq!(status_of(&answer), 421, "{path}: {answer}");
        assert!(answer.contains("hint: ") && !answer.contains("evil.example"), "{path}: {answer}");
    }
}

/// Reads the stream of a page up to `part`.
async fn read_up_to(stream: &mut TcpStream, part: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(part) {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&bytes[..read]);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_stream_begins_with_the_history_and_the_status_and_there_are_only_so_many() {
    let address = serving(fixture()).await;
    let mut open = Vec::new();
    let ask = "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for _each in 0..16 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        let text = read_up_to(&mut stream, r#""name":"shop""#).await;
        assert!(text.contains("content-type: text/event-stream"), "{text}");
        assert!(
            text.contains("event: history\ndata: {\"long\":[],\"short\":[]}\n\nevent: status\n"),
            "{text}"
        );
        open.push(stream);
    }
    // Of anything that is no stream a page sees nothing, and does not ask again.
    let refused = exchange(address, ask.as_bytes()).await;
    assert_eq!(status_of(&refused), 200, "{refused}");
    assert!(refused.contains("content-type: text/event-stream") && refused.contains("retry: "), "{refused}");
    assert!(refused.contains("event: full\ndata: 16 pages are open"), "{refused}");
    // Who leaves makes room, and probes have their own.
    drop(open.pop());
    assert_eq!(status_of(&request(address, "GET /livez").await), 200);
    loop {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(ask.as_bytes()).await.unwrap();
        if read_up_to(&mut stream, "event: ").await.contains("event: history") {
            break;
        }
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_was_asked_for() {
    let address = serving(fixture()).await;
    let plain = request(address, "GET /metrics").await;
    assert!(plain.contains("content-type: text/plain; version=0.0.4"), "{plain}");
    let ask = "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: application/openmetrics-text\r\n\r\n";
    let open = exchange(address, ask.as_bytes()).await;
    assert!(open.contains("content-type: application/openmetrics-text") && open.ends_with("# EOF\n"));
}

#[tokio::test]
async fn ready_is_from_the_first_worker_that_listens_until_the_drain_begins() {
    let no_worker = Status { workers: Vec::new(), ..fixture() };
    for (status, code, text) in [
        (Status { state: State::Starting, ..fixture() }, 503, "not ready: no worker has listened yet\n"),
        (fixture(), 200, "ready\n"),
        (no_worker, 503, "not ready: no worker is ready\n"),
        (Status { state: State::Draining, ..fixture() }, 503, "not ready: draining\n"),
    ] {
        let address = serving(status).await;
        let answer = request(address, "GET /readyz").await;
        assert_eq!((status_of(&answer), answer.ends_with(text)), (code, true), "{answer}");
        assert_eq!(status_of(&request(address, "GET /livez").await), 200);
    }
}

#[tokio::test]
async fn a_dead_app_loop_is_neither_live_nor_ready() {
    let (inquiry, requests) = control::channel();
    drop(requests);
    let address = serve_with(inquiry).await;
    for path in ["/livez", "/readyz", "/status", "/events"] {
        let answer = request(address, &format!("GET {path}")).await;
        assert_eq!(status_of(&answer), 503, "{answer}");
        assert!(answer.contains("the app loop has ended"), "{answer}");
    }
    assert_eq!(status_of(&request(address, "GET /metrics").await), 200);
}

#[tokio::test]
async fn an_app_loop_that_hangs_is_told_from_one_that_is_busy() {
    let (inquiry, _unanswered) = control::channel();
    let answer = request(serve_with(inquiry).await, "GET /livez").await;
    assert_eq!(status_of(&answer), 503);
    assert!(answer.ends_with("not live: the app loop did not answer within 1000ms\n"), "{answer}");
}

#[tokio::test]
async fn rubbish_is_refused_and_disturbs_nobody() {
    let address = serving(fixture()).await;
    let long = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(64 * 1024));
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc", 413),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (long.as_bytes(), 431),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET http://evil.example/livez HTTP/1.1\r\nhost: localhost\r\n\r\n", 421),
    ] {
        let answer = exchange(address, bytes).await;
        assert_eq!(status_of(&answer), status, "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_a_probe_from_its_answer() {
    let address = serving(fixture()).await;
    let mut silent = Vec::new();
    for _each in 0..LIMITS.connections_max + 8 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /li").await.unwrap();
        silent.push(stream);
    }
    assert_eq!(status_of(&request(address, "GET /livez").await), 200);
    let mut rest = Vec::new();
    // The oldest was closed to make room.
    let _ = silent[0].read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_connection_serves_one_request_and_stop_ends_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (inquiry, requests) = control::channel();
    tokio::spawn(app_loop(requests, fixture()));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, source(inquiry), Default::default(), async {
        let _ = stopped.await;
    }));
    let twice = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(2);
    assert_eq!(exchange(address, twice.as_bytes()).await.matches("HTTP/1.1 200").count(), 1);
    stop.send(()).unwrap();
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
