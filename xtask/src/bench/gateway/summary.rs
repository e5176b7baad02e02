//! The rounds of each contender, and what is told of them.

use serde::Serialize;

use super::super::contender::Contender;
use super::super::field::{NGINX, NGINX_AGAIN, PLIMSOLL};
use super::super::report::{Table, Target, figure, megabytes, targets};
use super::super::round::Round;
use super::super::stats::{median, min};
use super::super::syscalls::Census;

/// Beyond this part of a CPU used by others, a round is called disturbed.
const DISTURBED_CPUS: f64 = 0.1;

#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(serialize_with = "name_only")]
    pub(super) contender: Contender,
    pub(super) rounds: Vec<Round>,
    pub(super) idle: Option<IdleFigures>,
    pub(super) syscalls: Vec<Census>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct IdleFigures {
    pub(super) connections: usize,
    pub(super) rss: u64,
    pub(super) pss: u64,
}

fn name_only<S: serde::Serializer>(contender: &Contender, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(contender.name)
}

impl Summary {
    pub(super) fn new(contender: Contender) -> Self {
        Self { contender, rounds: Vec::new(), idle: None, syscalls: Vec::new() }
    }

    fn values(&self, value: impl Fn(&Round) -> Option<f64>) -> Vec<f64> {
        self.rounds.iter().filter_map(value).collect()
    }

    fn proxy(&self) -> Vec<f64> {
        self.values(|round| round.proxy_us)
    }

    fn median_mb(&self, value: impl Fn(&Round) -> u64) -> Option<f64> {
        median(&self.values(|round| Some(value(round) as f64))).map(megabytes)
    }

    fn idle_mb(&self) -> Option<f64> {
        self.idle.as_ref().map(|idle| megabytes(idle.rss as f64))
    }

    /// Ratio of the proxies' CPU per request: of the minima, and the median of the rounds' own ratios.
    fn ratio_to(&self, other: &Summary) -> (Option<f64>, Option<f64>) {
        let of_minima = min(&self.proxy()).zip(min(&other.proxy())).map(|(own, others)| own / others);
        let paired: Vec<f64> =
            self.proxy().iter().zip(other.proxy()).map(|(own, others)| own / others).collect();
        (of_minima, median(&paired))
    }
}

pub(super) fn tables(summaries: &[Summary], idle: usize) -> Vec<(String, Table)> {
    vec![
        ("Figures to reach".to_owned(), targets(&figures_to_reach(summaries))),
        ("CPU per request, µs".to_owned(), cpu(summaries)),
        ("Service".to_owned(), service(summaries)),
        ("Memory, MB".to_owned(), memory(summaries, idle)),
        ("System calls of the proxy per kept-alive request".to_owned(), syscalls(summaries)),
    ]
}

fn find<'a>(summaries: &'a [Summary], name: &str) -> Option<&'a Summary> {
    summaries.iter().find(|summary| summary.contender.name == name)
}

fn figures_to_reach(summaries: &[Summary]) -> Vec<Target> {
    let plimsoll = find(summaries, PLIMSOLL);
    let nginx = find(summaries, NGINX);
    let idle = plimsoll.and_then(Summary::idle_mb);
    let target = |what: &str, limit: f64, found, unit| Target { what: what.to_owned(), limit, found, unit };
    vec![
        target(
            "CPU of the gateway per request, to nginx",
            0.9,
            plimsoll.zip(nginx).and_then(|(own, other)| own.ratio_to(other).0),
            "x",
        ),
        target(
            "data system calls per request",
            4.0,
            plimsoll.and_then(|own| Some(own.syscalls.first()?.data_calls)),
            "",
        ),
        target("RSS at rest", 15.0, plimsoll.and_then(|own| own.median_mb(|round| round.rest_rss)), " MB"),
        target("RSS with idle connections", 50.0, idle, " MB"),
        target(
            "the same, above nginx",
            30.0,
            idle.zip(nginx.and_then(Summary::idle_mb)).map(|(own, other)| own - other),
            " MB",
        ),
    ]
}

