//! Numbers for people: ages and sizes in as few characters as say enough.

/// The two largest units: `4d 3h`, `1h 2m`, `59s`.
#[must_use]
pub fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// In powers of 1024, as `512MB` is read in settings: `50 MB`, `1.5 GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const STEP: u64 = 1024;
    const MEGA: u64 = STEP * STEP;
    const GIGA: u64 = MEGA * STEP;
    match bytes {
        0..STEP => format!("{bytes} B"),
        STEP..MEGA => format!("{} kB", bytes / STEP),
        MEGA..GIGA => format!("{} MB", bytes / MEGA),
        _ => format!("{}.{} GB", bytes / GIGA, bytes % GIGA * 10 / GIGA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3599, "59m 59s"),
            (3600, "1h 0m"),
            (86_399, "23h 59m"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(age(seconds), text);
        }
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 kB"), (52_428_800, "50 MB"), (1_610_612_736, "1.5 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
