//! Scenarios of the benches, each held against its figure.

use std::time::Duration;

use crate::bench::logs::stalled::Stall;
use crate::bench::peer::Peer;
use crate::bench::shutdown::scenario::{Finding, Scenario, Size};
use crate::conformance::ground::Ground;

const ADDED_P99_MS_MAX: f64 = 150.0;
const STALLED: Duration = Duration::from_secs(60);
const MOVED_PERCENT_MAX: f64 = 5.0;
/// Of a p99 of a millisecond 5 % are less than what the machine's own noise moves it.
const MOVED_MS_MAX: f64 = 0.5;
/// What may wait for a reader: 16 MiB of lines, and what the allocator keeps around them.
const GROWN_MB_MAX: f64 = 40.0;

fn run(ground: &Ground, scenario: Scenario) -> anyhow::Result<Finding> {
    let size = Size { kill_seconds: 20, ..Size::of(false, None) };
    scenario.run(Peer::Plimsoll, &ground.workshop, &ground.programs, &size)
}

pub(super) fn stop(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let found = run(ground, Scenario::Stop)?;
    let failed = failed(&found, |_| true);
    Ok((format!("{} requests after SIGTERM, {failed} failed", found.requests), failed == 0))
}

pub(super) fn freeze(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let found = run(ground, Scenario::Freeze)?;
    let failed = failed(&found, |_| true);
    let p99 = |latency: Option<crate::bench::open::Latency>| latency.map_or(f64::NAN, |latency| latency.p99);
    let (calm, frozen) = (p99(found.calm), p99(found.fast));
    let is_good = failed == 0 && frozen - calm <= ADDED_P99_MS_MAX;
    let worst = found.fast.map_or(f64::NAN, |latency| latency.worst);
    let figure = format!(
        "{} requests, {failed} failed; p99 {calm:.0} ms calm, {frozen:.0} ms frozen; worst {worst:.0} ms",
        found.requests
    );
    Ok((figure, is_good))
}

pub(super) fn kill(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let found = run(ground, Scenario::Kill)?;
    let begun = failed(&found, |how| how == "502 worker_died");
    let others = failed(&found, |how| how != "502 worker_died");
    let (twice, missing) = (found.twice.unwrap_or(usize::MAX), found.missing.unwrap_or(usize::MAX));
    let figure = format!(
        "{} kills, {} requests: {begun} were running in a killed worker (502 worker_died), {others} failed otherwise, {twice} ran twice, \
         {missing} acknowledged and never run",
        found.events, found.requests
    );
    Ok((figure, others == 0 && twice == 0 && missing == 0 && found.events > 0))
}

pub(super) fn sink(ground: &Ground) -> anyhow::Result<(String, bool)> {
    let found = Stall::measure(&ground.workshop, ground.programs.plimsoll.clone(), STALLED)?;
    let moved_ms = found.stalled.p99_ms - found.read.p99_ms;
    let is_good = (found.moved_percent() <= MOVED_PERCENT_MAX || moved_ms <= MOVED_MS_MAX)
        && found.grown_mb <= GROWN_MB_MAX;
    let figure = format!(
        "p99 {:.2} ms read, {:.2} ms stalled ({:+.1} %), worst {:.1} ms; {:.1} MB more",
        found.read.p99_ms,
        found.stalled.p99_ms,
        found.moved_percent(),
        found.stalled.worst_ms,
        found.grown_mb
    );
    Ok((figure, is_good))
}

fn failed(found: &Finding, counts: impl Fn(&str) -> bool) -> usize {
    found.failed.iter().filter(|(how, _)| counts(how)).map(|(_, count)| count).sum()
}
