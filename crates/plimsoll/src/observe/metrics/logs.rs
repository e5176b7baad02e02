//! The metrics of `logs`.

use std::time::Duration;

use super::Scrape;
use super::table::{Metric, Number, Samples, Values};
use crate::observe::logs::{SinkFigures, Stats};
use crate::observe::status::Worker;

/// The figures of the log pipeline, as read at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct LogFigures {
    /// Outcome, level, lines and bytes.
    decided: Vec<(&'static str, &'static str, u64, u64)>,
    sinks: Vec<Sink>,
    lost_lines: u64,
    lost_access_lines: u64,
    buffer_bytes: u64,
    lag: Duration,
}

#[derive(Debug, Clone, Default)]
struct Sink {
    figures: SinkFigures,
    /// Level, reason and lines.
    dropped: Vec<(&'static str, &'static str, u64)>,
}

impl LogFigures {
    pub(super) fn read(stats: &Stats) -> Self {
        let decided = stats.decided().into_iter();
        let sinks = stats.sinks().into_iter().map(|sink| Sink {
            figures: SinkFigures::of(&sink),
            dropped: sink.dropped().map(|(level, reason, lines)| (level, reason.word(), lines)).collect(),
        });
        Self {
            decided: decided
                .map(|(verdict, level, lines, bytes)| (verdict.word(), level.word(), lines, bytes))
                .collect(),
            sinks: sinks.collect(),
            lost_lines: stats.lost_lines(),
            lost_access_lines: stats.lost_access_lines(),
            buffer_bytes: stats.buffer_bytes(),
            lag: stats.lag(),
        }
    }

    /// A figure for each metric.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        Self {
            decided: vec![("sampled", "info", 7, 700)],
            sinks: vec![Sink {
                figures: SinkFigures { name: "stdout".to_owned(), lines: 6, ..SinkFigures::default() },
                dropped: vec![("debug", "queue_full", 8)],
            }],
            lost_lines: 9,
            ..Self::default()
        }
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_logs_lines_total",
        help: "Log records of the workers, and of the access log, by outcome: kept, sampled (above logs.rate, or by logs.sample), capped (one of very many with the same message). With logs.mode = observe, what would have become of them.",
        labels: &["level", "outcome"],
        values: Values::Counter(|scrape| decided(scrape, |lines, _| lines)),
    },
    Metric {
        name: "plimsoll_logs_bytes_total",
        help: "Bytes of these records.",
        labels: &["level", "outcome"],
        values: Values::Counter(|scrape| decided(scrape, |_, bytes| bytes)),
    },
    Metric {
        name: "plimsoll_logs_dropped_lines_total",
        help: "Log lines that were dropped after they were read, by reason: buffer_full (the pipeline did not keep up; level and sink are not known), access_full (the same, of the access log), queue_full (the sink was too slow or its target away), refused (its target will not take them), undelivered (not before the end), broken (nobody reads the stream any more).",
        labels: &["level", "reason", "sink"],
        values: Values::Counter(dropped),
    },
    Metric {
        name: "plimsoll_logs_sink_lines_total",
        help: "Log lines that a sink delivered.",
        labels: &["sink"],
        values: Values::Counter(|scrape| sinks(scrape, |sink| Number::Whole(sink.lines))),
    },
    Metric {
        name: "plimsoll_logs_sink_bytes_total",
        help: "Bytes of these lines, as the workers wrote them.",
        labels: &["sink"],
        values: Values::Counter(|scrape| sinks(scrape, |sink| Number::Whole(sink.bytes))),
    },
    Metric {
        name: "plimsoll_logs_sink_failures_total",
        help: "Attempts of a sink to deliver that failed; nearly all are made again.",
        labels: &["sink"],
        values: Values::Counter(|scrape| sinks(scrape, |sink| Number::Whole(sink.failures))),
    },
    Metric {
        name: "plimsoll_logs_sink_queue_bytes",
        help: "Bytes of log that wait for a sink.",
        labels: &["sink"],
        values: Values::Gauge(|scrape| sinks(scrape, |sink| Number::Whole(sink.queue_bytes))),
    },
    Metric {
        name: "plimsoll_logs_sink_spilled_bytes",
        help: "Bytes of log that wait on the disk for a sink (`spill`).",
        labels: &["sink"],
        values: Values::Gauge(|scrape| sinks(scrape, |sink| Number::Whole(sink.spilled_bytes))),
    },
    Metric {
        name: "plimsoll_logs_sink_queue_age_seconds",
        help: "How long ago the oldest line was read that waits for a sink.",
        labels: &["sink"],
        values: Values::Gauge(|scrape| sinks(scrape, |sink| Number::Real(sink.queue_age_ms as f64 / 1000.0))),
    },
    Metric {
        name: "plimsoll_logs_buffer_bytes",
        help: "Bytes of log that wait between the workers' pipes and being understood.",
        labels: &[],
        values: Values::Gauge(|scrape| vec![(Vec::new(), Number::Whole(scrape.logs.buffer_bytes))]),
    },
    Metric {
        name: "plimsoll_logs_lag_seconds",
        help: "How long the last log line waited between being read and being understood.",
        labels: &[],
        values: Values::Gauge(|scrape| vec![(Vec::new(), Number::Real(scrape.logs.lag.as_secs_f64()))]),
    },
    Metric {
        name: "plimsoll_worker_logs_lines_total",
        help: "Lines that a worker wrote to stdout and stderr, over all its processes.",
        labels: &["worker"],
        values: Values::Counter(|scrape| workers(scrape, |worker| worker.logs.map(|logs| logs.lines))),
    },
    Metric {
        name: "plimsoll_worker_logs_bytes_total",
        help: "Bytes that a worker wrote to stdout and stderr, over all its processes.",
        labels: &["worker"],
        values: Values::Counter(|scrape| workers(scrape, |worker| worker.logs.map(|logs| logs.bytes))),
    },
    Metric {
        name: "plimsoll_worker_logs_pipe_full_total",
        help: "How often a worker's pipe was found full: a logger that writes synchronously has then held up its event loop.",
        labels: &["worker"],
        values: Values::Counter(|scrape| workers(scrape, |worker| worker.logs.map(|logs| logs.pipe_full))),
    },
];

