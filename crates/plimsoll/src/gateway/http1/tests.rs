//! One table per question. A case is the bytes and what they must mean; `check` runs it whole and cut at every
//! byte, because the network cuts where it likes.

use super::body::Body;
use super::chunked::{self, Chunked};
use super::framing::Framing;
use super::head::{self, Scan, leading_empty_lines};
use super::request::{Limits, Persistence, Refusal, Request};
use super::response::{Bad, Response};
use crate::observe::http::Method;

const LIMITS: Limits = Limits { head_bytes_max: 1024, headers_max: 8, target_bytes_max: 256 };

fn request(bytes: &[u8]) -> Result<Option<Request>, Refusal> {
    Request::read(bytes, &mut Scan::default(), &LIMITS)
}

/// The verdict on a head, whole and in two pieces at every cut.
fn verdict(head: &[u8]) -> Result<Option<Request>, Refusal> {
    let whole = request(head);
    for cut in 0..head.len() {
        let mut scan = Scan::default();
        let early = Request::read(&head[..cut], &mut scan, &LIMITS);
        match early {
            Err(_) => assert!(whole.is_err(), "refused at byte {cut} but accepted whole: {}", show(head)),
            Ok(Some(_)) => assert_eq!(early, whole, "complete at byte {cut}: {}", show(head)),
            Ok(None) => {
                let late = Request::read(head, &mut scan, &LIMITS);
                assert_eq!(late.is_err(), whole.is_err(), "cut at byte {cut}: {}", show(head));
            }
        }
    }
    whole
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn accepts_heads_and_knows_their_framing() {
    use Framing::{Chunked, Length, None};
    let cases: &[(&str, Framing)] = &[
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET /a/../b/%zz//c?d=%00 HTTP/1.1\r\nhost: x\r\n\r\n", None),
        ("GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("M-SEARCH * HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("QUERY / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n", Length(3)),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", None),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 007\r\n\r\n", Length(7)),
        ("POST / HTTP/1.1\r\nHost: x\r\ncOnTeNt-LeNgTh:\t 18446744073709551615 \r\n\r\n", Length(u64::MAX)),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", Chunked),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", Chunked),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Chunked),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-Long: \u{e9}\u{fc}\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: x\r\nEmpty:\r\nBlank: \t \r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\na: 2\r\nA: 3\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~9z: v\r\n\r\n", None),
    ];
    for (head, framing) in cases {
        let read = verdict(head.as_bytes());
        let request = read.unwrap_or_else(|error| panic!("{error}: {head:?}")).unwrap();
        assert_eq!((request.framing, request.head_len), (*framing, head.len()), "{head:?}");
    }
}

#[test]
fn refuses_whatever_could_be_read_in_two_ways() {
    let line = "GET / HTTP/1.1\r\nHost: x\r\n";
    let cases: &[&str] = &[
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 1.0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: ,\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: gzip,\tchunked\r\n",
        "Transfer-Encoding: gzip, chunked\t\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        "A: b\r\n folded\r\n",
        "A: b\r\n\tfolded\r\n",
        " A: b\r\n",
        "A: b\n",
        "A: b\rc: d\r\n",
        "A: b\r\r\n",
        "A: b\0c\r\n",
        "A: b\x01c\r\n",
        "A\0: b\r\n",
        "A b: c\r\n",
        "A\u{e9}: c\r\n",
        "A(: c\r\n",
        ": empty\r\n",
        "no colon\r\n",
        "Host: y\r\n",
        "host: x\r\n",
    ];
    for case in cases {
        let head = format!("{line}{case}\r\n");
        assert!(verdict(head.as_bytes()).is_err(), "accepted: {head:?}");
    }
}

