//! What the supervisor itself has to say, on stderr, one line per event.
//!
//! On a terminal: `plimsoll: worker listens worker=0`. Elsewhere the line begins with the time (RFC 3339, UTC),
//! because the file that stderr is sent to keeps none; under journald, which stamps every line, it does not.
//! `warn` and `error` are written out, so that the line makes sense without colour; colours are only for a
//! terminal, and not where `NO_COLOR` is set.
//!
//! The same lines go into the log pipeline, for `plimsoll logs` and the sinks, which do not write them to stderr.
//!
//! Of warnings and errors that come from one place again and again only so many are said in a minute; what is left out is
//! counted and told with the next one. See [`repeats`].
//!
//! A thread of its own writes the lines: whoever reads stderr must never be able to hold up the supervisor or the
//! gateway. See [`queue`].

mod queue;
mod repeats;

use std::env;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use self::queue::Queue;
use self::repeats::{Repeats, Verdict};
use crate::concerns::logs::record;
use crate::config::LogLevel;
use crate::observe::logs::Mirror;
use crate::sys::output::Target;

/// How long the last lines may take to be read once everything else is over.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Time,
    None,
}

/// The form of a line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stamp: Stamp,
    repeats: Mutex<Repeats>,
}

/// The log of this process; closed when it is dropped.
#[derive(Debug)]
pub(super) struct Log(Queue);

/// Starts logging for the rest of the process.
///
/// # Errors
/// The thread that writes could not be made.
pub(super) fn start(level: LogLevel, mirror: Mirror) -> io::Result<Log> {
    let terminal = Target::Stderr.is_terminal();
    let journald = env::var_os("JOURNAL_STREAM").is_some();
    let colour = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let stamp = if terminal || journald { Stamp::None } else { Stamp::Time };
    // Where nobody reads stderr any more there is nobody to tell.
    let queue = Queue::start(|line| drop(Target::Stderr.write_all(line)))?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter(level))
        .with_writer(Lines { queue: queue.clone(), mirror })
        .with_ansi(colour)
        .event_format(Line { stamp, repeats: Mutex::default() })
        .finish();
    // A second call finds logging started already, and that is all it wants.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(Log(queue))
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.close(FLUSH_TIMEOUT);
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Takes lines from the formatter, which hands over each event in one piece.
struct Lines {
    queue: Queue,
    mirror: Mirror,
}

struct OneLine<'a> {
    lines: &'a Lines,
    level: record::Level,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OneLine<'a>;

    fn make_writer(&'a self) -> OneLine<'a> {
        OneLine { lines: self, level: record::Level::Info }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> OneLine<'a> {
        let level = match *event.level() {
            Level::ERROR => record::Level::Error,
            Level::WARN => record::Level::Warn,
            Level::INFO => record::Level::Info,
            Level::DEBUG => record::Level::Debug,
            Level::TRACE => record::Level::Trace,
        };
        OneLine { lines: self, level }
    }
}

impl io::Write for OneLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.queue.push(line);
        self.lines.mirror.say(self.level, line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let left_out = match self.judge(event.metadata()) {
            Verdict::LeaveOut => return Ok(()),
            Verdict::Say { left_out } => left_out,
        };
        if self.stamp == Stamp::Time {
            SystemTime.format_time(&mut writer)?;
            writer.write_char(' ')?;
        }
        writer.write_str("plimsoll: ")?;
        write_level(&mut writer, *event.metadata().level())?;
        context.format_fields(writer.by_ref(), event)?;
        if left_out > 0 {
            write!(writer, " ({left_out} more like this one were left out before it)")?;
        }
        writeln!(writer)
    }
}

impl Line {
    /// Trouble that repeats itself; what was asked for by `--log-level debug` is all wanted.
    fn judge(&self, of: &'static Metadata<'static>) -> Verdict {
        let is_trouble = *of.level() <= Level::WARN;
        match (of.file().filter(|_| is_trouble), of.line()) {
            (Some(file), Some(line)) => self
                .repeats
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .judge((file, line), Instant::now()),
            _ => Verdict::Say { left_out: 0 },
        }
    }
}

fn write_level(writer: &mut Writer<'_>, level: Level) -> fmt::Result {
    let (word, colour) = match level {
        Level::ERROR => ("error", "\x1b[31m"),
        Level::WARN => ("warn", "\x1b[33m"),
        Level::INFO => return Ok(()),
        Level::DEBUG => ("debug", "\x1b[2m"),
        Level::TRACE => ("trace", "\x1b[2m"),
    };
    match writer.has_ansi_escapes() {
        true => write!(writer, "{colour}{word}:\x1b[0m "),
        false => write!(writer, "{word}: "),
    }
}
