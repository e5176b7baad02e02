//! What is seen of an origin, in words.

use plimsoll_wire::calls::{Figures, Limit};

use super::breaker::{Position, Shown};
use super::callers::Caller;
use crate::concerns::words;

/// Fewer calls say nothing.
const CALLS_MIN: u64 = 20;
/// Fewer retries than this, or than one call of so many, are nothing to tell.
const RETRIES_MIN: u64 = 10;
const RETRIES_SHARE: u64 = 20;

/// What is known of an origin.
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) limit: &'a Limit,
    pub(super) figures: &'a Figures,
    pub(super) breaker: Option<&'a Shown>,
}

impl About<'_> {
    /// A sentence about what a limit and a breaker would do, or do; `None` while there is nothing to tell. `widest`: the
    /// route whose requests make most calls at once, where it is known.
    pub(super) fn describe(&self, widest: Option<&Caller>) -> Option<String> {
        if self.figures.calls < CALLS_MIN {
            return None;
        }
        let parts = [self.limit(widest), self.breaks(), self.repeats()];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    fn limit(&self, widest: Option<&Caller>) -> Option<String> {
        let Self { name, limit, figures, .. } = *self;
        let parallel = match widest {
            Some(Caller { route, most, p99, .. }) => {
                Some((route.as_str(), u64::from(*most), u64::from(*p99)))
            }
            None => Some(("a request", figures.fan_out_max, figures.fan_out_p99)),
        };
        let parallel = parallel.filter(|(_, most, _)| *most > 1).map(|(who, most, p99)| {
            format!("{who} makes up to {most} parallel calls to {name} (p99 {p99}); ")
        });
        let effect = match (limit.enforce, parallel.is_some()) {
            (true, _) => does(name, limit, figures)?,
            (false, is_wide) => would(name, limit, figures, is_wide)?,
        };
        Some(parallel.unwrap_or_default() + &effect)
    }

    fn breaks(&self) -> Option<String> {
        let breaker = self.breaker.filter(|breaker| breaker.opened > 0)?;
        let times = if breaker.opened == 1 { "once".to_owned() } else { format!("{} times", breaker.opened) };
        let why = breaker.why.as_deref().unwrap_or_default();
        let name = self.name;
        if breaker.enforced {
            let refused = self.figures.broken;
            let now = if breaker.state == Position::Closed { "" } else { ", and it is open now" };
            return Some(format!(
                "the breaker of {name} opened {times} (last: {why}) and refused {refused} calls{now}"
            ));
        }
        let Shown { would_refuse, would_fail, .. } = breaker;
        Some(format!(
            "a breaker for {name} would have opened {times} (last: {why}) and refused {would_refuse} calls, of which \
             {would_fail} failed"
        ))
    }

    /// Retries, where they are many.
    fn repeats(&self) -> Option<String> {
        let Figures { retries, retries_refused, calls, .. } = *self.figures;
        if retries < RETRIES_MIN || retries * RETRIES_SHARE < calls {
            return None;
        }
        let share = percent(retries, calls.saturating_add(retries_refused));
        let refused = match retries_refused {
            0 => String::new(),
            refused => format!(", and {refused} of these were refused"),
        };
        Some(format!("{share} of the calls to {} are made again after they had failed{refused}", self.name))
    }

    /// What is written into the settings so that the limit is held, or the breaker; `None`: they are, or there is nothing to
    /// gain.
    pub(super) fn hint(&self) -> Option<String> {
        let Self { name, limit, figures, .. } = *self;
        let (_, address) = name.split_once("://").filter(|_| figures.calls >= CALLS_MIN)?;
        let queues = !limit.enforce && (figures.would_queue > 0 || figures.would_refuse > 0);
        let breaks = self.breaker.is_some_and(|breaker| !breaker.enforced && breaker.would_fail > 0);
        let concurrency =
            if limit.adaptive { "\"adaptive\"".to_owned() } else { limit.concurrency.to_string() };
        let keys = [
            (!limit.enforce).then(|| "mode = \"enforce\"".to_owned()),
            queues.then(|| format!("concurrency = {concurrency}")),
            breaks.then(|| "breaker = \"enforce\"".to_owned()),
        ];
        let keys: Vec<String> = keys.into_iter().flatten().collect();
        (queues || breaks).then(|| format!("[downstream.\"{address}\"] {}", keys.join(", ")))
    }
}

