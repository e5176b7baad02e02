//! Whom the app calls, as OpenTelemetry names it: `http://stock:8080` is a scheme, an address and a port.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    /// Empty, as the port, where it is no address.
    pub(super) scheme: &'a str,
    pub(super) host: &'a str,
    pub(super) port: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self { scheme: "", host: text, port: "" };
        };
        let usual = if scheme == "https" { "443" } else { "80" };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, usual),
        };
        Self { scheme, host, port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_scheme_an_address_and_a_port() {
        for (text, expected) in [
            ("http://stock:8080", ("http", "stock", "8080")),
            ("https://api.example.com", ("https", "api.example.com", "443")),
            ("http://[::1]", ("http", "[::1]", "80")),
            ("http://[::1]:81", ("http", "[::1]", "81")),
            ("others", ("", "others", "")),
        ] {
            let Origin { scheme, host, port } = Origin::of(text);
            assert_eq!((scheme, host, port), expected);
        }
    }
}
