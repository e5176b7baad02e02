//! The last hour: what the status said each second, and the differences between.
//!
//! ```text
//!   app loop ── Status ─┐
//!   gateway threads ────┴─ Reading ─► meter ─ Sample ─► ring ──► last(time): dashboard, doctor
//!                        each second                   1 s for 5 minutes, 10 s for an hour
//! ```
//!
//! There is one sampler, and it asks nothing that `/status` does not say, but the times of all requests together. While no
//! request comes and nobody watches it looks every ten seconds: what rests is not woken for the sake of its history.
//!
//! What it holds is bounded: 660 samples, each with at most 64 workers, 16 pools and 16 downstreams (what is beyond is
//! one row more). That is 0.2 MB with two workers and one of each, and 3 MB where everything is full.

mod meter;
mod ring;
pub mod sample;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use self::meter::{Meter, Reading};
use self::ring::Rings;
pub use self::sample::Sample;
use super::control::Inquiry;
use super::http::ThreadStats;
use super::status::Status;

const SECOND: Duration = Duration::from_secs(1);
/// While nothing happens.
const AT_REST: Duration = Duration::from_secs(10);
/// Seconds without a request after which it rests: what comes every few seconds is no rest.
const REST_AFTER: u32 = 10;

/// What was seen last: all that a watcher needs to go on from a history that it has.
#[derive(Debug)]
pub struct Tick {
    pub status: Status,
    pub sample: Sample,
    /// The sample of ten seconds that this one completes.
    pub long: Option<Sample>,
    /// As whoever watches writes it down: done once, by the first of them.
    pub bytes: OnceLock<Bytes>,
}

/// The last hour. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rings: Mutex<Rings>,
    ticks: watch::Sender<Option<Arc<Tick>>>,
    /// Somebody has begun to watch.
    wanted: Notify,
}

impl History {
    /// The samples of the last `time`, oldest first: of one second each where that is far enough back, else of ten.
    #[must_use]
    pub fn last(&self, time: Duration) -> Vec<Sample> {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.rings().last(time_ms, now_ms()).cloned().collect()
    }

    /// All samples of ten seconds, and all of one second.
    #[must_use]
    pub fn all(&self) -> (Vec<Sample>, Vec<Sample>) {
        let rings = self.rings();
        (rings.long().cloned().collect(), rings.short().cloned().collect())
    }

    /// Each sample as it is taken. While somebody watches, one is taken each second.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Tick>>> {
        let ticks = self.0.ticks.subscribe();
        self.0.wanted.notify_one();
        ticks
    }

    fn is_watched(&self) -> bool {
        self.0.ticks.receiver_count() > 0
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        // Whole after every statement.
        self.0.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes samples until `stop` resolves.
pub async fn run(
    history: History,
    inquiry: Inquiry,
    threads: Vec<Arc<ThreadStats>>,
    stop: impl Future<Output = ()>,
) {
    tokio::select! {
        () = stop => {}
        () = sample(&history, &inquiry, &threads) => {}
    }
}

async fn sample(history: &History, inquiry: &Inquiry, threads: &[Arc<ThreadStats>]) {
    let mut meter = Meter::default();
    let mut next = Instant::now();
    let mut quiet = 0_u32;
    loop {
        let at_rest = quiet >= REST_AFTER && !history.is_watched();
        let pause = if at_rest { AT_REST } else { SECOND };
        // After a machine was suspended there is no crowd of samples.
        next = (next + pause).max(Instant::now() + SECOND / 2);
        tokio::select! {
            () = sleep_until(next) => {}
            () = history.0.wanted.notified(), if at_rest => next = Instant::now(),
        }
        // An app loop that hangs leaves a hole.
        let Ok(status) = inquiry.status().await else { continue };
        let Some((short, long)) = meter.take(Reading::of(&status, threads, now_ms())) else { continue };
        quiet = if short.requests == 0 { quiet.saturating_add(1) } else { 0 };
        history.rings().add(short.clone(), long.clone());
        if history.is_watched() {
            let tick = Tick { status, sample: short, long, bytes: OnceLock::new() };
            history.0.ticks.send_replace(Some(Arc::new(tick)));
        }
    }
}

fn now_ms() -> u64 {
    super::now() / 1_000_000
}
