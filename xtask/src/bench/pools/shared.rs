//! A hundred connections for eight workers with pools of twenty, and demand that moves from one worker to another.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::open::{Load, Stream, failures};
use super::super::wait;
use super::super::workshop::{Workshop, app};
use super::place::{App, Database, first_pool, shop, start};

const MAX_CONNECTIONS: u32 = 100;
/// Of these PostgreSQL keeps three.
const USABLE: u32 = MAX_CONNECTIONS - 3;
const WORKERS: u16 = 8;
const POOL: u32 = 20;
/// How long the database takes: 97 connections then serve 240 a second, and the CPU has room.
const MS: u32 = 400;
/// A little more than they serve: all connections are used, and some requests wait.
const RATE: f64 = 255.0;
const SECONDS: f64 = 15.0;

/// How eight workers fared.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) wait_p99_ms: f64,
    pub(super) failed: usize,
    /// Connections that the database refused.
    pub(super) refused: u64,
    pub(super) requests: usize,
    raw: Value,
}

impl Shared {
    pub(super) fn raw(&self) -> Value {
        json!({ "wait_p99_ms": self.wait_p99_ms, "failed": self.failed, "refused": self.refused, "requests": self.requests, "pool": self.raw })
    }
}

/// `pool`: of each worker. By hand: what even parts come to.
pub(super) fn share(
    workshop: &Workshop,
    program: &Path,
    name: &'static str,
    mode: &str,
    pool: u32,
    quick: bool,
) -> anyhow::Result<Shared> {
    let database = Database::start(workshop, MAX_CONNECTIONS)?;
    let settings =
        format!("[pools.\"{}\"]\nmode = '{mode}'\nmax_connections = {MAX_CONNECTIONS}\n", database.name());
    let script = shop().join("server.js");
    let app = App {
        name,
        script,
        workers: WORKERS,
        pool,
        settings: &settings,
        database: Some(&database),
        env: Vec::new(),
    };
    let running = start(workshop, program, &app)?;
    let seconds = if quick { 5.0 } else { SECONDS };
    let stream = Stream {
        name: "orders",
        per_second: RATE,
        method: "GET",
        target: format!("/orders/1?ms={MS}"),
        fresh_percent: 0,
    };
    let load = Load { port: running.port, seconds, streams: vec![stream], ..Load::default() };
    let (records, ()) = load.run(|_| Ok(()))?;
    // What was counted last is told within a second.
    wait::pause(Duration::from_millis(1500));
    let told = first_pool(&running).context("nothing is told of the pool")?;
    let failed = failures(&records).values().sum();
    let wait_p99_ms = told.get("wait_p99_ms").and_then(Value::as_f64).context("no wait is told")?;
    let refused = told.get("errors").and_then(Value::as_u64).context("no errors are told")?;
    Ok(Shared { name, wait_p99_ms, failed, refused, requests: records.len(), raw: told })
}

/// What eight even parts of all that there is come to.
pub(super) fn by_hand() -> u32 {
    USABLE / u32::from(WORKERS)
}

pub(super) fn as_the_app_has_it() -> u32 {
    POOL
}

/// Milliseconds until a worker has nine tenths of what another had before, again and again.
pub(super) fn moves(workshop: &Workshop, program: &Path, times: usize) -> anyhow::Result<Vec<f64>> {
    const ALL: u32 = 20;
    let database = Database::start(workshop, ALL + 3)?;
    let settings =
        format!("[pools.\"{}\"]\nmode = 'enforce'\nmax_connections = {}\n", database.name(), ALL + 3);
    let demand = workshop.directory.join("demand");
    let app = App {
        name: "mover",
        script: app("mover.js"),
        workers: 2,
        pool: ALL,
        settings: &settings,
        database: Some(&database),
        env: vec![("DEMAND", demand.clone())],
    };
    let _running = start(workshop, program, &app)?;
    let log = workshop.directory.join("demand.log");
    // At least one stays with the other worker.
    let enough = u64::from(ALL - 2);
    let mut took = Vec::new();
    for turn in 0..=times {
        let worker = turn % 2;
        let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        std::fs::write(&demand, worker.to_string())?;
        let reached = || {
            let text = std::fs::read_to_string(&log).ok()?;
            text.lines().filter_map(line).find_map(|[at, of, in_use, _]| {
                let fits = u128::from(at) >= begun && of == worker as u64 && in_use >= enough;
                fits.then(|| u128::from(at) - begun)
            })
        };
        let ms = wait::until(Duration::from_secs(15), "the other worker's connections", reached)?;
        // The first turn opens them.
        if turn > 0 {
            took.push(f64::from(u32::try_from(ms)?));
        }
        wait::pause(Duration::from_millis(1500));
    }
    let text = std::fs::read_to_string(&log)?;
    let failed = text.lines().filter_map(line).map(|[.., failed]| failed).max().unwrap_or(0);
    anyhow::ensure!(failed == 0, "{failed} connections were refused while demand moved");
    Ok(took)
}

/// When, which worker, how many in use, how many failed.
fn line(text: &str) -> Option<[u64; 4]> {
    let mut numbers = text.split(' ').map(|word| word.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??, numbers.next()??])
}
