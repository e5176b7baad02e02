//! What is paid for async context.

use super::Scrape;
use super::table::{Metric, Number, Samples, Values};

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_context_tax_ratio",
        help: "Share of the loop's busy time that promises cost more because hooks or AsyncLocalStorage follow them: an \
               estimate, and a low one.",
        labels: &["worker"],
        values: Values::Gauge(shares),
    },
    Metric {
        name: "plimsoll_context_resources_per_second",
        help: "Promises, ticks, timers and handles that hooks are told of, all workers together.",
        labels: &[],
        values: Values::Gauge(resources),
    },
];

fn shares(scrape: &Scrape) -> Samples {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    let share = |per_mille: u32| Number::Real(f64::from(per_mille) / 1000.0);
    workers
        .filter_map(|worker| Some((vec![worker.id.to_string()], share(worker.context_tax_per_mille?))))
        .collect()
}

fn resources(scrape: &Scrape) -> Samples {
    let tax = scrape.status.iter().filter_map(|status| status.context.tax.as_ref());
    tax.map(|tax| (Vec::new(), Number::Whole(tax.resources_per_s))).collect()
}
