//! Durations and sizes as people write them.
//!
//! A number always carries its unit: `30` seconds in one tool is 30 milliseconds in the next, and the mistake
//! is found in production. `1KB` is 1024 bytes, as in nginx, HAProxy and the JVM; `1KiB` says the same.

use std::time::Duration;

use super::form::Reason;

const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, u64); 5] =
    [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];

/// Reads `250ms`, `30s`, `5m`, `1h`, `1m30s`.
pub(super) fn read_duration(text: &str) -> Result<Duration, Reason> {
    let mut milliseconds = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(|| not_a("duration", text, "30s"))?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = factor_of_duration(unit).ok_or_else(|| {
            Reason::new(
                unit_fault("duration", unit),
                format!("write `{number}s`; the units are ms, s, m, h, d"),
            )
        })?;
        milliseconds = number
            .checked_mul(factor)
            .and_then(|part| milliseconds.checked_add(part))
            .ok_or_else(|| not_a("duration", text, "30s"))?;
        rest = after;
    }
    if text.is_empty() {
        Err(not_a("duration", text, "30s"))
    } else {
        Ok(Duration::from_millis(milliseconds))
    }
}

/// Writes with the largest unit that leaves no remainder, as it would be typed.
pub(super) fn write_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match milliseconds {
        0 => "0s".to_owned(),
        milliseconds => write_exact(milliseconds, &DURATIONS),
    }
}

/// Reads `64KB`, `512MB`, `1GiB`; the case of the unit does not matter.
pub(super) fn read_size(text: &str) -> Result<u64, Reason> {
    let (number, unit) = split_number(text).ok_or_else(|| not_a("size", text, "64KB"))?;
    let factor = factor_of_size(unit).ok_or_else(|| {
        Reason::new(
            unit_fault("size", unit),
            format!("write `{number}KB`; the units are B, KB, MB, GB, TB (1KB is 1024B)"),
        )
    })?;
    number.checked_mul(factor).ok_or_else(|| not_a("size", text, "64KB"))
}

pub(super) fn write_size(bytes: u64) -> String {
    if bytes == 0 { "0B".to_owned() } else { write_exact(bytes, &SIZES) }
}

fn write_exact(value: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor))
        .map_or_else(|| value.to_string(), |(unit, factor)| format!("{}{unit}", value / factor))
}

fn factor_of_duration(unit: &str) -> Option<u64> {
    DURATIONS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

fn factor_of_size(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").map_or_else(|| unit.clone(), |letter| format!("{letter}B"));
    SIZES
        .iter()
        .find(|(name, _)| *name == unit || (unit.len() == 1 && name.starts_with(&unit)))
        .map(|(_, f)| *f)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit))
}

fn unit_fault(kind: &str, unit: &str) -> String {
    match unit {
        "" => format!("a {kind} needs a unit"),
        unit => format!("`{unit}` is not a unit of a {kind}"),
    }
}

fn not_a(kind: &str, text: &str, example: &str) -> Reason {
    Reason::new(format!("`{text}` is not a {kind}"), format!("write a number and a unit, like `{example}`"))
}
