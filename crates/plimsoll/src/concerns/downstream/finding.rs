//! What is seen of an origin, in words.

use plimsoll_wire::calls::{Figures, Limit};

use super::callers::Caller;

/// Fewer calls say nothing.
const CALLS_MIN: u64 = 20;

/// One sentence about what a limit would do, or does; `None` while there is nothing to tell. `widest`: the route whose
/// requests make most calls at once, where it is known.
pub(super) fn describe(
    name: &str,
    limit: &Limit,
    figures: &Figures,
    widest: Option<&Caller>,
) -> Option<String> {
    if figures.calls < CALLS_MIN {
        return None;
    }
    let parallel = match widest {
        Some(Caller { route, most, p99, .. }) => Some((route.as_str(), u64::from(*most), u64::from(*p99))),
        None => Some(("a request", figures.fan_out_max, figures.fan_out_p99)),
    };
    let parallel = parallel
        .filter(|(_, most, _)| *most > 1)
        .map(|(who, most, p99)| format!("{who} makes up to {most} parallel calls to {name} (p99 {p99}); "));
    let effect = match (limit.enforce, parallel.is_some()) {
        (true, _) => does(name, limit, figures)?,
        (false, is_wide) => would(name, limit, figures, is_wide)?,
    };
    Some(parallel.unwrap_or_default() + &effect)
}

/// What is written into the settings so that the limit is held; `None`: it is held, or there is nothing to gain.
pub(super) fn hint(name: &str, limit: &Limit, figures: &Figures) -> Option<String> {
    let gains = figures.calls >= CALLS_MIN && (figures.would_queue > 0 || figures.would_refuse > 0);
    let (_, address) = name.split_once("://").filter(|_| gains && !limit.enforce)?;
    let concurrency = if limit.adaptive { "\"adaptive\"".to_owned() } else { limit.concurrency.to_string() };
    Some(format!("[downstream.\"{address}\"] mode = \"enforce\", concurrency = {concurrency}"))
}

fn would(name: &str, limit: &Limit, figures: &Figures, is_wide: bool) -> Option<String> {
    let Limit { concurrency, .. } = limit;
    if *concurrency == 0 {
        return None;
    }
    if figures.would_queue == 0 && figures.would_refuse == 0 {
        return is_wide.then(|| format!("a limit of {concurrency} would have made none of them wait"));
    }
    let of = if is_wide { "all calls there".to_owned() } else { format!("the calls to {name}") };
    let share = percent(figures.would_queue, figures.calls);
    let wait = milliseconds(figures.would_wait_ms, figures.would_queue);
    let refused = match figures.would_refuse {
        0 => String::new(),
        refused => format!(", and refused {}", percent(refused, figures.calls)),
    };
    Some(format!("a limit of {concurrency} would have queued {share} of {of} for {wait}{refused}"))
}

fn does(name: &str, limit: &Limit, figures: &Figures) -> Option<String> {
    if figures.queued == 0 && figures.refused == 0 {
        return None;
    }
    let all = figures.calls.saturating_add(figures.refused);
    let share = percent(figures.queued, all);
    let wait = milliseconds(figures.waited_ms, figures.queued);
    let refused = percent(figures.refused, all);
    let bound = match (limit.concurrency, limit.rate) {
        (0, 0) => format!("{} per request", limit.per_request),
        (0, rate) => format!("{rate}/s"),
        (concurrency, _) => concurrency.to_string(),
    };
    Some(format!(
        "the limit of {bound} queued {share} of the calls to {name} for {wait} and refused {refused}"
    ))
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded to a few digits")]
fn percent(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    match percent {
        0.0 => "none".to_owned(),
        0.0..1.0 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// The mean of `ms` over `count`.
#[expect(clippy::cast_precision_loss, reason = "it is rounded to a few digits")]
fn milliseconds(ms: u64, count: u64) -> String {
    let ms = ms as f64 / count.max(1) as f64;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_a_limit_would_do_and_what_it_does() {
        let observed = Limit {
            enforce: false,
            concurrency: 10,
            rate: 0,
            burst: 0,
            queue: 100,
            queue_timeout_ms: 1000,
            per_request: 0,
            adaptive: false,
        };
        let enforced = Limit { enforce: true, ..observed };
        let some = Figures { calls: 1000, ..Figures::default() };
        let wide = Figures { fan_out_max: 50, fan_out_p99: 38, ..some.clone() };
        let queue = Figures { would_queue: 40, would_wait_ms: 120, ..wide.clone() };
        let orders = Caller { route: "GET /orders".into(), seen: 3, most: 45, p99: 38 };
        let table = [
            (observed, Figures { calls: 19, ..queue.clone() }, None, None),
            (observed, some.clone(), None, None),
            (
                observed,
                wide,
                None,
                Some(
                    "a request makes up to 50 parallel calls to http://stock:8080 (p99 38); a limit of 10 would have \
                     made none of them wait",
                ),
            ),
            (
                observed,
                queue.clone(),
                Some(&orders),
                Some(
                    "GET /orders makes up to 45 parallel calls to http://stock:8080 (p99 38); a limit of 10 would have \
                     queued 4 % of all calls there for 3.0 ms",
                ),
            ),
            (
                observed,
                Figures { fan_out_max: 0, ..queue.clone() },
                None,
                Some("a limit of 10 would have queued 4 % of the calls to http://stock:8080 for 3.0 ms"),
            ),
            (
                enforced,
                Figures { queued: 5, waited_ms: 1000, refused: 250, ..some.clone() },
                None,
                Some(
                    "the limit of 10 queued 0.4 % of the calls to http://stock:8080 for 200 ms and refused 20 %",
                ),
            ),
            (enforced, some, None, None),
        ];
        for (limit, figures, widest, expected) in table {
            assert_eq!(describe("http://stock:8080", &limit, &figures, widest).as_deref(), expected);
        }
        let hinted = hint("http://stock:8080", &observed, &queue).unwrap();
        assert_eq!(hinted, "[downstream.\"stock:8080\"] mode = \"enforce\", concurrency = 10");
        assert_eq!(hint("http://stock:8080", &enforced, &queue), None);
    }
}
