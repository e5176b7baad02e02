//! `bench large`: one gibibyte through each proxy.
//!
//! Slowly, in both directions: does memory stay flat when one side is slower than the other? And as fast as it
//! goes: what does streaming cost?

mod figures;
mod transfer;

use serde_json::json;

use self::figures::{Figures, figures_to_reach, table};
use self::transfer::{Pace, download, upload};
use super::contender::{Answering, App, Contender};
use super::field::{Field, NGINX_AGAIN, Proxy};
use super::only::Only;
use super::report::{Keep, Report, megabytes, placement_sentence, targets};
use super::workshop::{Workshop, app};
use super::{Common, machine, procfs};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Proxy>,
    /// Bytes of each transfer.
    #[arg(long)]
    bytes: Option<usize>,
}

/// Far below what the app and the proxies manage, so that whoever buffers is seen to; 1 GiB takes 16 s.
const SLOW_BYTES_PER_SECOND: usize = 64 << 20;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let workshop = Workshop::open(&options.common.node)?;
    let field = Field::gather(&options.common, &options.only)?;
    let quick = options.common.quick;
    let bytes = options.bytes.unwrap_or(if quick { 64 << 20 } else { 1 << 30 });
    let rounds = options.common.rounds(5);

    let mut all = Vec::new();
    for contender in field.contenders.iter().filter(|contender| contender.name != NGINX_AGAIN) {
        let (slow_download_growth, slow_upload_growth) = slowly(&workshop, contender, bytes)?;
        all.push((
            contender,
            Figures {
                name: contender.name,
                slow_download_growth,
                slow_upload_growth,
                megabytes_per_second: Vec::new(),
                proxy_ms: Vec::new(),
            },
        ));
    }
    for _ in 0..rounds {
        for (contender, figures) in &mut all {
            fast(&workshop, contender, bytes, figures)?;
        }
    }
    let figures: Vec<Figures> = all.into_iter().map(|(_, figures)| figures).collect();
    Report {
        verb: "large",
        title: "Large bodies",
        command,
        machine: machine::facts(&field.versions(&workshop)),
        method: method(&workshop, bytes, rounds),
        tables: vec![
            ("Figures to reach".to_owned(), targets(&figures_to_reach(&figures))),
            ("Growth of the proxy, MB, and throughput of a download".to_owned(), table(&figures)),
        ],
        notes: Vec::new(),
        raw: json!(figures),
        keep: Keep::unless(quick || !options.only.is_all()),
    }
    .publish()
}

fn large_app(rate: usize) -> App {
    App { script: app("large.js"), env: vec![("RATE", rate.to_string())] }
}

fn slowly(
    workshop: &Workshop,
    contender: &Contender,
    bytes: usize,
) -> anyhow::Result<(Option<u64>, Option<u64>)> {
    let running = contender.start(workshop, &large_app(SLOW_BYTES_PER_SECOND))?;
    if running.proxy.is_empty() {
        return Ok((None, None));
    }
    let down =
        growth(&running, |look| download(running.port, bytes, Pace::Slow(SLOW_BYTES_PER_SECOND), look))?;
    drop(running);
    // A fresh one: what the first transfer left behind must not hide what the second needs.
    let running = contender.start(workshop, &large_app(SLOW_BYTES_PER_SECOND))?;
    let up = growth(&running, |look| upload(running.port, bytes, look))?;
    eprintln!("slow      {:<12} download +{} KB, upload +{} KB", contender.name, down / 1000, up / 1000);
    Ok((Some(down), Some(up)))
}

/// How far the proxy's RSS rises above what it was after its first requests.
fn growth(
    running: &Answering,
    transfer: impl FnOnce(&mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let before = procfs::memory(&running.proxy)?.rss;
    let mut peak = before;
    transfer(&mut || {
        peak = peak.max(procfs::memory(&running.proxy)?.rss);
        Ok(())
    })?;
    Ok(peak - before)
}

fn fast(
    workshop: &Workshop,
    contender: &Contender,
    bytes: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let running = contender.start(workshop, &large_app(0))?;
    download(running.port, bytes / 16, Pace::Full, &mut || Ok(()))?;
    let before = procfs::cpu_ns(&running.proxy)?;
    let begun = std::time::Instant::now();
    super::child::on_cpu(workshop.placement.load, || {
        download(running.port, bytes, Pace::Full, &mut || Ok(()))
    })?;
    let rate = megabytes(bytes as f64) / begun.elapsed().as_secs_f64();
    eprintln!("fast      {:<12} {rate:.0} MB/s", contender.name);
    figures.megabytes_per_second.push(rate);
    if !running.proxy.is_empty() {
        figures.proxy_ms.push((procfs::cpu_ns(&running.proxy)? - before) as f64 / 1e6);
    }
    Ok(())
}

fn method(workshop: &Workshop, bytes: usize, rounds: usize) -> Vec<String> {
    vec![
        placement_sentence(workshop),
        format!(
            "Slow: {bytes} bytes, once per contender and direction. Down, the client waits 1 s and then reads {} MiB/s; \
             up, the app reads so while the client sends as fast as it may. RSS of all processes of the proxy, every \
             100 ms, its peak above what it was after start and first requests.",
            SLOW_BYTES_PER_SECOND >> 20
        ),
        format!(
            "Fast: {bytes} bytes to one client that reads at once, {rounds} rounds in turn, each contender started \
             afresh and warmed up with a sixteenth of it. nginx does not spool to disk (`bench/peers/`)."
        ),
    ]
}
