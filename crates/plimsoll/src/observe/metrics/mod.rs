//! `/metrics`: the figures of one moment as text that Prometheus reads.
//!
//! ```text
//! gateway threads ── Totals ──┐
//! app loop ── Status ─────────┼─ Scrape ── table ── OpenMetrics ──┬─ as it is, to who asks for it
//! log pipeline ── LogFigures ─┤                                   │
//! /proc ── Processes ─────────┤                                   └─ classic text, to everyone else
//! the workers ── Apps ────────┘ ── the app's own metrics, behind ours
//! ```
//!
//! [`table`] and its neighbours have one row per metric, and both the exposition and `docs/reference/metrics.md` are made
//! from them. Nothing is kept between two scrapes but what [`apps`] and [`Steady`] keep of the workers. The gateway's figures are read
//! without asking anyone, so they are there even when the app loop does not answer; the rows that need a [`Status`] are then
//! left out.

mod apps;
mod classic;
mod context;
mod downstream;
pub mod export;
mod logs;
mod memory;
mod node;
mod otlp;
mod pools;
mod reference;
mod source;
mod starts;
mod table;
mod traces;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

pub use self::apps::Apps;
use self::apps::Shown;
use self::logs::LogFigures;
use self::node::Processes;
pub use self::node::Steady;
pub use self::reference::reference;
pub use self::source::Source;
use self::table::{Labels, METRICS, Metric, Number, Values};
use super::http::{ThreadStats, Totals};
use super::logs::Stats;
use super::status::Status;
use crate::routes::Table;

/// What is known at one moment.
#[derive(Debug, Clone)]
pub struct Scrape {
    totals: Totals,
    status: Option<Status>,
    processes: Processes,
    logs: LogFigures,
    apps: Shown,
    exported: Option<export::Figures>,
}

impl Scrape {
    #[must_use]
    pub fn read(threads: &[Arc<ThreadStats>], table: &Table, status: Option<Status>) -> Self {
        Self {
            totals: Totals::read(threads, table),
            processes: Processes::default(),
            status,
            logs: LogFigures::default(),
            apps: Shown::default(),
            exported: None,
        }
    }

    /// With what the kernel says of this process and the workers'.
    #[must_use]
    pub fn with_processes(self, steady: &Steady) -> Self {
        let workers = self.status.iter().flat_map(|status| &status.workers);
        let pids = workers.filter_map(|worker| Some((worker.id, worker.pid?)));
        Self { processes: Processes::read(pids, steady), ..self }
    }

    /// With the figures of the log pipeline.
    #[must_use]
    pub fn with_logs(self, stats: &Stats) -> Self {
        Self { logs: LogFigures::read(stats), ..self }
    }

    /// With what became of exports.
    #[must_use]
    pub fn with_exported(self, exported: &export::Exported) -> Self {
        Self { exported: export::Figures::read(exported), ..self }
    }

    /// With what the workers have told; `each`: what the app counts of each worker by itself.
    #[must_use]
    pub fn with_apps(self, apps: &Apps, each: bool, format: Format) -> Self {
        let ours = all().flat_map(Metric::samples).collect();
        Self { apps: apps.show(each, format, ours, Instant::now()), ..self }
    }

    /// In the format of the app's own metrics, where they are with it.
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn encode(mut self, format: Format) -> Result<String, fmt::Error> {
        let own = std::mem::take(&mut self.apps.text);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut exposition = String::new();
        text::encode(&mut exposition, &registry)?;
        Ok(match format {
            Format::OpenMetrics => {
                exposition.truncate(exposition.len() - END.len());
                exposition + &own + END
            }
            Format::Classic => classic::from_open_metrics(&exposition) + &own,
        })
    }
}

/// Of OpenMetrics.
const END: &str = "# EOF\n";

/// The rows of every table, in the order in which they are shown.
fn all() -> impl Iterator<Item = &'static Metric> {
    [
        METRICS,
        node::METRICS,
        memory::METRICS,
        pools::METRICS,
        downstream::METRICS,
        context::METRICS,
        traces::METRICS,
        logs::METRICS,
        apps::METRICS,
        export::METRICS,
    ]
    .into_iter()
    .flatten()
}

/// The two text formats that Prometheus knows. It asks for the first and falls back to the second; most other
/// collectors know the second alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    Classic,
}

impl Format {
    /// From the `Accept` header of the scrape. Weights are not compared: whoever names OpenMetrics reads it.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(types) if types.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Classic,
        }
    }

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        all().try_for_each(|metric| encode(metric, self, &mut encoder))
    }
}

/// A metric without samples is left out, with its help.
fn encode(metric: &Metric, scrape: &Scrape, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    match metric.values {
        Values::Counter(read) => family(metric, MetricType::Counter, encoder, read(scrape), counter),
        Values::Gauge(read) => family(metric, MetricType::Gauge, encoder, read(scrape), gauge),
        Values::Histogram(read) => {
            family(metric, MetricType::Histogram, encoder, read(scrape), |encoder, shot| {
                let sum = std::time::Duration::from_nanos(shot.sum_ns).as_secs_f64();
                encoder.encode_histogram::<NoLabelSet>(sum, shot.count(), &shot.by_bound(), None)
            })
        }
        Values::Distribution(read) => {
            family(metric, MetricType::Histogram, encoder, read(scrape), |encoder, shot| {
                encoder.encode_histogram::<NoLabelSet>(shot.sum, shot.count, &shot.buckets, None)
            })
        }
        Values::Info(read) => {
            let labels = named(metric, read(scrape));
            descriptor(metric, MetricType::Info, encoder)?.encode_info(&labels)
        }
    }
}

fn family<V>(
    metric: &Metric,
    kind: MetricType,
    encoder: &mut DescriptorEncoder<'_>,
    samples: Vec<(Labels, V)>,
    value: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
) -> fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    let mut encoder = descriptor(metric, kind, encoder)?;
    if metric.labels.is_empty() {
        // An empty set of labels would be written as `{}`.
        return samples.into_iter().take(1).try_for_each(|(_, sample)| value(&mut encoder, sample));
    }
    for (labels, sample) in samples {
        let labels = named(metric, labels);
        value(&mut encoder.encode_family(&labels)?, sample)?;
    }
    Ok(())
}

fn descriptor<'a>(
    metric: &'a Metric,
    kind: MetricType,
    encoder: &'a mut DescriptorEncoder<'_>,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(metric.family(), metric.help, None, kind)
}

fn named(metric: &Metric, labels: Labels) -> Vec<(&'static str, String)> {
    debug_assert_eq!(metric.labels.len(), labels.len(), "labels of {}", metric.name);
    metric.labels.iter().copied().zip(labels).collect()
}

type NoExemplar<'a> = Option<&'a Exemplar<NoLabelSet, f64>>;

fn counter(encoder: &mut MetricEncoder<'_>, number: Number) -> fmt::Result {
    let exemplar: NoExemplar<'_> = None;
    match number {
        Number::Whole(value) => encoder.encode_counter(&value, exemplar),
        Number::Real(value) => encoder.encode_counter(&value, exemplar),
    }
}

fn gauge(encoder: &mut MetricEncoder<'_>, number: Number) -> fmt::Result {
    match number {
        Number::Whole(value) => encoder.encode_gauge(&value),
        Number::Real(value) => encoder.encode_gauge(&value),
    }
}

#[cfg(test)]
mod tests;
