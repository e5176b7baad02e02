//! The forms in which a record is written where a sink is a stream of bytes.

use crate::concerns::logs::record::Record;
use crate::config;
use crate::observe::logs::filter::Shown;
use crate::observe::logs::look::Look;
use crate::sys::output::Target;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Byte for byte as the worker wrote it.
    Raw,
    /// One object per record, with all that is known of it.
    Json,
    /// For people.
    Human(Look),
}

impl Format {
    /// For a stream that somebody may look at.
    pub(super) fn on(format: config::LogFormat, target: Target) -> Self {
        match format {
            config::LogFormat::Auto if !target.is_terminal() => Self::Json,
            config::LogFormat::Auto | config::LogFormat::Human => Self::Human(Look::of(target)),
            format => Self::of(format),
        }
    }

    /// For a file.
    pub(super) fn of(format: config::LogFormat) -> Self {
        match format {
            config::LogFormat::Raw => Self::Raw,
            config::LogFormat::Json | config::LogFormat::Auto => Self::Json,
            config::LogFormat::Human => Self::Human(Look::Plain),
        }
    }

    pub(super) fn write(self, record: &Record, text: &mut Vec<u8>) {
        match self {
            Self::Raw => {
                text.extend_from_slice(&record.line);
                text.push(b'\n');
            }
            Self::Json => {
                // Strings and numbers alone: there is nothing in it that JSON could not say.
                text.extend(serde_json::to_vec(&Shown::from(record)).unwrap_or_default());
                text.push(b'\n');
            }
            Self::Human(look) => text.extend(look.describe(&Shown::from(record)).into_bytes()),
        }
    }
}
