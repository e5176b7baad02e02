//! Forms: how a setting is written, which values it takes, and how it is printed so that it reads back.

mod quantity;
mod syslog;
mod url;
mod word;

pub(super) use quantity::{Count, HeapSize, Length, PerSecond, Share, Size, Workers};
pub(super) use syslog::Syslog;
pub use syslog::SyslogAddress;
pub(super) use url::HttpUrl;
pub use url::Url;
pub(super) use word::{Address, Choice, Name, PathName};

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
    /// In the file it is an array of tables.
    fn is_tables(&self) -> bool {
        false
    }
}

/// A form, or the word that stands for "none".
pub(super) struct Optional<F> {
    pub(super) word: &'static str,
    pub(super) form: F,
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
