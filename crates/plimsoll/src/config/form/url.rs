//! Where something is sent to over HTTP.

use std::fmt;

use super::{Form, Reason};

/// `http://host:port/path` or `https://…`, without a user or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Over TLS.
    pub is_secure: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
}

/// A URL; until it is given there is none.
pub(in crate::config) struct HttpUrl;

const EXAMPLE: &str = "write a URL like `http://collector:4318`";

impl Form for HttpUrl {
    type Value = Option<Url>;

    fn read(&self, text: &str) -> Result<Option<Url>, Reason> {
        let wrong = || Reason::new(format!("`{text}` is not a URL"), EXAMPLE);
        let (is_secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://").ok_or_else(wrong)?),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        if authority.contains('@') {
            return Err(Reason::new(
                "a URL with a user in it is not sent",
                "write it as a header: `[logs.sink.headers]`",
            ));
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'#')) {
            return Err(wrong());
        }
        let (host, port) = split_host(authority, if is_secure { 443 } else { 80 }).ok_or_else(wrong)?;
        Ok(Some(Url { is_secure, host, port, path: path.to_owned() }))
    }

    fn write(&self, value: &Option<Url>) -> String {
        value.as_ref().map_or_else(String::new, Url::to_string)
    }

    fn describe(&self) -> String {
        "a URL like `http://collector:4318` or `https://logs.example.com`".to_owned()
    }
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn split_host(text: &str, port_usually: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = match port {
        "" => port_usually,
        port => port.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_host = !host.is_empty() && host.chars().all(fits);
    is_host.then(|| (host.to_owned(), port))
}

impl Url {
    /// As the `Host` header has it.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (text, written) in [
            ("http://loki:3100", "http://loki:3100/"),
            ("http://127.0.0.1/a/b?c=d", "http://127.0.0.1:80/a/b?c=d"),
            ("http://[::1]:4318/v1/logs", "http://[::1]:4318/v1/logs"),
            ("https://logs.example.com/in", "https://logs.example.com:443/in"),
        ] {
            let url = HttpUrl.read(text).unwrap();
            assert_eq!(HttpUrl.write(&url), written);
            assert_eq!(HttpUrl.read(written).unwrap(), url);
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_a_hint() {
        for (text, fault) in [
            ("loki:3100", "`loki:3100` is not a URL"),
            ("http://", "`http://` is not a URL"),
            ("http://a:0", "is not a URL"),
            ("http://a:b", "is not a URL"),
            ("http://a b", "is not a URL"),
            ("http://a/ b", "is not a URL"),
            ("http://[::1", "is not a URL"),
            ("http://me:word@a", "a URL with a user in it is not sent"),
        ] {
            let reason = HttpUrl.read(text).unwrap_err();
            assert!(reason.fault.contains(fault) && !reason.hint.is_empty(), "{text}: {reason:?}");
        }
    }
}
