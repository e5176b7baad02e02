//! `[[logs.sink]]`: where the log goes beside our own stdout and stderr, and in which form.
//!
//! Sinks are a list, so they are no rows of the table of settings; [`keys`] is the table of theirs, from which the
//! reader, `plimsoll config` and the reference page are made in the same way.

mod draft;
mod keys;
mod pairs;
mod read;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use super::form::{SyslogAddress, Url};
use super::resolved::LogLevel;
pub(super) use read::{Sinks, read};
pub(super) use show::{Shown, json, reference, toml};

/// What becomes of our own stdout and stderr.
#[derive(Debug, Clone)]
pub struct Standard {
    /// Lines below it are not written; `None`: none is.
    pub level: Option<LogLevel>,
    pub format: LogFormat,
    /// What may wait, for each of the two.
    pub queue_bytes: usize,
}

/// Another place that lines go to.
#[derive(Debug, Clone)]
pub struct LogSink {
    pub name: String,
    pub level: Option<LogLevel>,
    pub queue_bytes: usize,
    /// Where to put what the target does not take for now, instead of keeping it in memory.
    pub spill: Option<Spill>,
    pub target: SinkTarget,
}

#[derive(Debug, Clone)]
pub struct Spill {
    pub path: PathBuf,
    pub bytes_max: u64,
}

#[derive(Debug, Clone)]
pub enum SinkTarget {
    File(FileSink),
    Http(HttpSink),
    Syslog(SyslogSink),
}

#[derive(Debug, Clone)]
pub struct FileSink {
    pub path: PathBuf,
    pub format: LogFormat,
    /// A file that would become larger is set aside first.
    pub rotate_bytes: u64,
    pub rotate_every: Option<Duration>,
    /// Files that were set aside and stay.
    pub keep: usize,
    pub compress: Compress,
}

#[derive(Debug, Clone)]
pub struct HttpSink {
    pub protocol: Protocol,
    pub labels: Vec<(String, String)>,
    pub target: HttpTarget,
}

/// Where batches are sent to over HTTP, and how.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    pub url: Url,
    /// Whose certificates are believed, instead of those that the system believes.
    pub ca: Option<PathBuf>,
    pub headers: Vec<Header>,
    pub compress: Compress,
    /// As much as is sent at once.
    pub batch_bytes: usize,
    /// How long more is waited for before less is sent.
    pub batch_wait: Duration,
    /// For one attempt.
    pub timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct SyslogSink {
    pub address: SyslogAddress,
    /// As for HTTP.
    pub ca: Option<PathBuf>,
    /// 0 to 23, as RFC 5424 numbers them.
    pub facility: u8,
}

/// What is spoken over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// An object per line.
    Ndjson,
    Loki,
    /// OpenTelemetry, in protobuf.
    Otlp,
}

/// A header, whose value may be a secret.
#[derive(Clone)]
pub struct Header {
    pub name: String,
    pub value: String,
    /// What may be shown of the value.
    shown: String,
}

impl Header {
    /// One that is never shown.
    pub(super) fn secret(name: String, value: String) -> Self {
        Self { name, value, shown: "***".to_owned() }
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.shown)
    }
}

/// How a record is written where it is a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// As the worker wrote it.
    Raw,
    Json,
    Human,
    /// For people on a terminal, JSON elsewhere.
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    Gzip,
    /// Of files only: what takes logs over HTTP knows gzip.
    Zstd,
    Off,
}

const QUEUE_BYTES: usize = 8 * 1024 * 1024;

impl Default for Standard {
    fn default() -> Self {
        Self { level: Some(LogLevel::Trace), format: LogFormat::Raw, queue_bytes: QUEUE_BYTES }
    }
}
