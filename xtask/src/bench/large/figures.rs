//! What was found of each contender, and what is told of it.

use serde::Serialize;

use super::super::field::{NGINX, PLIMSOLL};
use super::super::report::{Table, Target, figure, megabytes};
use super::super::stats::{max, median, min};

const GROWTH_MB_MAX: f64 = 8.0;

#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) name: &'static str,
    /// Bytes by which the proxy grew while its client read slowly, and while its worker did.
    pub(super) slow_download_growth: Option<u64>,
    pub(super) slow_upload_growth: Option<u64>,
    pub(super) megabytes_per_second: Vec<f64>,
    pub(super) proxy_ms: Vec<f64>,
}

fn growth_mb(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| megabytes(bytes as f64))
}

pub(super) fn figures_to_reach(all: &[Figures]) -> Vec<Target> {
    let find = |name: &str| all.iter().find(|figures| figures.name == name);
    let (own, nginx) = (find(PLIMSOLL), find(NGINX));
    let growth = |what: &str, found: Option<u64>| Target::new(what, GROWTH_MB_MAX, growth_mb(found), " MB");
    vec![
        growth("growth while the client reads slowly", own.and_then(|own| own.slow_download_growth)),
        growth("growth while the app reads slowly", own.and_then(|own| own.slow_upload_growth)),
        Target::new(
            "CPU of the gateway for a download, to nginx (min)",
            1.0,
            own.zip(nginx).and_then(|(own, nginx)| Some(min(&own.proxy_ms)? / min(&nginx.proxy_ms)?)),
            "x",
        ),
    ]
}

pub(super) fn table(all: &[Figures]) -> Table {
    let mut table = Table::new(&[
        "contender",
        "slow download",
        "slow upload",
        "MB/s max",
        "median",
        "proxy CPU ms min",
        "median",
    ]);
    for figures in all {
        table.row(vec![
            figures.name.to_owned(),
            figure(growth_mb(figures.slow_download_growth), "", 1),
            figure(growth_mb(figures.slow_upload_growth), "", 1),
            figure(max(&figures.megabytes_per_second), "", 0),
            figure(median(&figures.megabytes_per_second), "", 0),
            figure(min(&figures.proxy_ms), "", 0),
            figure(median(&figures.proxy_ms), "", 0),
        ]);
    }
    table
}
