//! As many requests as go, in a closed loop: what a request costs when nobody sleeps between two of them.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::bench::load::{Head, Load};
use crate::bench::peer::Serving;
use crate::bench::workshop::Workshop;

const CONNECTIONS: u32 = 64;
const SECONDS: u32 = 2;

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Full {
    /// CPU of all processes that serve.
    pub(super) us_per_request: f64,
    pub(super) per_second: f64,
}

pub(super) fn method() -> String {
    format!(
        "Full load: {SECONDS} s of `wrk` with {CONNECTIONS} kept-alive connections that ask as fast as they are answered. Nobody sleeps between two requests, so \
         what it costs to be woken for each of them is not in these figures."
    )
}

pub(super) fn measure(serving: &Serving<'_>, workshop: &Workshop, wrk: &Path) -> anyhow::Result<Full> {
    let load = Load { connections: CONNECTIONS, seconds: SECONDS, head: Head::Small };
    let (begun, look) = (Instant::now(), serving.look()?);
    let outcome = load.run(workshop, wrk, serving.port, || Ok(()))?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpus: f64 = serving.used_since(&look).iter().map(|one| one.cpus).sum();
    let us_per_request = cpus * seconds * 1e6 / outcome.requests as f64;
    Ok(Full { us_per_request, per_second: outcome.requests_per_second })
}
