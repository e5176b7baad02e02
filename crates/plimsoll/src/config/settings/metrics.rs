//! The settings of `/metrics`.

use crate::config::AppMetrics;
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::Choice;

pub(super) static SETTINGS: &[&dyn Definition] = &[&Setting {
    key: "metrics.app",
    form: Choice(&[("merge", AppMetrics::Merge), ("each", AppMetrics::Each), ("off", AppMetrics::Off)]),
    place: |config| &mut config.metrics.app,
    flag: FlagDefinition::None,
    default: Default::Value,
    doc: "What `/metrics` says of the metrics that the app keeps in prom-client. `merge` puts those of all workers together: \
          counters and histograms are summed, gauges as their `aggregator` says. `each` shows every worker by itself, with \
          a label `worker`; one scrape can have that by `/metrics?app=each`. `off` does not read them: set it where the \
          app's own `/metrics` is scraped as well.",
}];