fn decided(scrape: &Scrape, read: fn(u64, u64) -> u64) -> Samples {
    let cells = scrape.logs.decided.iter();
    cells
        .map(|(outcome, level, lines, bytes)| {
            (vec![(*level).to_owned(), (*outcome).to_owned()], Number::Whole(read(*lines, *bytes)))
        })
        .collect()
}

fn dropped(scrape: &Scrape) -> Samples {
    let lost = [("buffer_full", scrape.logs.lost_lines), ("access_full", scrape.logs.lost_access_lines)];
    let lost = lost.into_iter().filter(|(_, lines)| *lines > 0);
    let lost = lost.map(|(reason, lines)| ("unknown", reason, "-", lines));
    let by_sinks = scrape.logs.sinks.iter().flat_map(|sink| {
        let name = sink.figures.name.as_str();
        sink.dropped.iter().map(move |(level, reason, lines)| (*level, *reason, name, *lines))
    });
    let all = by_sinks.chain(lost);
    all.map(|(level, reason, sink, lines)| {
        (vec![level.to_owned(), reason.to_owned(), sink.to_owned()], Number::Whole(lines))
    })
    .collect()
}

fn sinks(scrape: &Scrape, read: fn(&SinkFigures) -> Number) -> Samples {
    let sinks = scrape.logs.sinks.iter();
    sinks.map(|sink| (vec![sink.figures.name.clone()], read(&sink.figures))).collect()
}

fn workers(scrape: &Scrape, read: fn(&Worker) -> Option<u64>) -> Samples {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    workers.filter_map(|worker| Some((vec![worker.id.to_string()], Number::Whole(read(worker)?)))).collect()
}
