//! A sink while it is being read: every key that any sink has.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    Compress, FileSink, Header, HttpSink, HttpTarget, LogFormat, LogSink, Protocol, QUEUE_BYTES, SinkTarget,
    Spill, Standard, SyslogSink,
};
use crate::config::form::{SyslogAddress, Url};
use crate::config::resolved::LogLevel;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stdout,
    File,
    Otlp,
    Loki,
    Http,
    Syslog,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Stdout, Self::File, Self::Otlp, Self::Loki, Self::Http, Self::Syslog];
    /// Those that send over HTTP.
    pub(super) const SENDING: [Self; 3] = [Self::Otlp, Self::Loki, Self::Http];

    /// Those whose target is another program.
    pub(super) const REMOTE: [Self; 4] = [Self::Otlp, Self::Loki, Self::Http, Self::Syslog];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File => "file",
            Self::Otlp => "otlp",
            Self::Loki => "loki",
            Self::Http => "http",
            Self::Syslog => "syslog",
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
    pub(super) url: Option<Url>,
    pub(super) ca: Option<PathBuf>,
    pub(super) spill: Option<PathBuf>,
    pub(super) spill_bytes: u64,
    pub(super) headers: Vec<Header>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) batch_bytes: usize,
    pub(super) batch_wait: Duration,
    pub(super) timeout: Duration,
    pub(super) address: SyslogAddress,
    pub(super) facility: u8,
}

/// What a draft is for.
pub(super) enum Finished {
    Standard(Standard),
    Sink(Box<LogSink>),
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
            compress: if kind == Kind::File { Compress::Gzip } else { Compress::Off },
            url: None,
            ca: None,
            spill: None,
            spill_bytes: 1024 * 1024 * 1024,
            headers: Vec::new(),
            labels: Vec::new(),
            batch_bytes: 1024 * 1024,
            batch_wait: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
            address: SyslogAddress::Unix(PathBuf::from("/dev/log")),
            facility: 16,
        }
    }

    /// `None`: something that it must have is missing.
    pub(super) fn finish(self) -> Option<Finished> {
        let Self { name, level, queue_bytes, format, spill, spill_bytes, .. } = self.clone();
        let spill = spill.map(|path| Spill { path, bytes_max: spill_bytes });
        let target = match self.kind {
            Kind::Stdout => return Some(Finished::Standard(Standard { level, format, queue_bytes })),
            Kind::Syslog => {
                SinkTarget::Syslog(SyslogSink { address: self.address, ca: self.ca, facility: self.facility })
            }
            Kind::Otlp => self.http(Protocol::Otlp, "/v1/logs")?,
            Kind::Loki => self.http(Protocol::Loki, "/loki/api/v1/push")?,
            Kind::Http => self.http(Protocol::Ndjson, "/")?,
            Kind::File => SinkTarget::File(FileSink {
                path: self.path,
                format,
                rotate_bytes: self.rotate_bytes,
                rotate_every: self.rotate_every,
                keep: self.keep,
                compress: self.compress,
            }),
        };
        Some(Finished::Sink(Box::new(LogSink { name, level, queue_bytes, spill, target })))
    }

    /// `path`: where that protocol has its place, if the URL does not say.
    fn http(self, protocol: Protocol, path: &str) -> Option<SinkTarget> {
        let mut url = self.url?;
        if url.path == "/" {
            path.clone_into(&mut url.path);
        }
        Some(SinkTarget::Http(HttpSink {
            protocol,
            labels: self.labels,
            target: HttpTarget {
                url,
                ca: self.ca,
                headers: self.headers,
                compress: self.compress,
                batch_bytes: self.batch_bytes,
                batch_wait: self.batch_wait,
                timeout: self.timeout,
            },
        }))
    }
}
