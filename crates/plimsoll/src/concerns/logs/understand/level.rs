//! Levels, as loggers write them.

use crate::concerns::logs::record::Level;

/// The longest word that is one.
const WORD_MAX: usize = 11;

/// A word or a number.
pub(super) fn of(value: &[u8]) -> Option<Level> {
    if value.first().is_some_and(u8::is_ascii_digit) { of_number(value) } else { of_word(value) }
}

/// In any case: `warn`, `WARNING`, `Log`.
pub(super) fn of_word(word: &[u8]) -> Option<Level> {
    let mut lower = [0; WORD_MAX];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"trace" | b"silly" | b"finest" => Level::Trace,
        b"debug" | b"verbose" | b"fine" => Level::Debug,
        b"info" | b"information" | b"log" | b"notice" | b"http" | b"default" => Level::Info,
        b"warn" | b"warning" => Level::Warn,
        b"error" | b"err" | b"severe" => Level::Error,
        b"fatal" | b"critical" | b"crit" | b"alert" | b"emerg" | b"emergency" | b"panic" => Level::Fatal,
        _ => return None,
    })
}

/// Pino and bunyan count 10, 20 … 60; below 10 it is syslog's, as GELF has it.
fn of_number(text: &[u8]) -> Option<Level> {
    Some(match number(text)? {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7..10 => Level::Debug,
        10..20 => Level::Trace,
        20..30 => Level::Debug,
        30..40 => Level::Info,
        40..50 => Level::Warn,
        50..60 => Level::Error,
        _ => Level::Fatal,
    })
}

/// OpenTelemetry's `SeverityNumber`.
pub(super) fn of_otel_number(text: &[u8]) -> Option<Level> {
    Some(match number(text)? {
        0 => return None,
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warn,
        17..=20 => Level::Error,
        _ => Level::Fatal,
    })
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