#[test]
fn refuses_broken_first_lines() {
    let cases: &[&str] = &[
        "GET /\r\n",
        "GET / HTTP/0.9\r\n",
        "GET / HTTP/1.2\r\n",
        "GET / HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET  / HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.10\r\n",
        "GET / RTSP/1.0\r\n",
        " GET / HTTP/1.1\r\n",
        "\tGET / HTTP/1.1\r\n",
        "G\0T / HTTP/1.1\r\n",
        "GET /\0 HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET\t/ HTTP/1.1\r\n",
        "(GET) / HTTP/1.1\r\n",
        "/ HTTP/1.1\r\n",
        "GET HTTP/1.1\r\n",
        "CONNECT x:443 HTTP/1.1\r\n",
        "GET / HTTP/1.1\n",
        "\u{16}\u{3}\u{1}\r\n",
    ];
    for case in cases {
        let head = format!("{case}Host: x\r\n\r\n");
        assert!(verdict(head.as_bytes()).is_err(), "accepted: {head:?}");
    }
}

#[test]
fn refusals_have_their_own_names() {
    let long = "a".repeat(2000);
    let many = "A: b\r\n".repeat(9);
    let cases: &[(String, Refusal)] = &[
        (format!("GET /{long}"), Refusal::TargetTooLong),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..300]), Refusal::TargetTooLong),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), Refusal::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}"), Refusal::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), Refusal::TooManyHeaders),
        ("GET / HTTP/1.1\r\n\r\n".into(), Refusal::HostMissing),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            Refusal::Framing(super::framing::Error::CodingInHttp10),
        ),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n".into(), Refusal::HostTwice),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n".into(), Refusal::Head(head::Error::BareLineFeed)),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".into(), Refusal::Connect),
        ("\u{1}".into(), Refusal::Head(head::Error::NotHttp)),
        ("GET /\r\nHost".into(), Refusal::Version),
    ];
    for (bytes, refusal) in cases {
        assert_eq!(request(bytes.as_bytes()), Err(*refusal), "{bytes:?}");
    }
}

#[test]
fn knows_when_a_connection_persists_and_what_is_asked_for() {
    let ask = |headers: &str, version: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: x\r\n{headers}\r\n");
        let request = request(head.as_bytes()).unwrap().unwrap();
        (request.persistence, request.upgrade, request.expects_continue)
    };
    use Persistence::{Close, KeepAlive};
    let cases = [
        ("", "1.1", (KeepAlive, false, false)),
        ("", "1.0", (Close, false, false)),
        ("Connection: close\r\n", "1.1", (Close, false, false)),
        ("Connection: Keep-Alive\r\n", "1.0", (KeepAlive, false, false)),
        ("Connection: keep-alive, close\r\n", "1.1", (Close, false, false)),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", "1.1", (KeepAlive, true, false)),
        (
            "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: foo\r\n",
            "1.1",
            (KeepAlive, true, false),
        ),
        ("Upgrade: websocket\r\n", "1.1", (KeepAlive, false, false)),
        ("Connection: upgrade\r\nUpgrade: x\r\n", "1.0", (Close, true, false)),
        ("Proxy-Connection: Upgrade\r\nUpgrade: x\r\n", "1.1", (KeepAlive, true, false)),
        ("Proxy-Connection: close\r\n", "1.1", (Close, false, false)),
        ("Expect: 100-Continue\r\n", "1.1", (KeepAlive, false, true)),
        ("Expect: 100-continue\r\n", "1.0", (Close, false, false)),
    ];
    for (headers, version, expected) in cases {
        assert_eq!(ask(headers, version), expected, "{headers:?} {version}");
    }
}

