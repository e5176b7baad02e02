//! The metrics of `downstream`.

use std::iter;

use super::Scrape;
use super::table::{Labels, Metric, Number, Samples, Values};
use crate::observe::histogram::Snapshot;
use crate::observe::origin::Origin;
use crate::observe::status::Downstream;

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "http_client_request_duration_seconds",
        help: "Time of the calls that the app made, from the call, with its wait, to the last byte of the answer.",
        labels: &["server_address", "server_port", "url_scheme"],
        values: Values::Histogram(durations),
    },
    Metric {
        name: "plimsoll_downstream_calls_total",
        help: "Calls that are over, by what came of them: answered, failed (answered 500 or more), error (no answer, or a broken one), refused (not made, because of a limit), broken (not made, because the breaker was open), retry_refused (not made, because there were too many retries).",
        labels: &["origin", "outcome"],
        values: Values::Counter(outcomes),
    },
    Metric {
        name: "plimsoll_downstream_timeouts_total",
        help: "Calls without an answer for which the app had waited as long as it wanted to; they are errors as well.",
        labels: &["origin"],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.timeouts)),
    },
    Metric {
        name: "plimsoll_downstream_in_flight",
        help: "Calls in flight, as last told by the workers (once a second).",
        labels: &["origin"],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.in_flight)),
    },
    Metric {
        name: "plimsoll_downstream_waiting",
        help: "Calls that wait for their turn, as last told by the workers (once a second).",
        labels: &["origin"],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.waiting)),
    },
    Metric {
        name: "plimsoll_downstream_limit",
        help: "Calls in flight that are allowed, all workers together. Only where the limit is held.",
        labels: &["origin"],
        values: Values::Gauge(|scrape| {
            let held = scrape.downstreams().filter(|one| one.enforced && one.concurrency > 0);
            held.map(|one| (vec![one.origin.clone()], Number::Whole(one.concurrency.into()))).collect()
        }),
    },
    Metric {
        name: "plimsoll_downstream_queued_total",
        help: "Calls that had to wait for their turn.",
        labels: &["origin"],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.queued)),
    },
    Metric {
        name: "plimsoll_downstream_wait_seconds_total",
        help: "How long calls waited for their turn, together.",
        labels: &["origin"],
        values: Values::Counter(|scrape| {
            let waits = scrape.downstreams();
            waits.map(|one| (vec![one.origin.clone()], Number::Real(seconds(one.waited_ms)))).collect()
        }),
    },
    Metric {
        name: "plimsoll_downstream_fan_out_max",
        help: "Most parallel calls that one request of a client made to the origin.",
        labels: &["origin"],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.fan_out_max)),
    },
    Metric {
        name: "plimsoll_downstream_would_queue_total",
        help: "Calls that the limit would have made wait, where it is only observed.",
        labels: &["origin"],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.would_queue)),
    },
    Metric {
        name: "plimsoll_downstream_breaker_open",
        help: "Whether the circuit breaker is open: 1, or 0.5 while one call is tried. Only where it holds.",
        labels: &["origin"],
        values: Values::Gauge(|scrape| {
            let position = |state: &str| match state {
                "open" => 1.0,
                "half_open" => 0.5,
                _ => 0.0,
            };
            let each = scrape.downstreams().filter_map(|one| Some((one, one.breaker.as_ref()?)));
            let held = each.filter(|(_, breaker)| breaker.enforced);
            held.map(|(one, breaker)| (vec![one.origin.clone()], Number::Real(position(&breaker.state))))
                .collect()
        }),
    },
    Metric {
        name: "plimsoll_downstream_breaker_opened_total",
        help: "Times that the circuit breaker opened, or would have where it is only observed.",
        labels: &["origin"],
        values: Values::Counter(|scrape| {
            of_each(scrape, |one| one.breaker.as_ref().map_or(0, |breaker| breaker.opened))
        }),
    },
    Metric {
        name: "plimsoll_downstream_retries_total",
        help: "Calls that a client's request made again after they had failed, where that is known.",
        labels: &["origin"],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.retries)),
    },
    Metric {
        name: "plimsoll_downstream_abandoned_total",
        help: "Calls whose slot came back after 30s because nobody read the answer.",
        labels: &["origin"],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.abandoned)),
    },
];

impl Scrape {
    fn downstreams(&self) -> impl Iterator<Item = &Downstream> {
        self.status.iter().flat_map(|status| &status.downstreams)
    }
}

fn of_each(scrape: &Scrape, read: fn(&Downstream) -> u64) -> Samples {
    scrape.downstreams().map(|one| (vec![one.origin.clone()], Number::Whole(read(one)))).collect()
}

fn outcomes(scrape: &Scrape) -> Samples {
    let of = |one: &Downstream| {
        let answered = one.calls.saturating_sub(one.errors).saturating_sub(one.failed);
        [
            ("answered", answered),
            ("failed", one.failed),
            ("error", one.errors),
            ("refused", one.refused),
            ("broken", one.broken),
            ("retry_refused", one.retries_refused),
        ]
        .map(|(outcome, count)| (vec![one.origin.clone(), outcome.to_owned()], Number::Whole(count)))
    };
    scrape.downstreams().flat_map(of).collect()
}

fn durations(scrape: &Scrape) -> Vec<(Labels, Snapshot)> {
    let shot = |one: &Downstream| {
        let mut shot = Snapshot { sum_ns: one.took_ms.saturating_mul(1_000_000), ..Snapshot::default() };
        for (bucket, count) in iter::zip(&mut shot.buckets, &one.durations) {
            *bucket = *count;
        }
        shot
    };
    scrape.downstreams().map(|one| (address(&one.origin), shot(one))).collect()
}

fn address(origin: &str) -> Labels {
    let Origin { scheme, host, port } = Origin::of(origin);
    vec![host.to_owned(), port.to_owned(), scheme.to_owned()]
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact in an f64")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::calls::BOUNDS_MS;

    use crate::observe::histogram::BOUNDS;

    #[test]
    fn workers_count_in_the_buckets_that_are_shown() {
        assert!(
            BOUNDS.iter().zip(BOUNDS_MS).all(|(bound, ms)| (bound * 1000.0 - f64::from(ms)).abs() < 1e-9)
        );
    }
}
