//! The figures of all contenders side by side.

use super::super::field::{NGINX, PLIMSOLL};
use super::super::report::{Table, Target, figure, megabytes, targets};
use super::super::stats::{max, median, min};
use super::summary::{Summary, find};

pub(super) fn tables(summaries: &[Summary], idle: usize) -> Vec<(String, Table)> {
    vec![
        ("Figures to reach".to_owned(), targets(&figures_to_reach(summaries))),
        ("CPU per request, µs".to_owned(), cpu(summaries)),
        ("Service".to_owned(), service(summaries)),
        ("Memory, MB".to_owned(), memory(summaries, idle)),
        ("System calls of the proxy per kept-alive request".to_owned(), syscalls(summaries)),
    ]
}

fn figures_to_reach(summaries: &[Summary]) -> Vec<Target> {
    let plimsoll = find(summaries, PLIMSOLL);
    let nginx = find(summaries, NGINX);
    let idle = plimsoll.and_then(Summary::idle_mb);
    vec![
        Target::new(
            "CPU of the gateway per request, to nginx",
            0.9,
            plimsoll.zip(nginx).and_then(|(own, other)| own.worse_ratio_to(other)),
            "x",
        ),
        Target::new(
            // A request may be under way when strace comes or goes.
            "data system calls per request",
            4.01,
            plimsoll.and_then(|own| Some(own.syscalls.first()?.data_calls)),
            "",
        ),
        Target::new(
            "RSS at rest",
            15.0,
            plimsoll.and_then(|own| own.median_mb(|sample| sample.rest_rss)),
            " MB",
        ),
        Target::new("RSS with idle connections", 50.0, idle, " MB"),
        Target::new(
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
        let (proxy, worker) = (summary.proxy(), summary.values(|sample| Some(sample.worker_us)));
        let both = summary.values(|sample| Some(sample.worker_us + sample.proxy_us.unwrap_or(0.0)));
        let (of_minima, paired) = nginx.map_or((None, None), |nginx| summary.ratio_to(nginx));
        let busy = median(&summary.values(|sample| sample.proxy_busy)).map(|share| share * 100.0);
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
        let rate = summary.values(|sample| Some(sample.requests_per_second));
        let p50 = summary.values(|sample| Some(sample.p50_us));
        let p99 = summary.values(|sample| Some(sample.p99_us));
        table.row(vec![
            summary.contender.name.to_owned(),
            figure(max(&rate), "", 0),
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
    let mut table = Table::new(&["contender", "rest RSS", "load RSS", &idle_title, "PSS"]);
    for summary in summaries {
        let idle_pss = summary.idle.as_ref().map(|idle| megabytes(idle.pss as f64));
        table.row(vec![
            summary.contender.name.to_owned(),
            figure(summary.median_mb(|sample| sample.rest_rss), "", 1),
            figure(summary.median_mb(|sample| sample.load_rss), "", 1),
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
