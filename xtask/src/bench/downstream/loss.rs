//! How soon what a killed worker was lent is in another's hands.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::super::client::{Address, Connection};
use super::super::wait;
use super::super::workshop::Workshop;
use super::place::{Example, downstream, workers};

pub(super) const METHOD: &str = "Kill: one of two workers has ten calls in flight, the other waits with ten; from SIGKILL \
                                 until the service has got ten of the other's, asked every millisecond.";
const CALLS: &[u8] = b"GET /orders?ids=10&by=http&path=/hold HTTP/1.1\r\nHost: bench\r\n\r\n";

pub(super) struct Back {
    pub(super) ms: f64,
    /// Most calls that the service had at once in all that time.
    pub(super) peak: f64,
}

pub(super) fn measure(workshop: &Workshop, program: &Path) -> anyhow::Result<Back> {
    let example = Example::start(workshop, program, &workshop.node, 2)?;
    let total = |calls: f64| (example.figure("total").ok()? >= calls).then_some(());
    let mut doomed = Connection::open(&Address::port(example.shop.port))?;
    doomed.send(CALLS)?;
    wait::until(wait::START_WITHIN, "ten calls", || total(10.0))?;
    let mut heir = Connection::open(&Address::port(example.shop.port))?;
    heir.send(CALLS)?;
    let waits = || downstream(&example.shop)?.get("waiting")?.as_u64().filter(|waiting| *waiting == 10);
    wait::until(wait::START_WITHIN, "the other worker's calls", waits)?;
    let holds = workers(&example.shop).into_iter().max_by_key(|pid| open_sockets(*pid));
    let begun = Instant::now();
    kill_process(holds.context("there is no worker")?, Signal::KILL)?;
    wait::until(wait::START_WITHIN, "the share of the dead", || total(20.0))?;
    Ok(Back { ms: begun.elapsed().as_secs_f64() * 1000.0, peak: example.figure("peak")? })
}

/// The worker whose calls are in flight has ten more than the other.
fn open_sockets(pid: Pid) -> usize {
    let folder = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let targets = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}
