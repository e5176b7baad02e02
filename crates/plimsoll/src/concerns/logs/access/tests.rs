use proptest::prelude::*;
use serde_json::Value;

use super::*;

const HEAD: &[u8] = b"GET /users/42?a=\"b\" HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/8\r\nX-Request-Id: one\r\n\
                      traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\nreferer: body";

fn entry<'a>(head: &'a [u8], answer: &'a [u8]) -> Entry<'a> {
    Entry {
        second: "2026-11-27T18:22:33",
        milliseconds: 7,
        level: Level::Info,
        head,
        answer,
        client: "127.0.0.1",
        method: "GET",
        route: Some("/users/:id"),
        status: 200,
        error: None,
        bytes: 12,
        times: Times {
            queue: Duration::ZERO,
            claim: Duration::from_micros(2500),
            first_byte: Some(Duration::from_millis(12)),
            total: Duration::from_micros(12_034),
        },
        worker: Some(3),
        rescued: 1,
        retried: 0,
    }
}

fn write(entry: &Entry<'_>, format: Format) -> (String, Written) {
    let mut text = b"before\n".to_vec();
    let written = entry.write(format, &mut text);
    assert!(written.length <= text.len() - 7);
    (String::from_utf8(text[7..].to_vec()).unwrap(), written)
}

#[test]
fn a_line_of_json_has_what_the_gateway_knows() {
    let (line, written) = write(&entry(HEAD, b""), Format::Json);
    assert_eq!(
        line,
        r#"{"time":"2026-11-27T18:22:33.007Z","level":"info","msg":"GET /users/:id 200","method":"GET","target":"/users/42?a=\"b\"","route":"/users/:id","status":200,"bytes":12,"total_ms":12.034,"queue_ms":0.000,"claim_ms":2.500,"first_byte_ms":12.000,"worker":3,"rescued":1,"retried":0,"client":"127.0.0.1","request_id":"one","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","user_agent":"curl/8"}"#
    );
    assert_eq!(&line[written.message], "GET /users/:id 200");
    assert_eq!(&line[written.request.unwrap()], "one");
    assert!(written.is_traced && written.trace.is_some());
}

#[test]
fn the_combined_format_is_that_of_others() {
    let (mut line, written) =
        write(&Entry { second: "27/Nov/2026:18:22:33 +0000", ..entry(HEAD, b"") }, Format::Combined);
    let id = line.split_off(written.length);
    assert_eq!(
        line,
        r#"127.0.0.1 - - [27/Nov/2026:18:22:33 +0000] "GET /users/42?a=\x22b\x22 HTTP/1.1" 200 12 "-" "curl/8""#
    );
    assert_eq!((written.shape, id.as_str()), (Shape::Plain, "one"));
    let (line, _) = write(&entry(b"", b""), Format::Combined);
    assert!(line.contains(r#"] "-" 200"#), "{line}");
}

#[test]
fn a_trace_that_the_gateway_does_not_go_on_with_is_not_told() {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00\r\n\r\n";
    for odd in [
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    ] {
        let head = format!("GET / HTTP/1.1\r\ntraceparent: {odd}\r\n\r\n");
        let (line, written) = write(&entry(head.as_bytes(), b""), Format::Json);
        assert!(!line.contains("trace_id") && written.trace.is_none(), "{line}");
        let (line, written) = write(&entry(head.as_bytes(), ANSWER), Format::Json);
        assert!(line.contains(r#""trace_id":"0af76519"#) && !written.is_traced, "{line}");
    }
}

#[test]
fn the_id_may_be_the_apps() {
    let answer = b"HTTP/1.1 200 OK\r\nx-request-id: theirs\r\n\r\n";
    let (line, written) = write(&entry(b"BREW /pot HTTP/1.1\r\n\r\n", answer), Format::Json);
    assert_eq!(&line[written.request.unwrap()], "theirs");
    assert!(line.contains(r#""method":"BREW""#));
}

#[test]
fn where_the_head_is_not_known_the_rest_is_told() {
    let unknown = Entry { error: Some("cut"), route: None, worker: None, ..entry(b"", b"") };
    let (line, written) = write(&unknown, Format::Json);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&value["error"], &value["method"]), (&Value::from("cut"), &Value::from("GET")));
    assert!(value.get("target").is_none() && value.get("worker").is_none());
    assert_eq!(&line[written.message], "GET - 200");
}

#[test]
fn of_several_ids_the_first_that_is_one_counts() {
    let fields =
        Fields::read(b"GET / HTTP/1.1\r\nRequest-ID: \r\nX-Request-ID: one \r\nx-correlation-id: two\r\n");
    assert_eq!(fields.request, Some(&b"one"[..]));
    let long = format!("GET / HTTP/1.1\nx-request-id: {}\n\nx-request-id: body", "x".repeat(129));
    assert_eq!(Fields::read(long.as_bytes()).request, None);
    assert_eq!(Fields::read(b""), Fields::default());
}

proptest! {
    #[test]
    fn no_head_makes_a_second_line_or_breaks_the_json(
        target in proptest::collection::vec(any::<u8>(), 0..40),
        id in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let head = [b"GET /", &target[..], b" HTTP/1.1\r\nX-Request-Id: ", &id, b"\r\nUser-Agent: ", &id, b"\r\n\r\n"].concat();
        let (line, written) = write(&entry(&head, b""), Format::Json);
        prop_assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Some(place) = written.request {
            let text: String = serde_json::from_str(&format!("\"{}\"", &line[place])).unwrap();
            prop_assert_eq!(&Value::from(text), &value["request_id"]);
        }
        let mut text = Vec::new();
        let written = entry(&head, b"").write(Format::Combined, &mut text);
        text.truncate(written.length);
        prop_assert!(text.iter().all(|byte| matches!(byte, 0x20..0x7f)));
    }
}
