//! To which names a server answers that listens on the loopback alone.
//!
//! A page of somebody else can make its own name stand for 127.0.0.1 and then have a browser read whatever listens there
//! (DNS rebinding). Such a request carries that name as its host; an address or `localhost` cannot be made to stand for
//! anything else.

use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;

pub(super) const REFUSAL: &str = "this admin address is on the loopback, and answers only to localhost or to an address in place of a name\n \
     hint: ask for http://127.0.0.1 or http://localhost with its port; a proxy on this host must send such a Host, or \
     --admin must be another address\n";

/// A request without a host (HTTP/1.0) is from no browser.
pub(super) fn is_of_loopback<T>(request: &Request<T>) -> bool {
    let of_target = request.uri().authority().cloned();
    let mut headers = request.headers().get_all(HOST).into_iter();
    let (host, further) = (headers.next(), headers.next());
    if further.is_some() {
        return false;
    }
    match (of_target, host) {
        (None, None) => true,
        (Some(target), None) => is_known(&target),
        (target, Some(host)) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.is_some_and(|host| is_known(&host)) && target.is_none_or(|target| is_known(&target))
        }
    }
}

fn is_known(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host);
    let ends = |end: &str| {
        let start = name.len().checked_sub(end.len());
        start.and_then(|start| name.get(start..)).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || ends(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_names_of_the_loopback() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:9797", true),
            ("localhost.:9797", true),
            ("shop.localhost:1", true),
            ("127.0.0.1:9797", true),
            ("[::1]:9797", true),
            ("10.0.0.7", true),
            ("evil.example", false),
            ("evil.example:9797", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("localhost@evil.example", false),
            ("", false),
            ("a b", false),
        ] {
            let request = Request::builder().uri("/").header(HOST, host).body(()).unwrap();
            assert_eq!(is_of_loopback(&request), expected, "{host}");
        }
    }

    #[test]
    fn the_target_and_the_header_must_both_be_known() {
        let asked = |target: &str, hosts: &[&str]| {
            let request =
                hosts.iter().fold(Request::builder().uri(target), |all, host| all.header(HOST, *host));
            is_of_loopback(&request.body(()).unwrap())
        };
        assert!(asked("/", &[]) && asked("http://localhost/", &["localhost"]));
        assert!(!asked("http://evil.example/", &["localhost"]) && !asked("http://evil.example/", &[]));
        assert!(!asked("http://localhost/", &["evil.example"]));
        assert!(!asked("/", &["localhost", "evil.example"]), "two are one too many");
    }
}
