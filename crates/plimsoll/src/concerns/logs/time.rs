//! The time that a line says, as loggers write it.

const SECOND_NS: u64 = 1_000_000_000;

/// A number since the epoch. Whether it counts seconds, milliseconds, microseconds or nanoseconds shows its size: all of
/// them are read as a time from 2001 to 2286.
#[must_use]
pub fn of_number(number: f64) -> Option<u64> {
    let units = [(1e9..1e10, SECOND_NS), (1e12..1e13, 1_000_000), (1e15..1e16, 1000), (1e18..1e19, 1)];
    let (_, unit) = units.into_iter().find(|(range, _)| range.contains(&number))?;
    // Whole units are exact: nanoseconds have more digits than a double.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "it is in one of the ranges"
    )]
    let (whole, rest) = (number.trunc() as u64, (number.fract() * unit as f64) as u64);
    whole.checked_mul(unit)?.checked_add(rest)
}

/// `2026-11-27T18:22:33.123Z`, also with a blank, with other digits of the second, and with an offset; or a number.
#[must_use]
pub fn of_text(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return of_number(number);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(time, ':')?;
    let digits = rest.strip_prefix('.').map_or("", |rest| {
        rest.get(..rest.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or_default()
    });
    let offset = rest.get(if digits.is_empty() { 0 } else { digits.len() + 1 }..)?;
    let is_date = (1970..=2262).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let fraction: u64 = format!("{digits:0<9}").get(..9)?.parse().ok()?;
    let utc = u64::try_from(seconds - offset_seconds(offset)?).ok()?;
    utc.checked_mul(SECOND_NS)?.checked_add(fraction)
}

fn three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok()).flatten()
    });
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// `Z`, nothing, `+01:00` or `-0530`.
fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, text.get(1..)?),
        [b'-', ..] => (-1, text.get(1..)?),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| digits.len() == 4)?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// Since the epoch, by the Gregorian calendar. A year begins in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_loggers_write_them() {
        let at = 1_795_803_753_123_000_000;
        for text in [
            "2026-11-27T18:22:33.123Z",
            "2026-11-27 18:22:33.123",
            "2026-11-27T18:22:33.123000000Z",
            "2026-11-27T19:22:33.123+01:00",
            "2026-11-27T12:52:33.123-0530",
            "1795803753123",
        ] {
            assert_eq!(of_text(text), Some(at), "{text}");
        }
        assert_eq!(of_text("2024-02-29T00:00:00Z"), Some(1_709_164_800_000_000_000));
        assert_eq!(of_number(1_795_803_753.0), Some(1_795_803_753_000_000_000));
        assert_eq!(of_number(1_795_803_753_123.0), Some(at));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "18:22:33",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-11-27T25:00:00Z",
            "2026-11-27",
            "1e400",
            "-5",
            "NaN",
            "2026-11-27T18:22:33 CET",
            "2026-1é-27T18:22:33Z",
            "9999-11-27T18:22:33Z",
            "+026-11-27T18:22:33Z",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
        assert_eq!(of_number(12.0), None);
        assert_eq!(of_number(f64::NAN), None);
    }
}
