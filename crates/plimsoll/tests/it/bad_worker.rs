//! A worker that answers rubbish, or not at all: the client gets one clear error, and nobody else notices.

use crate::harness::{App, Client, Launch, Response, Server, until};

const RUDE: &str = include_str!("apps/rude.js");

fn server() -> Server {
    Launch::plimsoll(App::source(RUDE)).start()
}

fn say(answer: &[u8]) -> String {
    let escaped: String = answer.iter().map(|byte| format!("%{byte:02x}")).collect();
    format!("GET /say?{escaped} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn ask(server: &Server, request: &str) -> Response {
    let mut client = server.connect();
    client.send(request);
    client.final_response("GET")
}

/// Of two workers one answers 500 at once, the other 200 after a while. By least in flight alone the bad one would be given
/// nearly everything.
#[test]
fn a_worker_that_fails_at_once_is_given_little() {
    let app = "
        const isBad = process.env.PLIMSOLL_WORKER === '1'
        require('node:http').createServer((request, response) => {
          if (isBad) { response.statusCode = 500; return response.end('bad') }
          setTimeout(() => response.end('good'), 50)
        }).listen(process.env.PORT)
    ";
    let server = Launch::plimsoll(App::source(app)).workers(2).start();
    server.workers(2);
    let ask = |_| {
        let mut client = server.connect();
        let mut statuses = (0..40).map(|_| {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            client.final_response("GET").status
        });
        statuses.by_ref().filter(|status| *status == 500).count()
    };
    let failed: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|number| scope.spawn(move || ask(number))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!((1..=80).contains(&failed), "{failed} of 320 failed");
}

fn assert_unharmed(server: &Server) {
    assert_eq!(server.get("/good").text(), "good");
}

#[test]
fn rubbish_from_the_worker_is_502() {
    let answers: &[(&str, &[u8])] = &[
        ("no HTTP at all", b"this is not HTTP\r\n\r\n"),
        ("binary", &[0, 1, 2, 3, 255, 254, 253, 13, 10, 13, 10]),
        ("another protocol", b"SIP/2.0 200 OK\r\n\r\n"),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
        ("a status in words", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
        (
            "a length and chunks",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        ("NUL in a value", b"HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n"),
        ("a space in a name", b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n"),
        ("a folded line", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n"),
        ("no colon", b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 0\r\n\r\n"),
        (
            "101 that nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
    ];
    let server = server();
    for (name, answer) in answers {
        let answer = ask(&server, &say(answer));
        assert_eq!((answer.status, answer.error_code()), (502, Some("bad_response")), "{name}: {answer:?}");
        assert!(!answer.text().contains("socket") && answer.text().len() < 300, "{name}: {answer:?}");
        assert_unharmed(&server);
    }
}

#[test]
fn a_head_without_end_is_502() {
    let server = server();
    let answer = ask(&server, "GET /long-head HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.error_code()), (502, Some("bad_response")), "{answer:?}");
    assert_unharmed(&server);
}

#[test]
fn a_worker_that_closes_without_an_answer_is_502() {
    let server = server();
    for (path, method) in [("/close", "GET"), ("/close", "POST"), ("/reset", "POST"), ("/say", "POST")] {
        let answer =
            ask(&server, &format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((answer.status, answer.error_code()), (502, Some("worker_closed")), "{method} {path}");
        assert_unharmed(&server);
    }
}

#[test]
fn a_request_that_may_not_be_repeated_runs_once() {
    let server = server();
    // Warms a link, so that the next request goes over one that was used before.
    assert_unharmed(&server);
    for path in ["/close", "/reset"] {
        let before = server.get_json("/runs")["runs"].as_u64().unwrap();
        ask(&server, &format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(server.get_json("/runs")["runs"], before + 1, "{path}");
    }
}

#[test]
fn a_request_that_may_be_repeated_runs_twice_at_most() {
    let server = server();
    assert_unharmed(&server);
    ask(&server, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.get_json("/runs")["runs"].as_u64().unwrap() <= 2);
}

#[test]
fn an_answer_cut_in_its_head_is_502() {
    let server = server();
    let answer = ask(&server, &say(b"HTTP/1.1 200 OK\r\nContent-Le"));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(["bad_response", "worker_closed"].contains(&answer.error_code().unwrap()), "{answer:?}");
    assert_unharmed(&server);
}

#[test]
fn an_answer_cut_in_its_body_is_cut_for_the_client() {
    let bodies: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfbroken\r\n0\r\n\r\n",
    ];
    let server = server();
    for body in bodies {
        let mut client = server.connect();
        client.send(say(body));
        let (bytes, whole) = client.until_closed("GET");
        // What is broken before the head was sent on is still an error of its own.
        if bytes.starts_with(b"HTTP/1.1 502 ") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !whole && text.matches("HTTP/1.1").count() == 1,
            "{:?}: {text}",
            String::from_utf8_lossy(body)
        );
        assert_unharmed(&server);
    }
}

#[test]
fn bytes_after_an_answer_reach_no_other_client() {
    let server = server();
    for extra in ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "garbage"] {
        let answer =
            ask(&server, &say(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine{extra}").as_bytes()));
        assert_eq!(answer.text(), "fine");
        for _ in 0..5 {
            assert_unharmed(&server);
        }
    }
}

#[test]
fn an_answer_without_length_ends_with_the_workers_connection() {
    let server = server();
    let mut client: Client = server.connect();
    client.send(say(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the end"));
    assert!(client.rest().ends_with(b"until the end"));
}

#[test]
fn an_answer_of_http_1_0_is_understood() {
    let server = server();
    let answer = ask(&server, &say(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"));
    assert_eq!(answer.text(), "old");
    assert_unharmed(&server);
}

#[test]
fn interim_answers_without_end_are_not_passed_on_for_ever() {
    let server = Launch::plimsoll(App::source(RUDE)).option("--request-timeout").option("2s").start();
    let mut client = server.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.final_response("GET");
    assert!([502, 504].contains(&answer.status), "{answer:?}");
    assert_unharmed(&server);
}

#[test]
fn a_worker_that_never_answers_is_504_after_the_request_timeout() {
    let server = Launch::plimsoll(App::source(RUDE)).option("--request-timeout").option("1s").start();
    let answer = ask(&server, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.error_code()), (504, Some("request_timeout")), "{answer:?}");
    assert_unharmed(&server);
}

#[test]
fn a_worker_that_exits_in_a_request_is_502_and_is_replaced() {
    let server = server();
    let before = server.workers(1);
    let answer = ask(&server, "POST /exit HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((answer.status, answer.error_code()), (502, Some("worker_died")), "{answer:?}");
    until("another worker stands in its place", || (server.workers(1) != before).then_some(()));
    assert_unharmed(&server);
}
