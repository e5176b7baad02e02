//! Sinks: where lines go. Each has a queue and a thread of its own, so that none holds up another, or the pipeline.
//!
//! ```text
//! processor ─ offer ─► queue ─ take ─► shipper ─ deliver ─► outlet (stream, file, collector, syslog)
//!                      └──── observe::ship ────┘
//! ```

mod file;
mod format;
mod http;
mod patient;
mod spill;
mod standard;
mod syslog;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub(super) use self::standard::Standard;
use super::spawn;
use super::stats::Stats;
use crate::concerns::logs::record::{Level, Record, Sink};
use crate::config::{self, LogLevel, SinkTarget};
use crate::observe::ship::queue::Queue;
use crate::observe::ship::stats::ShipStats;
use crate::observe::ship::{Item, Outlet, Shipper, Words};

/// A sink that `[[logs.sink]]` asks for.
#[derive(Debug)]
struct Configured {
    queue: Arc<Queue<Record>>,
}

/// As `/status` shows a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkFigures {
    pub name: String,
    /// Lines that were delivered.
    pub lines: u64,
    pub bytes: u64,
    pub dropped_lines: u64,
    /// Attempts that failed.
    pub failures: u64,
    pub queue_bytes: u64,
    /// What waits on the disk.
    #[serde(default)]
    pub spilled_bytes: u64,
    /// Of the oldest line that waits.
    pub queue_age_ms: u64,
}

impl SinkFigures {
    #[must_use]
    pub fn of(sink: &ShipStats) -> Self {
        Self {
            name: sink.name().to_owned(),
            lines: sink.items(),
            bytes: sink.bytes(),
            dropped_lines: sink.dropped_items(),
            failures: sink.failures(),
            queue_bytes: sink.queue_bytes(),
            spilled_bytes: sink.aside_bytes(),
            queue_age_ms: u64::try_from(sink.age().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What a record takes beside its line.
const RECORD_BYTES: usize = 192;

impl Item for Record {
    const WORDS: &'static Words = &Words {
        what: "logs",
        one: "line",
        many: "lines of the app",
        ranks: ["trace", "debug", "info", "warn", "error", "fatal"],
        dropped: "plimsoll_logs_dropped_lines_total",
        settings: "the sink's settings",
    };

    fn rank(&self) -> usize {
        self.level.index()
    }

    fn bytes(&self) -> usize {
        self.line.len() + RECORD_BYTES
    }

    fn length(&self) -> usize {
        self.line.len() + 1
    }

    fn at(&self) -> u64 {
        self.at
    }

    fn detached(&self) -> Option<Self> {
        Some(self.clone().detached())
    }
}

/// Who logs, where a protocol asks for it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub service: String,
    pub host: String,
}

/// Starts the sinks of the settings.
///
/// # Errors
/// A thread could not be made.
pub(super) fn start(
    settings: &[config::LogSink],
    identity: &Identity,
    stats: &Stats,
) -> io::Result<Vec<Box<dyn Sink>>> {
    let start = |sink: &config::LogSink| -> io::Result<Box<dyn Sink>> {
        let outlet: Box<dyn Outlet<Record>> = match &sink.target {
            SinkTarget::File(file) => Box::new(file::ToFile::start(file)?),
            SinkTarget::Syslog(syslog) => Box::new(syslog::ToSyslog::new(syslog, identity)),
            SinkTarget::Http(http) => Box::new(http::start(http, identity)?),
        };
        let queue = Arc::new(Queue::new(rank_of(sink.level), sink.queue_bytes, stats.sink(&sink.name)));
        let mut shipper = Shipper::new(Arc::clone(&queue), outlet);
        if let Some(spill) = &sink.spill {
            shipper = shipper.with_aside(Box::new(spill::Spill::new(spill)));
        }
        spawn(&format!("logs-{}", sink.name), move || shipper.run())?;
        Ok(Box::new(Configured { queue }))
    };
    settings.iter().map(start).collect()
}

impl Sink for Configured {
    fn name(&self) -> &str {
        self.queue.stats().name()
    }

    fn offer(&self, records: &[Arc<Record>]) {
        self.queue.offer(records.iter());
    }

    fn close(&self, deadline: Instant) {
        self.queue.close(deadline);
    }

    fn wait(&self, deadline: Instant) {
        self.queue.tell_what_is_lost(deadline);
    }
}

/// `None`: nothing at all.
fn rank_of(level: Option<LogLevel>) -> Option<usize> {
    let level = level.map(|level| match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    });
    level.map(Level::index)
}
