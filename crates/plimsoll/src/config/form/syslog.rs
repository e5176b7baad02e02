//! Where syslog listens.

use std::fmt;
use std::path::PathBuf;

use super::url::split_host;
use super::{Form, Reason};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    Udp {
        host: String,
        port: u16,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// TCP with TLS, as RFC 5425 has it.
    Tls {
        host: String,
        port: u16,
    },
    /// A socket of datagrams.
    Unix(PathBuf),
}

pub(in crate::config) struct Syslog;

impl Form for Syslog {
    type Value = SyslogAddress;

    fn read(&self, text: &str) -> Result<SyslogAddress, Reason> {
        let wrong =
            || Reason::new(format!("`{text}` is no address of syslog"), format!("write {}", self.describe()));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "unix" if rest.starts_with('/') && !rest.contains(['"', '\\', '\0']) => {
                Ok(SyslogAddress::Unix(PathBuf::from(rest)))
            }
            "udp" => {
                split_host(rest, 514).map(|(host, port)| SyslogAddress::Udp { host, port }).ok_or_else(wrong)
            }
            "tcp" => {
                split_host(rest, 601).map(|(host, port)| SyslogAddress::Tcp { host, port }).ok_or_else(wrong)
            }
            "tls" => {
                split_host(rest, 6514).map(|(host, port)| SyslogAddress::Tls { host, port }).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn write(&self, value: &SyslogAddress) -> String {
        value.to_string()
    }

    fn describe(&self) -> String {
        "an address like `unix:///dev/log`, `udp://host:514`, `tcp://host:601` or `tls://host:6514`"
            .to_owned()
    }
}

impl fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix://{}", path.display()),
            Self::Udp { host, port } => ("udp", host, port),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Tls { host, port } => ("tls", host, port),
        };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("unix:///dev/log", "unix:///dev/log"),
            ("udp://localhost", "udp://localhost:514"),
            ("tcp://[::1]:6514", "tcp://[::1]:6514"),
            ("tls://logs", "tls://logs:6514"),
        ] {
            assert_eq!(Syslog.write(&Syslog.read(text).unwrap()), written);
        }
        for text in ["", "localhost:514", "unix://dev/log", "http://a", "udp://", "tcp://a:x"] {
            assert!(Syslog.read(text).is_err(), "{text}");
        }
    }
}
