//! Numbers as people say them.

#[must_use]
pub fn duration(ms: u32) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// Of milliseconds that were computed.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
pub fn milliseconds(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        duration(ms.clamp(0.0, f64::from(u32::MAX)).round() as u32)
    }
}

#[must_use]
pub fn size(bytes: u64) -> String {
    const KB: u64 = 1024;
    match bytes {
        0..KB => format!("{bytes} bytes"),
        KB..1_048_576 => format!("{} kB", bytes / KB),
        _ => format!("{}.{} MB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

/// `1 worker`, `2 workers`, `12,345 queries`
#[must_use]
pub fn counted(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    match noun.strip_suffix("ry") {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{} {stem}ries", grouped(number)),
        None => format!("{} {noun}s", grouped(number)),
    }
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        for (ms, expected) in [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (3_250, "3.2 s")] {
            assert_eq!(duration(ms), expected);
        }
        for (ms, expected) in [(0.04, "0.0 ms"), (9.94, "9.9 ms"), (10.6, "11 ms"), (1e12, "4294967.2 s")] {
            assert_eq!(milliseconds(ms), expected);
        }
        for (bytes, expected) in
            [(1023, "1023 bytes"), (1024, "1 kB"), (1_048_575, "1023 kB"), (1_625_293, "1.5 MB")]
        {
            assert_eq!(size(bytes), expected);
        }
        for (number, noun, expected) in [
            (1_u32, "query", "1 query"),
            (0, "worker", "0 workers"),
            (1_234_567, "entry", "1,234,567 entries"),
        ] {
            assert_eq!(counted(number, noun), expected);
        }
    }
}
