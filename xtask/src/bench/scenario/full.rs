//! As many requests as go, in a closed loop: what a request costs when nobody sleeps between two of them.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::bench::load::{Head, Load};
use crate::bench::peer::Serving;
use crate::bench::width;
use crate::bench::workshop::Workshop;

const CONNECTIONS: u32 = 64;
/// Afterwards code is compiled, and the heap has been written to once all over, which costs a fault for each of its pages.
const WARM_SECONDS: u32 = 4;

#[derive(Debug, Clone, Serialize)]
pub(super) struct Full {
    /// CPU of all processes that serve.
    pub(super) us_per_request: f64,
    /// Of those that run the app.
    pub(super) workers_us: f64,
    pub(super) per_second: f64,
    /// See [`width::now`]: right before.
    pub(super) width: f64,
}

pub(super) fn method(seconds: u32) -> String {
    format!(
        "Full load: {seconds} s of `wrk` with {CONNECTIONS} kept-alive connections that ask as fast as they are answered, after {WARM_SECONDS} s of the same. Nobody sleeps between two requests, so \
         what it costs to be woken for each of them is not in these figures."
    )
}

pub(super) fn warm(serving: &Serving<'_>, workshop: &Workshop, wrk: &Path) -> anyhow::Result<()> {
    load(WARM_SECONDS).run(workshop, wrk, serving.port, || Ok(())).map(drop)
}

pub(super) fn measure(
    serving: &Serving<'_>,
    workshop: &Workshop,
    wrk: &Path,
    seconds: u32,
) -> anyhow::Result<Full> {
    let width = width::now();
    let (begun, look) = (Instant::now(), serving.look()?);
    let outcome = load(seconds).run(workshop, wrk, serving.port, || Ok(()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let used = serving.used_since(&look);
    let us = |of: fn(&str) -> bool| {
        let cpus: f64 = used.iter().filter(|one| of(&one.role)).map(|one| one.cpus).sum();
        cpus * seconds * 1e6 / outcome.requests as f64
    };
    Ok(Full {
        us_per_request: us(|_| true),
        workers_us: us(|role| role == "worker"),
        per_second: outcome.requests_per_second,
        width,
    })
}

fn load(seconds: u32) -> Load {
    Load { connections: CONNECTIONS, seconds, head: Head::Small }
}
