//! What is seen of an origin, in words.

use plimsoll_wire::calls::{Figures, Limit};

/// Fewer calls say nothing.
const CALLS_MIN: u64 = 20;

/// One sentence about what a limit would do, or does; `None` while there is nothing to tell.
pub(super) fn describe(name: &str, limit: &Limit, figures: &Figures) -> Option<String> {
    if figures.calls < CALLS_MIN {
        return None;
    }
    let parallel = (figures.fan_out_max > 1).then(|| {
        format!(
            "a request makes up to {} parallel calls to {name} (p99 {}); ",
            figures.fan_out_max, figures.fan_out_p99
        )
    });
    let effect = if limit.enforce { does(name, limit, figures)? } else { would(name, limit, figures)? };
    Some(parallel.unwrap_or_default() + &effect)
}

fn would(name: &str, limit: &Limit, figures: &Figures) -> Option<String> {
    let Limit { concurrency, .. } = limit;
    if *concurrency == 0 {
        return None;
    }
    if figures.would_queue == 0 && figures.would_refuse == 0 {
        let some = figures.fan_out_max > 1;
        return some.then(|| format!("a limit of {concurrency} would have made none of them wait"));
    }
    let share = percent(figures.would_queue, figures.calls);
    let wait = milliseconds(figures.would_wait_us, figures.would_queue);
    let refused = match figures.would_refuse {
        0 => String::new(),
        refused => format!(", and refused {}", percent(refused, figures.calls)),
    };
    Some(format!(
        "a limit of {concurrency} would have queued {share} of the calls to {name} for {wait}{refused}"
    ))
}

fn does(name: &str, limit: &Limit, figures: &Figures) -> Option<String> {
    if figures.queued == 0 && figures.refused == 0 {
        return None;
    }
    let all = figures.calls.saturating_add(figures.refused);
    let share = percent(figures.queued, all);
    let wait = milliseconds(figures.waited_us, figures.queued);
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

/// The mean of `us` over `count`.
#[expect(clippy::cast_precision_loss, reason = "it is rounded to a few digits")]
fn milliseconds(us: u64, count: u64) -> String {
    let ms = us as f64 / 1000.0 / count.max(1) as f64;
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
        };
        let enforced = Limit { enforce: true, ..observed };
        let some = Figures { calls: 1000, ..Figures::default() };
        let wide = Figures { fan_out_max: 50, fan_out_p99: 38, ..some.clone() };
        let queue = Figures { would_queue: 40, would_wait_us: 120_000, ..wide.clone() };
        let table = [
            (observed, Figures { calls: 19, ..queue.clone() }, None),
            (observed, some.clone(), None),
            (
                observed,
                wide,
                Some(
                    "a request makes up to 50 parallel calls to http://stock:8080 (p99 38); a limit of 10 would have \
                     made none of them wait",
                ),
            ),
            (
                observed,
                queue,
                Some(
                    "a request makes up to 50 parallel calls to http://stock:8080 (p99 38); a limit of 10 would have \
                     queued 4 % of the calls to http://stock:8080 for 3.0 ms",
                ),
            ),
            (
                enforced,
                Figures { queued: 5, waited_us: 1_000_000, refused: 250, ..some.clone() },
                Some(
                    "the limit of 10 queued 0.4 % of the calls to http://stock:8080 for 200 ms and refused 20 %",
                ),
            ),
            (enforced, some, None),
        ];
        for (limit, figures, expected) in table {
            assert_eq!(describe("http://stock:8080", &limit, &figures).as_deref(), expected);
        }
    }
}
