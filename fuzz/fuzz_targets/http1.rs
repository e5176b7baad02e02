//! Heads and chunked bodies: no panic, and the same verdict however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::gateway::http1::body::Body;
use plimsoll::gateway::http1::head::Scan;
use plimsoll::gateway::http1::request::{Limits, Request};
use plimsoll::gateway::http1::response::Response;
use plimsoll::observe::http::Method;

const LIMITS: Limits = Limits { head_bytes_max: 4096, headers_max: 50, target_bytes_max: 1024 };

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let cut = usize::from(cut).min(bytes.len());
    let whole = Request::read(bytes, &mut Scan::default(), &LIMITS);
    let mut scan = Scan::default();
    if let Ok(None) = Request::read(&bytes[..cut], &mut scan, &LIMITS) {
        assert_eq!(Request::read(bytes, &mut scan, &LIMITS), whole);
    }
    if let Ok(Some(request)) = whole {
        let body = &bytes[request.head_len..];
        follow(Body::from(request.framing), body, cut);
    }
    if let Ok(Some(response)) = Response::read(bytes, &mut Scan::default(), Method::Get) {
        follow(Body::from(response.framing), &bytes[response.head_len..], cut);
    }
    follow(Body::Chunked(Default::default()), bytes, cut);
});

fn follow(mut body: Body, bytes: &[u8], cut: usize) {
    let mut in_two = body;
    let one = body.advance(bytes);
    let (left, right) = bytes.split_at(cut.min(bytes.len()));
    let two = in_two.advance(left).and_then(|taken| {
        if taken < left.len() { Ok(taken) } else { in_two.advance(right).map(|more| taken + more) }
    });
    assert_eq!(one, two);
    assert!(one.is_err() || one == Ok(bytes.len()) || body.is_done());
}
