//! Forms: how a setting is written, which values it takes, and how it is printed so that it reads back.

use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::resolved::WorkerCount;
use super::units::{read_duration, read_size, write_duration, write_size};

/// Why a text is not a value, and what to write instead. The setting and the place are added by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) fault: String,
    pub(super) hint: String,
}

impl Reason {
    pub(super) fn new(fault: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fault: fault.into(), hint: hint.into() }
    }
}

/// One way of writing a value. All sources hand over text, so that a value means the same in each of them.
pub(super) trait Form {
    type Value;
    fn read(&self, text: &str) -> Result<Self::Value, Reason>;
    fn write(&self, value: &Self::Value) -> String;
    /// For the reference page: `a duration from 1s to 1h`.
    fn describe(&self) -> String;
}

/// A duration between two bounds, in milliseconds.
pub(super) struct Length {
    pub(super) least_ms: u64,
    pub(super) most_ms: u64,
}

/// A size in bytes between two bounds.
pub(super) struct Size<N> {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) number: PhantomData<N>,
}

/// A whole number between two bounds.
pub(super) struct Count {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// `auto` or a number of workers.
pub(super) struct Workers {
    pub(super) most: u16,
}

/// A socket address, or a port alone for all addresses.
pub(super) struct Address;

/// A short word that is safe in a file name, a label and a table.
pub(super) struct Name;

/// One of a few words.
pub(super) struct Choice<V: 'static>(pub(super) &'static [(&'static str, V)]);

/// A form, or the word that stands for "none".
pub(super) struct Optional<F> {
    pub(super) word: &'static str,
    pub(super) form: F,
}

impl Form for Length {
    type Value = Duration;

    fn read(&self, text: &str) -> Result<Duration, Reason> {
        let duration = read_duration(text)?;
        let (least, most) = (Duration::from_millis(self.least_ms), Duration::from_millis(self.most_ms));
        match (least..=most).contains(&duration) {
            true => Ok(duration),
            false => Err(out_of_range(&write_duration(duration), &self.describe())),
        }
    }

    fn write(&self, value: &Duration) -> String {
        write_duration(*value)
    }

    fn describe(&self) -> String {
        let written = |ms| write_duration(Duration::from_millis(ms));
        format!("a duration from {} to {}", written(self.least_ms), written(self.most_ms))
    }
}

impl<N: TryFrom<u64> + TryInto<u64> + Copy> Form for Size<N> {
    type Value = N;

    fn read(&self, text: &str) -> Result<N, Reason> {
        let bytes = read_size(text)?;
        let refused = || out_of_range(&write_size(bytes), &self.describe());
        if !(self.least..=self.most).contains(&bytes) {
            return Err(refused());
        }
        N::try_from(bytes).map_err(|_| refused())
    }

    fn write(&self, value: &N) -> String {
        write_size((*value).try_into().unwrap_or(u64::MAX))
    }

    fn describe(&self) -> String {
        format!("a size from {} to {}", write_size(self.least), write_size(self.most))
    }
}

impl Form for Count {
    type Value = usize;

    fn read(&self, text: &str) -> Result<usize, Reason> {
        let number = read_number(text, &self.describe())?;
        usize::try_from(number)
            .ok()
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| out_of_range(&number.to_string(), &self.describe()))
    }

    fn write(&self, value: &usize) -> String {
        value.to_string()
    }

    fn describe(&self) -> String {
        format!("a number from {} to {}", self.least, self.most)
    }
}

impl Form for Workers {
    type Value = WorkerCount;

    fn read(&self, text: &str) -> Result<WorkerCount, Reason> {
        if text == "auto" {
            return Ok(WorkerCount::Auto);
        }
        let number = read_number(text, &self.describe())?;
        u16::try_from(number)
            .ok()
            .filter(|number| (1..=self.most).contains(number))
            .map(WorkerCount::Exactly)
            .ok_or_else(|| out_of_range(&number.to_string(), &self.describe()))
    }

    fn write(&self, value: &WorkerCount) -> String {
        match value {
            WorkerCount::Auto => "auto".to_owned(),
            WorkerCount::Exactly(count) => count.to_string(),
        }
    }

    fn describe(&self) -> String {
        format!("a number from 1 to {}, or `auto`", self.most)
    }
}

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
        if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) && !text.starts_with('.') {
            return Ok(text.to_owned());
        }
        Err(Reason::new(format!("`{text}` is not a name"), format!("write {}", self.describe())))
    }

    fn write(&self, value: &String) -> String {
        value.clone()
    }

    fn describe(&self) -> String {
        "at most 64 letters, digits, `-`, `_` and `.`, not starting with `.`".to_owned()
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

impl<F: Form> Form for Optional<F> {
    type Value = Option<F::Value>;

    fn read(&self, text: &str) -> Result<Self::Value, Reason> {
        if text == self.word {
            return Ok(None);
        }
        self.form
            .read(text)
            .map(Some)
            .map_err(|reason| Reason { hint: format!("{}; or `{}`", reason.hint, self.word), ..reason })
    }

    fn write(&self, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| self.word.to_owned(), |value| self.form.write(value))
    }

    fn describe(&self) -> String {
        format!("{}; or `{}`", self.form.describe(), self.word)
    }
}

fn read_number(text: &str, described: &str) -> Result<u64, Reason> {
    text.parse().map_err(|_| Reason::new(format!("`{text}` is not a number"), format!("write {described}")))
}

fn out_of_range(value: &str, described: &str) -> Reason {
    Reason::new(format!("{value} is out of range"), format!("write {described}"))
}