#[test]
fn finds_forged_private_headers() {
    let cases: &[(&str, &str)] = &[
        ("X-Plimsoll: 1 2\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("A: 1\r\nx-plimsoll:\r\nB: 2\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n"),
        (
            "x-plimsoll: 1\r\nB: 2\r\nx-PLIMSOLL: 3\r\nC: 4\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nB: 2\r\nC: 4\r\n\r\n",
        ),
    ];
    for (headers, left) in cases {
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let mut left_over = head.clone();
        for line in request(head.as_bytes()).unwrap().unwrap().forged.into_iter().rev() {
            left_over.replace_range(line, "");
        }
        assert_eq!(left_over, *left);
    }
}

#[test]
fn skips_empty_lines_before_a_request() {
    for (bytes, skipped) in [("\r\n\r\nGET", 4), ("\r\n\rG", 2), ("\nGET", 0), ("GET", 0), ("\r", 0)] {
        assert_eq!(leading_empty_lines(bytes.as_bytes()), skipped, "{bytes:?}");
    }
}

#[test]
fn follows_chunked_bodies_to_their_end() {
    let cases: &[&str] = &[
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n00000\r\n\r\n",
        "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        "1;ext\r\nx\r\n0\r\n\r\n",
        "1;a=b;c=\"d;\\\"e\"\r\nx\r\n0;last\r\n\r\n",
        "1\r\nx\r\n0\r\nTrailer: value\r\nEmpty:\r\n\r\n",
        "2\r\n\r\n\r\n0\r\n\r\n",
        "0\r\nContent-Length-X: 4\r\nTransfer-Encodin: y\r\nX-Transfer-Encoding: z\r\n\r\n",
    ];
    for case in cases {
        let rest = "GET / HTTP/1.1\r\n";
        let bytes = format!("{case}{rest}");
        let mut chunked = Chunked::default();
        assert_eq!(chunked.advance(bytes.as_bytes()), Ok(case.len()), "{case:?}");
        assert!(chunked.is_done(), "{case:?}");
        for cut in 0..case.len() {
            let mut chunked = Chunked::default();
            assert_eq!(chunked.advance(&case.as_bytes()[..cut]), Ok(cut), "{case:?} cut at {cut}");
            assert!(!chunked.is_done(), "{case:?} done at {cut}");
            assert_eq!(
                chunked.advance(&bytes.as_bytes()[cut..]),
                Ok(case.len() - cut),
                "{case:?} after {cut}"
            );
            assert!(chunked.is_done());
        }
    }
}

#[test]
fn refuses_broken_chunks() {
    use chunked::Error as E;
    let extension = format!("1;{}\r\nx\r\n", "e".repeat(5000));
    let extensions = format!("1;{}\r\nx\r\n", "e".repeat(4000)).repeat(5);
    let trailers = format!("0\r\n{}", "T: v\r\n".repeat(4000));
    let cases: &[(&str, E)] = &[
        ("\r\n", E::Size),
        (" 1\r\nx\r\n", E::Size),
        ("1 \r\nx\r\n", E::Size),
        ("-1\r\n", E::Size),
        ("+1\r\n", E::Size),
        ("0x1\r\n", E::Size),
        ("g\r\n", E::Size),
        (";\r\n", E::Size),
        ("1\nx\r\n", E::Size),
        ("1\rx", E::Size),
        ("10000000000000000\r\n", E::SizeTooLarge),
        ("ffffffffffffffffff\r\n", E::SizeTooLarge),
        ("1;a\nx", E::Extension),
        ("1;a\0\r\n", E::Extension),
        ("1;\"a\r\n", E::Extension),
        ("1\r\nxx\r\n", E::ChunkEnd),
        ("1\r\nx\n", E::ChunkEnd),
        ("1\r\nx\r\r", E::ChunkEnd),
        ("0\r\n folded\r\n", E::Trailer),
        ("0\r\nT\r\n", E::Trailer),
        ("0\r\nT : v\r\n", E::Trailer),
        ("0\r\n: v\r\n", E::Trailer),
        ("0\r\nT: a\0\r\n", E::Trailer),
        ("0\r\nT: a\nU: b\r\n", E::Trailer),
        ("0\r\nContent-Length: 4\r\n", E::TrailerFraming),
        ("0\r\nA: b\r\ntransfer-encoding:chunked\r\n", E::TrailerFraming),
        ("0\r\n\n", E::Trailer),
        ("0\r\n\rX", E::Trailer),
        (&extension, E::ExtensionTooLong),
        (&extensions, E::ExtensionTooLong),
        (&trailers, E::TrailersTooLong),
    ];
    for (bytes, error) in cases {
        assert_eq!(Chunked::default().advance(bytes.as_bytes()), Err(*error), "{:.60?}", bytes);
    }
}

#[test]
fn knows_the_framing_of_responses() {
    use Framing::{Chunked, Length, None, UntilClose};
    let cases: &[(&str, Method, Framing, Persistence)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get, Length(5), Persistence::KeepAlive),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head, None, Persistence::KeepAlive),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Method::Get, None, Persistence::KeepAlive),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::Get, None, Persistence::KeepAlive),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", Method::Get, None, Persistence::KeepAlive),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Method::Get,
            Chunked,
            Persistence::KeepAlive,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Method::Get, UntilClose, Persistence::Close),
        ("HTTP/1.1 200 OK\r\n\r\n", Method::Get, UntilClose, Persistence::Close),
        ("HTTP/1.1 200 OK\r\n\r\n", Method::Head, None, Persistence::KeepAlive),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
            Method::Get,
            Length(1),
            Persistence::Close,
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", Method::Get, Length(1), Persistence::Close),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
            Method::Get,
            Length(1),
            Persistence::KeepAlive,
        ),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Method::Get, None, Persistence::KeepAlive),
        (
            "HTTP/1.1 299 \u{e9}t\u{e9}\r\nContent-Length: 0\r\n\r\n",
            Method::Get,
            None,
            Persistence::KeepAlive,
        ),
    ];
    for (head, method, framing, persistence) in cases {
        let response = Response::read(head.as_bytes(), &mut Scan::default(), *method).unwrap().unwrap();
        assert_eq!((response.framing, response.persistence), (*framing, *persistence), "{head:?}");
        assert_eq!(response.head_len, head.len());
    }
}