fn cpu(summaries: &[Summary]) -> Table {
    let mut table = Table::new(&[
        "contender",
        "proxy min",
        "median",
        "to nginx (min)",
        "(median)",
        "proxy busy",
        "worker min",
        "median",
        "proxy + worker min",
    ]);
    let nginx = find(summaries, NGINX);
    for summary in summaries {
        let (proxy, worker) = (summary.proxy(), summary.values(|round| Some(round.worker_us)));
        let both = summary.values(|round| Some(round.worker_us + round.proxy_us.unwrap_or(0.0)));
        let (of_minima, paired) = nginx.map_or((None, None), |nginx| summary.ratio_to(nginx));
        let busy = median(&summary.values(|round| round.proxy_busy)).map(|share| share * 100.0);
        table.row(vec![
            summary.contender.name.to_owned(),
            figure(min(&proxy), "", 2),
            figure(median(&proxy), "", 2),
            figure(of_minima, "x", 3),
            figure(paired, "x", 3),
            figure(busy, " %", 0),
            figure(min(&worker), "", 2),
            figure(median(&worker), "", 2),
            figure(min(&both), "", 2),
        ]);
    }
    table
}

fn service(summaries: &[Summary]) -> Table {
    let mut table = Table::new(&[
        "contender",
        "requests/s max",
        "median",
        "p50 µs min",
        "median",
        "p99 µs min",
        "median",
    ]);
    for summary in summaries {
        let rate = summary.values(|round| Some(round.requests_per_second));
        let p50 = summary.values(|round| Some(round.p50_us));
        let p99 = summary.values(|round| Some(round.p99_us));
        table.row(vec![
            summary.contender.name.to_owned(),
            figure(super::super::stats::max(&rate), "", 0),
            figure(median(&rate), "", 0),
            figure(min(&p50), "", 0),
            figure(median(&p50), "", 0),
            figure(min(&p99), "", 0),
            figure(median(&p99), "", 0),
        ]);
    }
    table
}

fn memory(summaries: &[Summary], wanted: usize) -> Table {
    let idle_title = format!("{wanted} idle RSS");
    let mut table = Table::new(&["contender", "rest RSS", "PSS", "load RSS", "PSS", &idle_title, "PSS"]);
    for summary in summaries {
        let idle_pss = summary.idle.as_ref().map(|idle| megabytes(idle.pss as f64));
        table.row(vec![
            summary.contender.name.to_owned(),
            figure(summary.median_mb(|round| round.rest_rss), "", 1),
            figure(summary.median_mb(|round| round.rest_pss), "", 1),
            figure(summary.median_mb(|round| round.load_rss), "", 1),
            figure(summary.median_mb(|round| round.load_pss), "", 1),
            figure(summary.idle_mb(), "", 1),
            figure(idle_pss, "", 1),
        ]);
    }
    table
}

fn syscalls(summaries: &[Summary]) -> Table {
    let mut table = Table::new(&["contender", "connections", "data calls", "all calls", "which"]);
    for summary in summaries {
        for census in &summary.syscalls {
            let which: Vec<String> = census
                .calls
                .iter()
                .filter(|call| call.count >= 0.01)
                .map(|call| format!("{} {:.2}", call.name, call.count))
                .collect();
            table.row(vec![
                summary.contender.name.to_owned(),
                census.connections.to_string(),
                figure(Some(census.data_calls), "", 2),
                figure(Some(census.all_calls), "", 2),
                which.join(", "),
            ]);
        }
    }
    table
}

pub(super) fn notes(summaries: &[Summary]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((nginx, again)) = find(summaries, NGINX).zip(find(summaries, NGINX_AGAIN)) {
        let (of_minima, paired) = again.ratio_to(nginx);
        notes.push(format!(
            "Noise floor: nginx against itself is {} (minima) and {} (median of rounds).",
            figure(of_minima, "x", 3),
            figure(paired, "x", 3)
        ));
    }
    let foreign: Vec<f64> =
        summaries.iter().flat_map(|summary| summary.values(|round| Some(round.foreign_cpus))).collect();
    let disturbed = foreign.iter().filter(|cpus| **cpus > DISTURBED_CPUS).count();
    notes.push(format!(
        "Disturbance: processes outside the bench and the hypervisor used {} CPUs (median of rounds); {disturbed} of {} \
         measurements had more than {DISTURBED_CPUS}.",
        figure(median(&foreign), "", 2),
        foreign.len()
    ));
    for idle in summaries.iter().filter_map(|summary| summary.idle.as_ref()).take(1) {
        notes.push(format!("Idle connections that were open: {}.", idle.connections));
    }
    notes
}
