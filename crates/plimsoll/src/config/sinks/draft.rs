//! A sink while it is being read: every key that any sink has.

use std::path::PathBuf;
use std::time::Duration;

use super::{Compress, FileSink, LogFormat, LogSink, QUEUE_BYTES, SinkTarget, Standard};
use crate::config::resolved::LogLevel;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stdout,
    File,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Stdout, Self::File];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File => "file",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) level: Option<LogLevel>,
    pub(super) queue_bytes: usize,
    pub(super) format: LogFormat,
    pub(super) path: PathBuf,
    pub(super) rotate_bytes: u64,
    pub(super) rotate_every: Option<Duration>,
    pub(super) keep: usize,
    pub(super) compress: Compress,
}

/// What a draft is for.
pub(super) enum Finished {
    Standard(Standard),
    Sink(LogSink),
}

impl Draft {
    /// With the defaults of its kind.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: kind.word().to_owned(),
            level: Some(LogLevel::Trace),
            queue_bytes: QUEUE_BYTES,
            format: LogFormat::Raw,
            path: PathBuf::new(),
            rotate_bytes: 100 * 1024 * 1024,
            rotate_every: None,
            keep: 7,
            compress: Compress::Gzip,
        }
    }

    pub(super) fn finish(self) -> Finished {
        let Self { name, level, queue_bytes, format, .. } = self;
        let target = match self.kind {
            Kind::Stdout => return Finished::Standard(Standard { level, format, queue_bytes }),
            Kind::File => SinkTarget::File(FileSink {
                path: self.path,
                format,
                rotate_bytes: self.rotate_bytes,
                rotate_every: self.rotate_every,
                keep: self.keep,
                compress: self.compress,
            }),
        };
        Finished::Sink(LogSink { name, level, queue_bytes, target })
    }
}
