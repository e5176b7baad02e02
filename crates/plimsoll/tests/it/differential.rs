//! What the gateway accepts, Node's parser frames in the same way: thousands of made-up messages, good and
//! broken, through both. Node may refuse more (then the client gets Node's own 400); it must never see other
//! messages than the gateway saw.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use plimsoll::gateway::http1::body::Body;
use plimsoll::gateway::http1::framing::Framing;
use plimsoll::gateway::http1::head::{Scan, leading_empty_lines};
use plimsoll::gateway::http1::request::{Limits, Persistence, Request};
use plimsoll::gateway::http1::response::Response;
use plimsoll::observe::http::Method;

const LIMITS: Limits = Limits { head_bytes_max: 8192, headers_max: 100, target_bytes_max: 4096 };

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
struct Message {
    url: String,
    status: u16,
    body: usize,
}

#[derive(Debug, serde::Deserialize)]
struct Framed {
    messages: Vec<Message>,
    error: Option<String>,
}

/// The complete messages that the gateway would send on: the bytes of each (one write each: a link carries one
/// request at a time), and what it took them for.
fn gateway(bytes: &[u8], is_request: bool) -> (Vec<Vec<u8>>, Vec<Message>) {
    let mut accepted = Vec::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    loop {
        if is_request {
            rest = &rest[leading_empty_lines(rest)..];
        }
        let Some((message, head_len, framing, persistence)) = head(rest, is_request) else { break };
        let mut body = Body::from(framing);
        let Ok(length) = body.advance(&rest[head_len..]) else { break };
        if !body.is_done() || framing == Framing::UntilClose {
            break;
        }
        let data = match framing {
            Framing::Chunked => chunk_data(&rest[head_len..head_len + length]),
            _ => length,
        };
        accepted.push(rest[..head_len + length].to_vec());
        messages.push(Message { body: data, ..message });
        rest = &rest[head_len + length..];
        // Nothing more is sent on this link.
        if persistence == Persistence::Close {
            break;
        }
    }
    (accepted, messages)
}

fn head(bytes: &[u8], is_request: bool) -> Option<(Message, usize, Framing, Persistence)> {
    if is_request {
        let request = Request::read(bytes, &mut Scan::default(), &LIMITS).ok()??;
        let line = &bytes[..memchr::memchr(b'\r', bytes)?];
        // Node's versions differ in how they decode what is not ASCII.
        let target = line.split(|&byte| byte == b' ').nth(1)?;
        let url = target.iter().filter(|byte| byte.is_ascii()).map(|&byte| char::from(byte)).collect();
        Some((Message { url, status: 0, body: 0 }, request.head_len, request.framing, request.persistence))
    } else {
        let response = Response::read(bytes, &mut Scan::default(), Method::Get).ok()??;
        let status = response.status;
        Some((
            Message { url: String::new(), status, body: 0 },
            response.head_len,
            response.framing,
            response.persistence,
        ))
    }
}

/// Data bytes of a chunked body that was accepted: decoded in the plainest way, on purpose not with our code.
fn chunk_data(mut body: &[u8]) -> usize {
    let mut data = 0;
    loop {
        let line = memchr::memchr(b'\n', body).unwrap();
        let text = String::from_utf8_lossy(&body[..line]);
        let size = usize::from_str_radix(text.split([';', '\r']).next().unwrap(), 16).unwrap();
        if size == 0 {
            return data;
        }
        data += size;
        body = &body[line + 1 + size + 2..];
    }
}

/// Deterministic noise: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }
}

