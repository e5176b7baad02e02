//! What the app's calls do to the services behind it.

use super::super::damage::{Damage, Whose};
use super::super::words::{counted, milliseconds, ms, percent};
use super::super::{Draft, Facts, as_f64, number};
use crate::observe::status::Downstream;
use crate::observe::status::downstream::Breaker;
use crate::observe::units;

const CONCERN: &str = "downstream";
/// "Twenty is enough for anything."
const PARALLEL_MAX: u64 = 20;
/// Of a hundred calls; fewer failures are the life of a network.
const FAILED_PERCENT: u64 = 5;
const FAILED_MIN: u64 = 10;

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    let all = facts.meanwhile.downstreams.iter();
    all.flat_map(|one| match breaker(one) {
        // That the service fails is why.
        Some(open) => [fan_out(one), Some(open), limit(one)],
        None => [fan_out(one), fails(one), limit(one)],
    })
    .flatten()
    .collect()
}

fn figures(one: &Downstream) -> Vec<(&'static str, f64)> {
    [
        ("calls", one.calls),
        ("errors", one.errors),
        ("failed", one.failed),
        ("fan_out_max", one.fan_out_max),
        ("queued", one.queued),
        ("waited_ms", one.waited_ms),
        ("refused", one.refused),
        ("would_queue", one.would_queue),
        ("would_wait_ms", one.would_wait_ms),
    ]
    .map(|(name, value)| (name, as_f64(value)))
    .to_vec()
}

/// `stock:8080`, as it stands in the settings.
fn address(one: &Downstream) -> &str {
    one.origin.split_once("://").map_or(one.origin.as_str(), |(_, address)| address)
}

/// How many calls are made at the same time, more than is good.
enum Width<'a> {
    /// For a request of this route, at most and in 99 of 100 requests.
    Request { who: &'a str, most: u64, p99: u64 },
    /// By the workers, more often than not: to which requests the calls belong is not known.
    Bursts,
}

impl<'a> Width<'a> {
    fn of(one: &'a Downstream) -> Option<Self> {
        let is_wide = |parallel: u64| parallel > PARALLEL_MAX;
        let widest = one.callers.iter().find(|caller| is_wide(caller.p99.into()));
        match widest {
            Some(caller) => {
                Some(Self::Request { who: &caller.route, most: caller.most.into(), p99: caller.p99.into() })
            }
            None if is_wide(one.fan_out_p99) => {
                Some(Self::Request { who: "a request", most: one.fan_out_max, p99: one.fan_out_p99 })
            }
            // Many requests with a call each are no fan-out: only where most calls would have waited under a limit.
            None => (one.fan_outs == 0 && one.would_queue > one.calls / 2).then_some(Self::Bursts),
        }
    }

    fn what(&self, one: &Downstream) -> String {
        match self {
            Self::Request { who, p99, .. } => {
                format!("{who} makes {p99} calls to {} at the same time", one.origin)
            }
            Self::Bursts => {
                format!("calls to {} come in bursts of more than {}", one.origin, one.concurrency)
            }
        }
    }

    fn seen(&self, one: &Downstream) -> String {
        let calls = counted(one.calls, "call");
        match self {
            Self::Request { most, p99, .. } => format!("up to {most} at once (p99 {p99}), in {calls}"),
            Self::Bursts => {
                format!(
                    "{calls}; of which requests is not known: they come after an await (Node.js 24 and later tell)"
                )
            }
        }
    }
}

fn fan_out(one: &Downstream) -> Option<Draft> {
    let is_held = one.enforced && (one.per_request > 0 || one.concurrency > 0);
    let width = Width::of(one).filter(|_| one.calls > 0 && !is_held)?;
    let mut seen = vec![width.seen(one)];
    seen.extend((one.would_queue > 0).then(|| {
        format!(
            "with {} at once {} of them would have waited here instead of there",
            one.concurrency,
            percent(as_f64(one.would_queue), as_f64(one.calls))
        )
    }));
    Some(Draft {
        code: "fan_out",
        concern: CONCERN,
        damage: Damage {
            whose: Whose::Service,
            // A call stands in line there no longer than it takes, however long it would have waited here.
            waited_ms: one.would_wait_ms.min(one.took_ms),
            is_danger: true,
            ..Damage::default()
        },
        about: format!("width {}", one.origin),
        what: width.what(one),
        seen,
        figures: figures(one),
        fix: format!(
            "[downstream.\"{}\"] mode = \"enforce\", concurrency = {}; or in the code, a limit around the calls of a request (p-limit)",
            address(one),
            if one.adaptive { "\"adaptive\"".to_owned() } else { one.concurrency.max(1).to_string() }
        ),
        acts: Some("nothing: calls there are only observed".to_owned()),
        ..Draft::default()
    })
}

