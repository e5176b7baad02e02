//! The page at `/`, and the stream that keeps it true.
//!
//! ```text
//!   GET /        one document with its style and script inside; nothing is loaded from anywhere
//!   GET /events  history once, then each second what happened and the status (server-sent events)
//! ```
//!
//! The document is the same for everybody; all that an app could have named comes through the stream, as JSON, and is put
//! into the page as text.

mod events;
mod tick;

use std::fmt::Write as _;
use std::sync::LazyLock;

use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use hyper::{Response, StatusCode};

pub(super) use self::events::Streams;
use super::server::{self, Body};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 8] = [
    include_str!("format.js"),
    include_str!("data.js"),
    include_str!("chart.js"),
    include_str!("timeline.js"),
    include_str!("table.js"),
    include_str!("tables.js"),
    include_str!("page.js"),
    include_str!("live.js"),
];
const NONCE: &str = "{{nonce}}";

/// The page without its nonces.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let script = format!("(() => {{\n'use strict';\n{}}})();\n", SCRIPTS.concat());
    PAGE.replace("{{style}}", STYLE).replace("{{script}}", &script)
});

/// Our own style and script and nothing else may run; our own stream may be read; no other page may frame this one.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

pub(super) fn page() -> Response<Body> {
    let Ok(nonce) = nonce() else {
        return server::text(StatusCode::SERVICE_UNAVAILABLE, "the system has no random number\n");
    };
    let document = DOCUMENT.replace(NONCE, &nonce);
    let mut response = server::response(StatusCode::OK, "text/html; charset=utf-8", document);
    server::set(&mut response, REFERRER_POLICY, "no-referrer");
    if let Ok(policy) = HeaderValue::try_from(policy(&nonce)) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// 128 bits that nobody can foresee.
fn nonce() -> Result<String, rustix::io::Errno> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let mut nonce = String::with_capacity(32);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(nonce, "{byte:02x}");
    }
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the brief of the page allows.
    const BYTES_MAX: usize = 150 * 1024;

    #[test]
    fn the_page_is_whole_and_small_and_loads_nothing_from_elsewhere() {
        assert!(DOCUMENT.len() < BYTES_MAX, "{}", DOCUMENT.len());
        // The namespace of SVG is a name, not an address.
        let text = DOCUMENT.replace("http://www.w3.org/2000/svg", "");
        for word in [
            "://",
            "@import",
            "url(",
            "src=",
            " style=\"",
            "onclick",
            "innerHTML",
            "eval(",
            "{{style",
            "{{script",
        ] {
            assert!(!text.contains(word), "{word}");
        }
        assert_eq!(text.matches(NONCE).count(), 2);
    }

    #[test]
    fn each_answer_has_a_nonce_of_its_own() {
        let of = |response: &Response<Body>| response.headers()[CONTENT_SECURITY_POLICY].clone();
        let (one, other) = (page(), page());
        assert_ne!(of(&one), of(&other));
        let policy = of(&one).to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