#[test]
fn refuses_responses_that_clients_could_misread() {
    let cases: &[&str] = &[
        "hello\r\n\r\n",
        "\0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    ];
    for head in cases {
        let read = Response::read(head.as_bytes(), &mut Scan::default(), Method::Get);
        assert!(read.is_err(), "accepted: {head:?} as {read:?}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(300_000));
    let read = Response::read(endless.as_bytes(), &mut Scan::default(), Method::Get);
    assert_eq!(read, Err(Bad::TooLarge));
}

#[test]
fn a_body_of_known_length_ends_where_it_says() {
    let mut body = Body::from(Framing::Length(5));
    assert_eq!(body.advance(b"abc"), Ok(3));
    assert!(!body.is_done());
    assert_eq!(body.advance(b"defg"), Ok(2));
    assert!(body.is_done());
    assert!(Body::from(Framing::None).is_done());
    let mut chunked = Body::from(Framing::Chunked);
    assert_eq!(chunked.advance(b"3;ext\r\nabc\r\n2\r\nd"), Ok(16));
    assert_eq!(chunked.data_bytes(), 4);
    let mut endless = Body::from(Framing::UntilClose);
    assert_eq!(endless.advance(b"abc"), Ok(3));
    assert!(!endless.is_done());
}

proptest::proptest! {
    /// Whatever the bytes and wherever they are cut, there is an answer, and it is the same.
    #[test]
    fn cuts_change_nothing(bytes in proptest::collection::vec(soup(), 0..60), cut in 0_usize..200) {
        let bytes = bytes.concat();
        let whole = request(&bytes);
        let mut scan = Scan::default();
        let first = Request::read(&bytes[..cut.min(bytes.len())], &mut scan, &LIMITS);
        if let Ok(None) = first {
            proptest::prop_assert_eq!(Request::read(&bytes, &mut scan, &LIMITS), whole);
        }
        let mut at_once = Chunked::default();
        let one = at_once.advance(&bytes);
        let mut in_two = Chunked::default();
        let (left, right) = bytes.split_at(cut.min(bytes.len()));
        let two = in_two.advance(left).and_then(|taken| {
            if taken < left.len() { Ok(taken) } else { in_two.advance(right).map(|more| taken + more) }
        });
        proptest::prop_assert_eq!(one, two);
        if one.is_ok() {
            proptest::prop_assert_eq!(at_once, in_two);
        }
    }
}

/// Pieces from which interesting requests and chunks are likely to come.
fn soup() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let pieces: Vec<&[u8]> = vec![
        b"GET / HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"Content-Length: ",
        b"5",
        b"Transfer-Encoding: chunked\r\n",
        b"0\r\n",
        b"1\r\nx\r\n",
        b";",
        b"a=b",
        b"\"",
        b":",
        b"\0",
        b"\x80",
    ];
    prop_oneof![
        4 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
    ]
}