fn would(name: &str, limit: &Limit, figures: &Figures, is_wide: bool) -> Option<String> {
    let Limit { concurrency, .. } = limit;
    if *concurrency == 0 {
        return None;
    }
    if figures.unlimited >= figures.calls {
        return is_wide.then(|| "they go by http2, whose streams no limit holds up".to_owned());
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
    // Where nothing but a breaker holds, what waited did so until that was known.
    let is_limited = limit.concurrency > 0 || limit.rate > 0 || limit.per_request > 0;
    if !is_limited || (figures.queued == 0 && figures.refused == 0) {
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
    words::milliseconds(ms as f64 / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::calls::Watched;

    use super::*;

    fn observed() -> Limit {
        Limit {
            enforce: false,
            concurrency: 10,
            rate: 0,
            burst: 0,
            queue: 100,
            queue_timeout_ms: 1000,
            per_request: 0,
            adaptive: false,
            breaker: Watched::Observe,
            retry_percent: 0,
            retry_least: 3,
        }
    }

    #[test]
    fn it_is_said_what_a_limit_would_do_and_what_it_does() {
        let observed = observed();
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
                wide.clone(),
                None,
                Some(
                    "a request makes up to 50 parallel calls to http://stock:8080 (p99 38); a limit of 10 would have \
                     made none of them wait",
                ),
            ),
            (
                observed,
                Figures { unlimited: 1000, ..wide.clone() },
                None,
                Some(
                    "a request makes up to 50 parallel calls to http://stock:8080 (p99 38); they go by http2, whose \
                     streams no limit holds up",
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
            let about = About { name: "http://stock:8080", limit: &limit, figures: &figures, breaker: None };
            assert_eq!(about.describe(widest).as_deref(), expected);
        }
    }

    #[test]
    fn the_hint_is_what_is_missing_in_the_settings() {
        let enforced = Limit { enforce: true, ..observed() };
        let queue = Figures { calls: 1000, would_queue: 40, ..Figures::default() };
        let hint =
            |limit, breaker| About { name: "http://stock:8080", limit, figures: &queue, breaker }.hint();
        let seen = observed();
        let hinted = hint(&seen, None).unwrap();
        assert_eq!(hinted, "[downstream.\"stock:8080\"] mode = \"enforce\", concurrency = 10");
        assert_eq!(hint(&enforced, None), None);
        let (computed, held) = (opened(false), opened(true));
        let hinted = hint(&enforced, Some(&computed)).unwrap();
        assert_eq!(hinted, "[downstream.\"stock:8080\"] breaker = \"enforce\"");
        assert_eq!(hint(&enforced, Some(&held)), None);
    }

    fn opened(enforced: bool) -> Shown {
        Shown {
            enforced,
            state: Position::Open,
            opened: 2,
            why: Some("5 calls in a row failed".into()),
            open_since: None,
            routes: Vec::new(),
            would_refuse: if enforced { 0 } else { 340 },
            would_fail: if enforced { 0 } else { 338 },
        }
    }

    #[test]
    fn it_is_said_what_a_breaker_did_and_how_much_is_retried() {
        let limit = Limit { enforce: true, concurrency: 0, ..observed() };
        let some = Figures { calls: 1000, broken: 70, ..Figures::default() };
        let retried = Figures { retries: 380, retries_refused: 250, ..some.clone() };
        let table = [
            (some.clone(), None, None),
            (
                some.clone(),
                Some(opened(false)),
                Some(
                    "a breaker for http://a would have opened 2 times (last: 5 calls in a row failed) and refused 340 \
                     calls, of which 338 failed",
                ),
            ),
            (
                some,
                Some(opened(true)),
                Some(
                    "the breaker of http://a opened 2 times (last: 5 calls in a row failed) and refused 70 calls, and it \
                     is open now",
                ),
            ),
            (
                retried,
                None,
                Some(
                    "30 % of the calls to http://a are made again after they had failed, and 250 of these were refused",
                ),
            ),
        ];
        for (figures, breaker, expected) in table {
            let about =
                About { name: "http://a", limit: &limit, figures: &figures, breaker: breaker.as_ref() };
            assert_eq!(about.describe(None).as_deref(), expected);
        }
    }
}
