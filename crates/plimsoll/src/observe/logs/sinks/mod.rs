//! Sinks: where lines go. Each has a queue and a thread of its own, so that none holds up another, or the pipeline.
//!
//! ```text
//! processor ─ offer ─► queue ─ take ─► shipper ─ deliver ─► outlet (stream, file, collector, syslog)
//!                      bounded         tries again, says what was lost
//! ```

mod file;
mod format;
mod http;
mod queue;
mod ship;
mod spill;
mod standard;
mod stats;
mod syslog;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use self::queue::Queue;
use self::ship::{Outlet, Shipper};
pub(super) use self::standard::Standard;
pub use self::stats::{SinkFigures, SinkStats};
use super::spawn;
use super::stats::Stats;
use crate::concerns::logs::record::{Level, Record, Sink};
use crate::config::{self, LogLevel, SinkTarget};

/// A sink that `[[logs.sink]]` asks for.
#[derive(Debug)]
struct Configured {
    queue: Arc<Queue>,
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
        let outlet: Box<dyn Outlet> = match &sink.target {
            SinkTarget::File(file) => Box::new(file::ToFile::start(file)?),
            SinkTarget::Syslog(syslog) => Box::new(syslog::ToSyslog::new(syslog, identity)),
            SinkTarget::Http(http) => Box::new(http::ToHttp::start(http, identity)?),
        };
        let queue = Arc::new(Queue::new(level_of(sink.level), sink.queue_bytes, stats.sink(&sink.name)));
        let spill = sink.spill.as_ref().map(spill::Spill::new);
        let shipper = Shipper::new(Arc::clone(&queue), outlet, spill);
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
        wait(&self.queue, deadline);
    }
}

fn wait(queue: &Queue, deadline: Instant) {
    let lost = queue.wait_until_over(deadline);
    if !lost.is_none() {
        let (name, lost) = (queue.stats().name(), lost.describe());
        tracing::warn!("logs to {name}: {lost}; they could not be delivered before the end");
    }
}

/// `None`: nothing at all.
fn level_of(level: Option<LogLevel>) -> Option<Level> {
    level.map(|level| match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    })
}
