//! What the supervisor itself has to say, on stderr, one line per event.
//!
//! On a terminal: `plimsoll: worker listens worker=0`. Elsewhere the line begins with the time (RFC 3339, UTC),
//! because the file that stderr is sent to keeps none; under journald, which stamps every line, it does not.
//! `warn` and `error` are written out, so that the line makes sense without colour; colours are only for a
//! terminal, and not where `NO_COLOR` is set.

use std::env;
use std::fmt;
use std::io::{IsTerminal as _, stderr};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Time,
    None,
}

/// The form of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) stamp: Stamp,
}

/// Starts logging for the rest of the process.
pub(super) fn start() {
    let terminal = stderr().is_terminal();
    let journald = env::var_os("JOURNAL_STREAM").is_some();
    let colour = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let stamp = if terminal || journald { Stamp::None } else { Stamp::Time };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(stderr)
        .with_ansi(colour)
        .event_format(Line { stamp })
        .finish();
    // A second call finds logging started already, and that is all it wants.
    let _ = tracing::subscriber::set_global_default(subscriber);
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
        if self.stamp == Stamp::Time {
            SystemTime.format_time(&mut writer)?;
            writer.write_char(' ')?;
        }
        writer.write_str("plimsoll: ")?;
        write_level(&mut writer, *event.metadata().level())?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
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
