//! The metrics of `pools`, as OpenTelemetry names them.

use std::iter;

use super::Scrape;
use super::table::{Labels, Metric, Number, Samples, Values};
use crate::observe::histogram::Snapshot;
use crate::observe::status::pools::Pool;

const NAME: &str = "db_client_connection_pool_name";

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "db_client_connection_count",
        help: "Connections that the app's pools have open, as last told by the workers (once a second), by state: idle, used.",
        labels: &[NAME, "state"],
        values: Values::Gauge(|scrape| {
            let states = |one: &Pool| {
                [("idle", one.idle), ("used", one.in_use)]
                    .map(|(state, count)| (vec![one.name.clone(), state.to_owned()], Number::Whole(count)))
            };
            scrape.pools().flat_map(states).collect()
        }),
    },
    Metric {
        name: "db_client_connection_max",
        help: "Connections that all workers' pools together may have now.",
        labels: &[NAME],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.max)),
    },
    Metric {
        name: "db_client_connection_pending_requests",
        help: "Who waits for a connection, as last told by the workers (once a second).",
        labels: &[NAME],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.waiting)),
    },
    Metric {
        name: "db_client_connection_wait_time_seconds",
        help: "How long was waited for a connection, until it was got.",
        labels: &[NAME],
        values: Values::Histogram(|scrape| times(scrape, |one| &one.waits, |one| one.waited_us)),
    },
    Metric {
        name: "db_client_connection_use_time_seconds",
        help: "How long a connection was held until it was given back.",
        labels: &[NAME],
        values: Values::Histogram(|scrape| times(scrape, |one| &one.uses, |one| one.used_us)),
    },
    Metric {
        name: "db_client_connection_timeouts_total",
        help: "How often no connection was got in time: the app's own timeout or pools.wait_timeout was over.",
        labels: &[NAME],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.gave_up.saturating_add(one.refused))),
    },
    Metric {
        name: "plimsoll_pools_opened_total",
        help: "Connections that were opened.",
        labels: &[NAME],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.opened)),
    },
    Metric {
        name: "plimsoll_pools_errors_total",
        help: "Connections that could not be opened.",
        labels: &[NAME],
        values: Values::Counter(|scrape| of_each(scrape, |one| one.errors)),
    },
    Metric {
        name: "plimsoll_pools_needed",
        help: "Connections that all workers together need, by Little's law on the last ten seconds. Left out where too little is asked for.",
        labels: &[NAME],
        values: Values::Gauge(|scrape| {
            let known = scrape.pools().filter(|one| one.needed > 0);
            known.map(|one| (vec![one.name.clone()], Number::Whole(one.needed.into()))).collect()
        }),
    },
    Metric {
        name: "plimsoll_pools_leaked",
        help: "Connections that have been held for longer than pools.leak_after.",
        labels: &[NAME],
        values: Values::Gauge(|scrape| of_each(scrape, |one| one.leaked)),
    },
    Metric {
        name: "plimsoll_pools_lent",
        help: "Connections that are lent to workers of what the server allows. Only where pools are re-sized.",
        labels: &[NAME],
        values: Values::Gauge(|scrape| {
            let held = scrape.pools().filter(|one| one.enforced);
            held.map(|one| (vec![one.name.clone()], Number::Whole(one.lent.into()))).collect()
        }),
    },
];

impl Scrape {
    fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.status.iter().flat_map(|status| &status.pools)
    }
}

fn of_each(scrape: &Scrape, read: fn(&Pool) -> u64) -> Samples {
    scrape.pools().map(|one| (vec![one.name.clone()], Number::Whole(read(one)))).collect()
}

fn times(scrape: &Scrape, read: fn(&Pool) -> &Vec<u64>, sum_us: fn(&Pool) -> u64) -> Vec<(Labels, Snapshot)> {
    let shot = |one: &Pool| {
        let mut shot = Snapshot { sum_ns: sum_us(one).saturating_mul(1000), ..Snapshot::default() };
        for (bucket, count) in iter::zip(&mut shot.buckets, read(one)) {
            *bucket = *count;
        }
        shot
    };
    scrape.pools().map(|one| (vec![one.name.clone()], shot(one))).collect()
}
