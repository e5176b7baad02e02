//! Memory in the user's words.

use super::recycle::Why;
use super::seen::Point;
use super::trend::{Growth, Leak, Suspect};
use crate::concerns::words::size;

const MB: u64 = 1 << 20;

/// `a major collection has left 47 of the 51 MB that its heap may have`
#[must_use]
pub fn why(why: Why) -> String {
    match why {
        Why::Heap { used, limit } => {
            format!(
                "a major collection has left {} of the {} MB that its heap may have",
                used / MB,
                limit / MB
            )
        }
        Why::Resident { bytes, most } => {
            format!("it holds {} of the {} MB of memory that it may have", bytes / MB, most / MB)
        }
        Why::Requests(requests) => format!("it has served {requests} requests (workers.max_requests)"),
    }
}

/// `its heap grows: major collections left 20 MB and, 270 s later, 44 MB; that is 1 kB for each request`
#[must_use]
pub fn growth(growth: &Growth) -> String {
    let Growth { from_bytes, to_bytes, over, requests } = growth;
    let by = to_bytes.saturating_sub(*from_bytes);
    let each = by.checked_div(*requests).map_or_else(String::new, |bytes| match bytes {
        0..1024 => format!("; that is {bytes} bytes for each request"),
        _ => format!("; that is {} kB for each request", bytes / 1024),
    });
    let (from, to, seconds) = (from_bytes / MB, to_bytes / MB, over.as_secs());
    format!("its heap grows: major collections left {from} MB and, {seconds} s later, {to} MB{each}")
}

/// What is grown, and with which routes.
#[must_use]
pub fn leak(leak: &Leak) -> String {
    let named = |Suspect { route, bytes_per_request }: &Suspect| {
        format!("{route} ({} for each of its requests)", size(*bytes_per_request))
    };
    let named: Vec<String> = leak.suspects.iter().map(named).collect();
    match named.is_empty() {
        true => growth(&leak.growth),
        false => format!("{}; it grows with {}", growth(&leak.growth), named.join(", or ")),
    }
}

/// How it is found out what grows.
#[must_use]
pub fn leak_hint(worker: u16) -> String {
    format!("compare two snapshots that are some minutes apart: plimsoll heap-snapshot --worker {worker}")
}

/// Steps of the history that are told.
const STEPS: usize = 5;

/// `; in its last 42 s its heap went 12, 19, 27, 35, 41 MB (of 42), with 3 MB outside it; it held 96 MB in all`
#[must_use]
pub fn last_minute(history: &[Point], limit: Option<u64>) -> String {
    let (Some(first), Some(last)) = (history.first(), history.last()) else { return String::new() };
    let seconds = last.at.saturating_duration_since(first.at).as_secs();
    let step = |number: usize| history.get(number * (history.len() - 1) / (STEPS - 1));
    let steps: Vec<String> = (0..STEPS)
        .filter(|number| history.len() >= STEPS || *number == STEPS - 1)
        .filter_map(|number| Some((step(number)?.heap_bytes / MB).to_string()))
        .collect();
    let went = if steps.len() > 1 {
        format!("in its last {seconds} s its heap went")
    } else {
        "its heap had".to_owned()
    };
    let of = limit.map_or_else(String::new, |limit| format!(" (of {})", limit / MB));
    let outside = last.external_bytes / MB;
    let whole = match last.rss_bytes / MB {
        0 => String::new(),
        rss => format!("; it held {rss} MB in all"),
    };
    format!("; {went} {} MB{of}, with {outside} MB outside it{whole}", steps.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn growth_is_told_for_each_request() {
        let one = |requests| {
            growth(&Growth {
                from_bytes: 20 * MB,
                to_bytes: 44 * MB,
                over: Duration::from_secs(270),
                requests,
            })
        };
        let base = "its heap grows: major collections left 20 MB and, 270 s later, 44 MB";
        assert_eq!(one(0), base);
        assert_eq!(one(24_000), format!("{base}; that is 1 kB for each request"));
        assert_eq!(one(240_000), format!("{base}; that is 104 bytes for each request"));
    }

    #[test]
    fn a_leak_is_told_with_the_routes_that_it_grows_with() {
        let growth = Growth {
            from_bytes: 20 * MB,
            to_bytes: 44 * MB,
            over: Duration::from_secs(270),
            requests: 24_000,
        };
        let suspect = |route: &str, bytes_per_request| Suspect { route: route.to_owned(), bytes_per_request };
        let suspects = vec![suspect("GET /a", 2 * MB + MB / 2), suspect("GET /b", 3000)];
        assert!(leak(&Leak { growth, suspects }).ends_with(
            "; it grows with GET /a (2.5 MB for each of its requests), or GET /b (2 kB for each of its requests)"
        ));
        assert_eq!(leak(&Leak { growth, suspects: Vec::new() }), super::growth(&growth));
    }

    #[test]
    fn the_last_minute_is_told_in_steps() {
        let start = Instant::now();
        let point = |second: u64| Point {
            at: start + Duration::from_secs(second),
            heap_bytes: (10 + second) * MB,
            external_bytes: 3 * MB,
            rss_bytes: 96 * MB,
        };
        let history: Vec<Point> = (0..=32).map(point).collect();
        assert_eq!(
            last_minute(&history, Some(42 * MB)),
            "; in its last 32 s its heap went 10, 18, 26, 34, 42 MB (of 42), with 3 MB outside it; it held 96 MB in all"
        );
        assert_eq!(
            last_minute(&history[..1], None),
            "; its heap had 10 MB, with 3 MB outside it; it held 96 MB in all"
        );
        assert_eq!(last_minute(&[], None), "");
    }
}