const STARTS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"POST /a HTTP/1.1\r\n",
    b"PUT /b?c HTTP/1.0\r\n",
    b"DELETE /%zz HTTP/1.1\r\n",
    b"GET http://x/ HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"HEAD /\xc3\xa9 HTTP/1.1\r\n",
    b"M-SEARCH /d HTTP/1.1\r\n",
    b"SOURCE /e HTTP/1.1\r\n",
    b"PATCH /f HTTP/1.1 \r\n",
];
const STATUSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 103 Early Hints\r\n",
    b"HTTP/1.1 100 Continue\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 500\r\n",
];
const LINES: &[&[u8]] = &[
    b"Host: x\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:5\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Content-Length: +3\r\n",
    b"Content-Length: 3 \r\n",
    b"Content-Length:\t03\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, gzip\r\n",
    b"Transfer-Encoding: CHUNKED \r\n",
    b"Transfer-Encoding:\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: chunked,\r\n",
    b"Transfer-Encoding: ,chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    b"Connection:\r\n",
    b"Proxy-Connection: close\r\n",
    b"A:\r\n",
    b"A: b\r\n c\r\n",
    b"A: \xff\r\n",
    b"A: b\n",
    b"A: b\rC: d\r\n",
    b"Expect: 100-continue\r\n",
    b"X: \x7f\r\n",
    b"X: \x01\r\n",
    b": x\r\n",
    b"X\r\n",
    b"Trailer: T\r\n",
];
const BODIES: &[&[u8]] = &[
    b"",
    b"",
    b"abc",
    b"hello",
    b"0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
    b"03\r\nabc\r\n000\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"b;c\"\r\nabc\r\n0;x\r\n\r\n",
    b"3;a=\"b\\\"c\"\r\nabc\r\n0\r\n\r\n",
    b"3;=\r\nabc\r\n0\r\n\r\n",
    b"0\r\nContent-Length: 4\r\n\r\n",
    b"0\r\nA: b\r\n c\r\n\r\n",
    b"0\r\n: b\r\n\r\n",
    b"3;a b\r\nabc\r\n0\r\n\r\n",
    b"3; a\r\nabc\r\n0\r\n\r\n",
    b"A\r\n0123456789\r\n0\r\n\r\n",
];

fn make(random: &mut Random, is_request: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        bytes.extend_from_slice(random.pick(if is_request { STARTS } else { STATUSES }));
        if random.below(8) != 0 {
            bytes.extend_from_slice(b"Host: x\r\n");
        }
        for _ in 0..random.below(4) {
            bytes.extend_from_slice(random.pick(LINES));
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(random.pick(BODIES));
    }
    // Half of the messages get one damaged byte.
    if random.below(2) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, b"\r\n \t\0:;,0"[random.below(9)]),
        }
    }
    bytes
}

fn node(input: &str) -> Vec<Framed> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/differential.js");
    let mut child = Command::new(crate::harness::node())
        .args(["--no-deprecation", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn compare(is_request: bool) {
    let mut random = Random(0x5DEE_CE66_D1CE_CAFE);
    let mut input = String::new();
    let mut cases = Vec::new();
    while cases.len() < 10_000 {
        let bytes = make(&mut random, is_request);
        let (accepted, messages) = gateway(&bytes, is_request);
        // Node 18 as a client reads a body after 204 and 304 with a length; its own clients tell it not to.
        let is_bodiless = messages.iter().any(|message| matches!(message.status, 204 | 304));
        if accepted.is_empty() || is_bodiless {
            continue;
        }
        input.push_str(if is_request { "request " } else { "response " });
        for message in &accepted {
            for byte in message {
                write!(input, "{byte:02x}").unwrap();
            }
            input.push('.');
        }
        input.push('\n');
        cases.push((accepted, messages));
    }
    let framed = node(&input);
    assert_eq!(framed.len(), cases.len());
    let mut agreed = 0;
    for ((accepted, messages), framed) in cases.iter().zip(framed) {
        let shown = accepted.concat().escape_ascii().to_string();
        // Where Node refuses, it must have seen the same messages up to there, and none beyond.
        let (prefix, rest) = messages.split_at(framed.messages.len().min(messages.len()));
        assert_eq!(framed.messages, prefix, "framed otherwise by Node: {shown}");
        // After an offer to switch protocols Node reads no body; what it does not read, it does not misread.
        let offers_switch = shown.to_ascii_lowercase().contains("upgrade");
        // `Proxy-Connection: close` closes too, for Node; versions before 20 then read nothing more, without error.
        let closes = shown.to_ascii_lowercase().contains("close");
        let stopped = framed.error.is_some() || closes || offers_switch;
        assert!(rest.is_empty() || stopped, "Node waits for more of: {shown}");
        agreed += usize::from(framed.error.is_none());
    }
    // Else the generator makes nothing worth comparing.
    assert!(agreed > cases.len() / 4, "only {agreed} of {} were accepted by both", cases.len());
}

#[test]
fn node_frames_accepted_requests_as_the_gateway_does() {
    compare(true);
}

#[test]
fn node_frames_accepted_responses_as_the_gateway_does() {
    compare(false);
}
