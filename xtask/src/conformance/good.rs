//! Good clients: what they notice of what others do to the server meanwhile.

use std::time::Instant;

use anyhow::Context as _;

use crate::bench::open::{self, Load, Record, Stream};

pub(super) const PER_SECOND: f64 = 200.0;

pub(super) struct Good {
    pub(super) beside: Vec<Record>,
    /// 99 of 100 were answered sooner, in milliseconds: before, and meanwhile.
    pub(super) calm_ms: f64,
    pub(super) beside_ms: f64,
}

impl Good {
    /// They ask for `calm_seconds` by themselves, and then for `seconds` while `attack` runs.
    pub(super) fn beside<T: Send>(
        port: u16,
        calm_seconds: f64,
        seconds: f64,
        attack: impl FnOnce(Instant) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<(Self, T)> {
        let (calm, ()) = load(port, calm_seconds).run(|_| Ok(()))?;
        let (beside, done) = load(port, seconds).run(attack)?;
        let p99 = |records: &[Record]| open::latency(records).map(|latency| latency.p99);
        let calm_ms = p99(&calm).context("no good client was answered before")?;
        let beside_ms = p99(&beside).context("no good client was answered")?;
        Ok((Self { beside, calm_ms, beside_ms }, done))
    }

    pub(super) fn failed(&self) -> usize {
        open::failures(&self.beside).values().sum()
    }

    /// None failed, and none waited for long.
    pub(super) fn are_unharmed(&self) -> bool {
        self.failed() == 0 && self.beside_ms < self.calm_ms * 2.0 + 5.0
    }
}

fn load(port: u16, seconds: f64) -> Load {
    let stream = Stream {
        name: "good",
        per_second: PER_SECOND,
        method: "GET",
        target: "/?id={id}".to_owned(),
        fresh_percent: 50,
    };
    Load { port, seconds, streams: vec![stream], ..Load::default() }
}
