//! Sends the figures to a collector of OpenTelemetry, again and again. Nothing waits for it: a collector that is away costs a
//! bounded queue and counted drops.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval_at};

use super::Format;
use super::otlp::{self, Span};
use super::source::Source;
use super::starts::Starts;
use super::table::{Metric, Number, Samples, Values};
use crate::config::HttpTarget;
use crate::observe::now;
use crate::observe::otlp::{CONTENT_TYPE, rejected, resource};
use crate::observe::ship::http::{Encoding, Hints, ToHttp};
use crate::observe::ship::queue::Queue;
use crate::observe::ship::stats::ShipStats;
use crate::observe::ship::{Item, Shipper, Words};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Some dozen exports.
const QUEUE_BYTES: usize = 4 << 20;
/// How long the last export may take.
const LAST: Duration = Duration::from_millis(900);

const HINTS: Hints = Hints {
    credentials: "see that OTEL_EXPORTER_OTLP_HEADERS has the right credentials",
    too_many: "it is given time; raise its limit, or OTEL_METRIC_EXPORT_INTERVAL",
    url: "see that it runs and that OTEL_EXPORTER_OTLP_ENDPOINT is right; OTEL_METRICS_EXPORTER=none sends nothing",
};

/// Where figures go, how often, and who they are said to be of.
#[derive(Debug, Clone)]
pub struct Settings {
    pub target: HttpTarget,
    pub every: Duration,
    /// What the user says.
    pub resource: Vec<(String, String)>,
    pub service: String,
    pub host: String,
}

/// What became of exports; of none where nothing is exported.
#[derive(Debug, Clone, Default)]
pub struct Exported(Option<Arc<ShipStats>>);

impl Exported {
    #[must_use]
    pub fn to(settings: Option<&Settings>) -> Self {
        Self(settings.map(|settings| Arc::new(ShipStats::new::<Export>(&settings.target.url.to_string()))))
    }
}

/// The figures of one moment, encoded.
struct Export {
    at: u64,
    bytes: Vec<u8>,
}

/// Exports until `stop` resolves, and then once more.
pub async fn run(settings: Settings, source: Source, stop: impl Future<Output = ()>) {
    let Some(stats) = source.exported.0.clone() else { return };
    let queue = Arc::new(Queue::new(Some(0), QUEUE_BYTES, stats));
    if let Err(error) = ship(&settings, &queue) {
        tracing::warn!("metrics are not exported: {error}");
        return;
    }
    let usual = [("service.name", settings.service.as_str()), ("host.name", settings.host.as_str())];
    let told_of = resource(&settings.resource, &usual);
    let (since, starts) = (now(), Arc::default());
    let mut ticks = interval_at(tokio::time::Instant::now() + settings.every, settings.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        let is_last = tokio::select! {
            () = &mut stop => true,
            _ = ticks.tick() => false,
        };
        export(&source, &queue, &told_of, since, &starts).await;
        if is_last {
            break;
        }
    }
    let deadline = Instant::now() + LAST;
    queue.close(deadline);
    let _panicked = spawn_blocking(move || queue.tell_what_is_lost(deadline)).await;
}

fn ship(settings: &Settings, queue: &Arc<Queue<Export>>) -> io::Result<()> {
    let outlet = ToHttp::start(&settings.target, Box::new(Otlp), HINTS)?;
    let shipper = Shipper::new(Arc::clone(queue), Box::new(outlet));
    std::thread::Builder::new().name("metrics-send".to_owned()).spawn(move || shipper.run()).map(drop)
}

async fn export(
    source: &Source,
    queue: &Queue<Export>,
    resource: &Resource,
    since: u64,
    starts: &Arc<Mutex<Starts>>,
) {
    let (resource, starts) = (resource.clone(), Arc::clone(starts));
    let encoded = source.read(move |scrape, apps| {
        let at = now();
        // The app's own metrics are asked for as ever; their text is for Prometheus.
        let scrape = scrape.with_apps(apps, false, Format::Classic);
        let mut request = otlp::request(&scrape, resource, Span { since, at });
        starts.lock().unwrap_or_else(PoisonError::into_inner).correct(&mut request);
        Export { at, bytes: request.encode_to_vec() }
    });
    if let Ok(export) = encoded.await {
        queue.offer([Arc::new(export)].iter());
    }
}

struct Otlp;

impl Encoding<Export> for Otlp {
    fn content_type(&self) -> &'static str {
        CONTENT_TYPE
    }

    /// Messages one after the other are one message with all that is repeated in them.
    fn encode(&self, batch: &[Arc<Export>]) -> Vec<u8> {
        batch.iter().flat_map(|export| export.bytes.iter().copied()).collect()
    }

    fn rejected(&self, answer: &[u8]) -> Option<(u64, String)> {
        let partial = ExportMetricsServiceResponse::decode(answer).ok()?.partial_success?;
        // What is told is a number of points; it is one export that has not arrived as a whole.
        rejected(partial.rejected_data_points, &partial.error_message).map(|(_, why)| (1, why))
    }
}

impl Item for Export {
    const WORDS: &'static Words = &Words {
        what: "metrics",
        one: "export",
        many: "exports",
        ranks: ["export", "", "", "", "", ""],
        dropped: "plimsoll_metrics_exports_dropped_total",
        settings: "OTEL_EXPORTER_OTLP_ENDPOINT",
    };

    fn rank(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn at(&self) -> u64 {
        self.at
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_metrics_exports_total",
        help: "Exports of metrics that a collector has taken. Only where OTEL_EXPORTER_OTLP_ENDPOINT names one.",
        labels: &[],
        values: Values::Counter(|scrape| {
            scrape.exported.iter().map(|exported| (Vec::new(), Number::Whole(exported.taken))).collect()
        }),
    },
    Metric {
        name: "plimsoll_metrics_exports_dropped_total",
        help: "Exports of metrics that were dropped, by reason: queue_full, refused (some of it or all), undelivered, broken.",
        labels: &["reason"],
        values: Values::Counter(|scrape| {
            let dropped = scrape.exported.iter().flat_map(|exported| &exported.dropped);
            dropped
                .map(|(reason, count)| (vec![(*reason).to_owned()], Number::Whole(*count)))
                .collect::<Samples>()
        }),
    },
];

/// As read at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) taken: u64,
    pub(super) dropped: Vec<(&'static str, u64)>,
}

impl Figures {
    pub(super) fn read(exported: &Exported) -> Option<Self> {
        let stats = exported.0.as_ref()?;
        Some(Self { taken: stats.items(), dropped: stats.dropped_by_reason().collect() })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    use super::*;
    use crate::observe::ship::stats::Reason;

    #[test]
    fn a_reason_has_one_sum() {
        let stats = Arc::new(ShipStats::new::<Export>("there"));
        stats.drop_one(0, Reason::Refused);
        let export = Arc::new(Export { at: 0, bytes: vec![0; 10] });
        stats.deliver(&[Arc::clone(&export), export], 1);
        stats.drop_one(0, Reason::QueueFull);
        let figures = Figures::read(&Exported(Some(stats))).unwrap();
        assert_eq!((figures.taken, figures.dropped), (1, vec![("queue_full", 1), ("refused", 2)]));
    }

    #[test]
    fn an_export_of_which_points_are_rejected_is_one_export() {
        let partial =
            ExportMetricsPartialSuccess { rejected_data_points: 40, error_message: "old".to_owned() };
        let answer = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(Otlp.rejected(&answer), Some((1, "40 of a batch were rejected: old".to_owned())));
    }
}