/// The service fails.
fn fails(one: &Downstream) -> Option<Draft> {
    let bad = one.errors.saturating_add(one.failed);
    if bad < FAILED_MIN || bad * 100 < one.calls * FAILED_PERCENT {
        return None;
    }
    let mean = as_f64(one.took_ms) / as_f64(one.calls.max(1));
    Some(Draft {
        code: "downstream_fails",
        concern: CONCERN,
        damage: Damage { is_danger: true, ..Damage::clients(one.took_ms / one.calls.max(1) * bad) },
        about: format!("failures {}", one.origin),
        what: format!("{} of the calls to {} fail", percent(as_f64(bad), as_f64(one.calls)), one.origin),
        seen: vec![format!(
            "{} without an answer ({} timed out), {} answered 500 or more, of {}; a call takes {}",
            one.errors,
            one.timeouts,
            one.failed,
            counted(one.calls, "call"),
            milliseconds(mean)
        )],
        figures: figures(one),
        fix: "the service is down or too busy: fewer calls at once, a timeout on each, and an answer without it".to_owned(),
        acts: spares(one),
        ..Draft::default()
    })
}

/// What is done for it, or would be.
fn spares(one: &Downstream) -> Option<String> {
    let observed = one.breaker.as_ref().filter(|breaker| !breaker.enforced && breaker.would_refuse > 0);
    let limit = (one.enforced && one.concurrency > 0)
        .then(|| format!("at most {} calls at once go there", one.concurrency));
    let breaker = observed.map(|breaker| {
        format!(
            "a circuit breaker would have refused {}, of which {} failed ([downstream.\"{}\"] mode = \"enforce\", breaker = \"enforce\")",
            counted(breaker.would_refuse, "call"),
            breaker.would_fail,
            address(one)
        )
    });
    let parts: Vec<String> = limit.into_iter().chain(breaker).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// A breaker of ours refuses calls, or has.
fn breaker(one: &Downstream) -> Option<Draft> {
    let breaker = one.breaker.as_ref().filter(|breaker| breaker.enforced)?;
    if breaker.open_s.is_none() && one.broken == 0 {
        return None;
    }
    let figures =
        [("broken", one.broken), ("opened", breaker.opened), ("open_s", breaker.open_s.unwrap_or(0))];
    let figures = figures.map(|(name, value)| (name, as_f64(value)));
    Some(Draft {
        code: "breaker_open",
        concern: CONCERN,
        damage: Damage { failed: one.broken, is_danger: true, ..Damage::default() },
        about: format!("failures {}", one.origin),
        what: broken(one, breaker),
        seen: vec![refusals(one, breaker)],
        figures: self::figures(one).into_iter().chain(figures).collect(),
        fix: format!(
            "{} fails: look there first; and let the app answer without it where a call fails with EPLIMSOLL_BREAKER",
            one.origin
        ),
        acts: Some(
            "calls fail at once, which spares the service and the clients; one is tried now and then, and the first that is answered closes it".to_owned(),
        ),
        ..Draft::default()
    })
}

/// `GET /orders: calls to http://stock:8080 are refused, its circuit breaker has been open for 42s`
fn broken(one: &Downstream, breaker: &Breaker) -> String {
    let whose = match &breaker.routes[..] {
        [] => String::new(),
        [route] => format!("{route}: "),
        [route, others @ ..] => format!("{route} and {}: ", counted(number(others.len()), "other route")),
    };
    match breaker.open_s {
        Some(seconds) => format!(
            "{whose}calls to {} are refused, its circuit breaker has been open for {}",
            one.origin,
            units::age(seconds)
        ),
        None => format!("{whose}calls to {} were refused, its circuit breaker was open", one.origin),
    }
}

/// `1,234 calls refused, and 25 of 90 that were made failed; it opened 3 times, the last time because 5 calls in a row failed`
fn refusals(one: &Downstream, breaker: &Breaker) -> String {
    let failed = one.errors.saturating_add(one.failed);
    let mut text = format!("{} refused", counted(one.broken, "call"));
    if one.calls > 0 {
        text += &format!(", and {failed} of {} that were made failed", counted(one.calls, "call"));
    }
    let why = breaker.why.as_deref().unwrap_or_default();
    match breaker.opened {
        0 => text + "; it opened before",
        1 => text + "; it opened once, because " + why,
        times => text + &format!("; it opened {times} times, the last time because {why}"),
    }
}

/// A limit of ours makes calls wait.
fn limit(one: &Downstream) -> Option<Draft> {
    (one.enforced && (one.queued > 0 || one.refused > 0)).then(|| Draft {
        code: "limit_queues",
        concern: CONCERN,
        damage: Damage { failed: one.refused, ..Damage::clients(one.waited_ms) },
        about: format!("limit {}", one.origin),
        what: format!("calls to {} wait for their turn under the limit of {}", one.origin, one.concurrency),
        seen: vec![format!(
            "{} waited {} together, {} were refused",
            counted(one.queued, "call"),
            ms(one.waited_ms),
            one.refused
        )],
        figures: figures(one),
        fix: format!("raise concurrency of [downstream.\"{}\"] if the service stands more; else make fewer calls for a request", address(one)),
        acts: Some("the limit holds; who waits for too long is refused".to_owned()),
        ..Draft::default()
    })
}
