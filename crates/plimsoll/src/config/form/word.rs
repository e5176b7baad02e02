//! Forms that are words: addresses, names, choices.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::{Form, Reason};

/// A socket address, or a port alone for all addresses.
pub(in crate::config) struct Address;

/// A short word that is safe in a file name, a label and a table.
pub(in crate::config) struct Name {
    pub(in crate::config) most: usize,
}

/// The path of a file.
pub(in crate::config) struct PathName;

/// One of a few words.
pub(in crate::config) struct Choice<V: 'static>(pub(in crate::config) &'static [(&'static str, V)]);

impl Form for Address {
    type Value = SocketAddr;

    /// A port alone means every address of both families, as `server.listen(8080)` does in Node. A host name
    /// other than `localhost` is refused: settings are read without asking the network.
    fn read(&self, text: &str) -> Result<SocketAddr, Reason> {
        let everywhere = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let port_alone = text.strip_prefix(':').unwrap_or(text);
        if let Ok(port) = port_alone.parse::<u16>() {
            return Ok(everywhere(port));
        }
        if let Some(Ok(port)) = text.strip_prefix("localhost:").map(str::parse::<u16>) {
            return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        text.parse().map_err(|_| {
            Reason::new(
                format!("`{text}` is not an address"),
                "write an IP address and a port, like `127.0.0.1:8080`, `[::]:8080` or `:8080`",
            )
        })
    }

    fn write(&self, value: &SocketAddr) -> String {
        value.to_string()
    }

    fn describe(&self) -> String {
        "an address like `127.0.0.1:8080`, `[::1]:8080` or `:8080`".to_owned()
    }
}

impl Form for Name {
    type Value = String;

    fn read(&self, text: &str) -> Result<String, Reason> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !text.is_empty() && text.chars().all(fits) && !text.starts_with('.');
        let fault = match text.len() {
            _ if !is_name => format!("`{text}` is not a name"),
            length if length > self.most => format!("`{text}` has {length} characters"),
            _ => return Ok(text.to_owned()),
        };
        Err(Reason::new(fault, format!("write {}", self.describe())))
    }

    fn write(&self, value: &String) -> String {
        value.clone()
    }

    fn describe(&self) -> String {
        format!("at most {} letters, digits, `-`, `_` and `.`, not starting with `.`", self.most)
    }
}

impl Form for PathName {
    type Value = PathBuf;

    fn read(&self, text: &str) -> Result<PathBuf, Reason> {
        if text.is_empty() || text.ends_with('/') || text.contains(['\0', '"', '\\', '\n']) {
            return Err(Reason::new(format!("`{text}` is not a file"), format!("write {}", self.describe())));
        }
        Ok(PathBuf::from(text))
    }

    fn write(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }

    fn describe(&self) -> String {
        "the path of a file".to_owned()
    }
}

impl<V: Copy + PartialEq> Form for Choice<V> {
    type Value = V;

    fn read(&self, text: &str) -> Result<V, Reason> {
        self.0.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            Reason::new(format!("`{text}` is not known"), format!("write {}", self.describe()))
        })
    }

    fn write(&self, value: &V) -> String {
        self.0.iter().find(|(_, known)| known == value).map_or("", |(word, _)| *word).to_owned()
    }

    fn describe(&self) -> String {
        self.0.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
    }
}
