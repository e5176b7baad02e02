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

/// A moment in UTC, as calendars and clocks write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc {
    year: u64,
    month: u64,
    day: u64,
    /// 0 is Thursday, as the epoch was.
    weekday: u64,
    /// Since the day began.
    milliseconds: u64,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Utc {
    /// From nanoseconds since the epoch.
    #[must_use]
    pub fn of(nanoseconds: u64) -> Self {
        let milliseconds = nanoseconds / 1_000_000;
        // Years that begin in March have their leap day last; 400 of them are 146,097 days. The epoch is 719,468 days
        // after the first of March of the year 0.
        let days = milliseconds / 86_400_000 + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: milliseconds / 86_400_000 % 7,
            milliseconds: milliseconds % 86_400_000,
        }
    }

    fn month_name(self) -> &'static str {
        let month = usize::try_from(self.month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
        month.copied().unwrap_or_default()
    }

    fn clock(self) -> (u64, u64, u64, u64) {
        let seconds = self.milliseconds / 1000;
        (seconds / 3600, seconds / 60 % 60, seconds % 60, self.milliseconds % 1000)
    }

    /// `18:22:33.123`
    #[must_use]
    pub fn time_of_day(self) -> String {
        let (hours, minutes, seconds, milliseconds) = self.clock();
        format!("{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}")
    }

    /// `2026-11-27T18:22:33.123Z` (RFC 3339)
    #[must_use]
    pub fn timestamp(self) -> String {
        let Self { year, month, day, .. } = self;
        format!("{year:04}-{month:02}-{day:02}T{}Z", self.time_of_day())
    }

    /// `2026-11-27T18:22:33`: [`Self::timestamp`] without what is less than a second.
    #[must_use]
    pub fn second(self) -> String {
        let mut text = self.timestamp();
        text.truncate(19);
        text
    }

    /// `27/Nov/2026:18:22:33 +0000`, as web servers write it.
    #[must_use]
    pub fn common_log(self) -> String {
        let (hours, minutes, seconds, _) = self.clock();
        let (day, year, month) = (self.day, self.year, self.month_name());
        format!("{day:02}/{month}/{year:04}:{hours:02}:{minutes:02}:{seconds:02} +0000")
    }

    /// `Fri, 27 Nov 2026 18:22:33 GMT`, as HTTP's `Date` (RFC 9110).
    #[must_use]
    pub fn http_date(self) -> String {
        let (hours, minutes, seconds, _) = self.clock();
        let weekday = usize::try_from(self.weekday).ok().and_then(|day| WEEKDAYS.get(day)).copied();
        let (weekday, day, month, year) =
            (weekday.unwrap_or_default(), self.day, self.month_name(), self.year);
        format!("{weekday}, {day:02} {month} {year:04} {hours:02}:{minutes:02}:{seconds:02} GMT")
    }

    /// `20261127T182233.123Z`: for the names of files, which sort by it.
    #[must_use]
    pub fn compact(self) -> String {
        self.timestamp().replace(['-', ':'], "")
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

    #[test]
    fn moments_are_written_as_calendars_do() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_795_803_753, "2026-11-27T18:22:33.000Z"),
        ] {
            assert_eq!(Utc::of(seconds * 1_000_000_000).timestamp(), text);
        }
        let moment = Utc::of(1_795_803_753_123_000_000);
        assert_eq!(moment.compact(), "20261127T182233.123Z");
        assert_eq!(moment.second(), "2026-11-27T18:22:33");
        assert_eq!(moment.common_log(), "27/Nov/2026:18:22:33 +0000");
        assert_eq!(moment.http_date(), "Fri, 27 Nov 2026 18:22:33 GMT");
        assert_eq!(Utc::of(0).http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
