//! The query of a request to the control socket: names and values, percent-encoded.

use super::control::{Profile, Reload, What};
use crate::percent::decode;

pub(super) type Query = Vec<(String, String)>;

/// Most workers that can be asked for, as in the settings.
const WORKERS_MAX: u16 = 1024;

/// Reads a query. What is not encoded well stays as it is.
pub(super) fn parse(query: Option<&str>) -> Query {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

/// What a reload is asked to do.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn reload(query: &Query) -> Result<Reload, String> {
    let mut reload = Reload::default();
    for (name, value) in query {
        match name.as_str() {
            "surge" => reload.surge = Some(number("surge", value)?),
            "env" => reload.environment.push(variable(value)?),
            _ => return Err(format!("this build knows no {name} of a reload")),
        }
    }
    Ok(reload)
}

/// How many workers there are to be.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn workers(query: &Query) -> Result<u16, String> {
    let value = query.iter().find(|(name, _)| name == "workers").map_or("", |(_, value)| value);
    number("workers", value)
}

fn number(name: &str, value: &str) -> Result<u16, String> {
    let number = value.parse().ok().filter(|number| (1..=WORKERS_MAX).contains(number));
    number.ok_or_else(|| format!("{name} must be a number from 1 to {WORKERS_MAX}"))
}

/// Limits of a CPU profile: what is asked for beyond them would be too large to be of use.
pub const PROFILE_SECONDS: std::ops::RangeInclusive<u32> = 1..=300;
pub const PROFILE_INTERVAL_US: std::ops::RangeInclusive<u32> = 100..=100_000;
pub const STALL_MS: std::ops::RangeInclusive<u32> = 20..=60_000;

/// What a CPU profile is to be.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn profile(query: &Query) -> Result<Profile, String> {
    let (mut worker, mut seconds, mut interval_us, mut stall_ms) = (None, 10, 1000, None);
    for (name, value) in query {
        match name.as_str() {
            "worker" => worker = Some(place(value)?),
            "seconds" => seconds = within(&PROFILE_SECONDS, name, value)?,
            "interval_us" => interval_us = within(&PROFILE_INTERVAL_US, name, value)?,
            "stall_ms" => stall_ms = Some(within(&STALL_MS, name, value)?),
            _ => return Err(format!("this build knows no {name} of a profile")),
        }
    }
    let what = match stall_ms {
        None => What::Cpu { seconds, interval_us },
        Some(threshold_ms) => What::Stall { seconds, interval_us, threshold_ms },
    };
    Ok(Profile { worker, what })
}

/// Of which worker a heap snapshot is to be.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn heap_snapshot(query: &Query) -> Result<Profile, String> {
    let mut worker = None;
    for (name, value) in query {
        match name.as_str() {
            "worker" => worker = Some(place(value)?),
            _ => return Err(format!("this build knows no {name} of a heap snapshot")),
        }
    }
    Ok(Profile { worker, what: What::Heap })
}

fn place(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| "worker must be the number of one, from 0".to_owned())
}

fn within(range: &std::ops::RangeInclusive<u32>, name: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{name} must be a number from {} to {}", range.start(), range.end()))
}

/// `KEY=VALUE`.
///
/// # Errors
/// It is no variable.
pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.into(), value.into())),
        _ => Err(format!("{text:?} is no variable: write KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent::encode;

    #[test]
    fn a_profile_is_read_and_mistakes_are_named() {
        let cpu = |worker, seconds, interval_us| Profile { worker, what: What::Cpu { seconds, interval_us } };
        assert_eq!(profile(&parse(None)), Ok(cpu(None, 10, 1000)));
        assert_eq!(profile(&parse(Some("worker=0&seconds=1&interval_us=100"))), Ok(cpu(Some(0), 1, 100)));
        let what = What::Stall { seconds: 5, interval_us: 1000, threshold_ms: 50 };
        assert_eq!(profile(&parse(Some("seconds=5&stall_ms=50"))), Ok(Profile { worker: None, what }));
        for query in
            ["seconds=0", "seconds=301", "interval_us=1", "stall_ms=1", "worker=x", "worker=-1", "x=1"]
        {
            assert!(profile(&parse(Some(query))).is_err(), "{query}");
        }
        let heap = Profile { worker: Some(3), what: What::Heap };
        assert_eq!(heap_snapshot(&parse(Some("worker=3"))), Ok(heap));
        assert!(heap_snapshot(&parse(Some("seconds=3"))).is_err());
    }

    #[test]
    fn a_reload_is_read_and_mistakes_are_named() {
        let query = format!("surge=2&env={}&env=A=", encode("K=a=b c"));
        let environment = vec![("K".to_owned(), "a=b c".to_owned()), ("A".to_owned(), String::new())];
        assert_eq!(reload(&parse(Some(&query))), Ok(Reload { surge: Some(2), environment }));
        assert_eq!(reload(&parse(None)), Ok(Reload::default()));
        for (query, part) in
            [("surge=0", "from 1"), ("env=K", "KEY=VALUE"), ("env=%3Dx", "KEY=VALUE"), ("x=1", "no x")]
        {
            let mistake = reload(&parse(Some(query))).unwrap_err();
            assert!(mistake.contains(part), "{query}: {mistake}");
        }
        assert_eq!(workers(&parse(Some("workers=3"))), Ok(3));
        assert!(workers(&parse(Some("workers=many"))).is_err() && workers(&Vec::new()).is_err());
    }
}
