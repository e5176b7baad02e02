//! The metrics of `logs`.

use std::time::Duration;

use super::Scrape;
use super::table::{Metric, Number, Samples, Values};
use crate::observe::logs::Stats;
use crate::observe::status::Worker;

/// The figures of the log pipeline, as read at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct LogFigures {
    /// Outcome, level, lines and bytes.
    decided: Vec<(&'static str, &'static str, u64, u64)>,
    /// Where, level and lines.
    dropped: Vec<(&'static str, &'static str, u64)>,
    lost_lines: u64,
    buffer_bytes: u64,
    lag: Duration,
}

impl LogFigures {
    pub(super) fn read(stats: &Stats) -> Self {
        let decided = stats.decided().into_iter();
        let dropped = stats.stream_drops().into_iter().flat_map(|(stream, drops)| {
            drops
                .counts()
                .filter(|(_, lines)| *lines > 0)
                .map(move |(level, lines)| (stream, level.word(), lines))
        });
        Self {
            decided: decided
                .map(|(verdict, level, lines, bytes)| (verdict.word(), level.word(), lines, bytes))
                .collect(),
            dropped: dropped.collect(),
            lost_lines: stats.lost_lines(),
            buffer_bytes: stats.buffer_bytes(),
            lag: stats.lag(),
        }
    }

    /// A figure for each metric.
    #[cfg(test)]
    pub(super) fn sample() -> Self {
        Self {
            decided: vec![("sampled", "info", 7, 700)],
            dropped: vec![("stdout", "debug", 8)],
            lost_lines: 9,
            ..Self::default()
        }
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "plimsoll_logs_lines_total",
        help: "Log records of the workers by outcome: kept, sampled (above logs.rate, or by logs.sample), capped (one of very many with the same message). With logs.mode = observe, what would have become of them.",
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
        help: "Log lines that were kept and then dropped, by where and why: buffer_full (the pipeline did not keep up; the level is not known), stdout and stderr (they were not read fast enough).",
        labels: &["level", "reason"],
        values: Values::Counter(dropped),
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
    let lost = Some(("buffer_full", "unknown", scrape.logs.lost_lines)).filter(|(.., lines)| *lines > 0);
    let all = scrape.logs.dropped.iter().copied().chain(lost);
    all.map(|(reason, level, lines)| (vec![level.to_owned(), reason.to_owned()], Number::Whole(lines)))
        .collect()
}

fn workers(scrape: &Scrape, read: fn(&Worker) -> Option<u64>) -> Samples {
    let workers = scrape.status.iter().flat_map(|status| &status.workers);
    workers.filter_map(|worker| Some((vec![worker.id.to_string()], Number::Whole(read(worker)?)))).collect()
}
