//! `concurrency = "adaptive"`: how many calls in flight a service stands, from how long it takes.
//!
//! A service that has more calls than it works on lets them queue, and each takes longer. So the limit follows the ratio
//! of how long calls take when few are in flight (the baseline) to how long they take now, as Envoy's gradient does,
//! with room to grow of the square root of the limit. All workers together have one limit; each says how long its calls
//! took, less what its own loop was late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Where nothing is known yet.
const START: f64 = 20.0;
/// Never fewer: with these it is measured how long calls take when few are in flight.
const LEAST: f64 = 3.0;
/// How much longer than the baseline is nothing to worry about.
const TOLERANCE: f64 = 1.25;
/// One step changes the ratio by this much at most.
const RATIO: std::ops::RangeInclusive<f64> = 0.5..=2.0;
/// Of the way to what was computed, in one step.
const SMOOTHING_DOWN: f64 = 0.2;
const SMOOTHING_UP: f64 = 0.1;

/// A step is made after so long when so many calls have ended, and else with those there are.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_MAX: Duration = Duration::from_secs(10);
const SAMPLES: usize = 50;
const SAMPLES_MAX: usize = 4096;

/// The baseline is measured again after so long, from so many calls.
const BASELINE_FOR: Duration = Duration::from_secs(30);
const BASELINE_SAMPLES: usize = 50;
/// When so long no call has been made with few in flight, the limit is lowered so that there are some.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// A probe that does not find enough calls ends after so long.
const PROBE_MAX: Duration = Duration::from_secs(5);

/// Workers tell so often.
const SLOT: Duration = Duration::from_millis(100);
const SLOTS: usize = 128;

#[derive(Debug)]
pub(super) struct Adaptive {
    limit: f64,
    most: f64,
    baseline_us: Option<f64>,
    measured_at: Instant,
    /// Of calls that began with few in flight, since the baseline was measured.
    quiet: VecDeque<u32>,
    last_quiet: Instant,
    window: Vec<u32>,
    window_began: Instant,
    window_peak: u32,
    probe_until: Option<Instant>,
    loads: Loads,
}

impl Adaptive {
    pub(super) fn new(most: u32, now: Instant) -> Self {
        let most = f64::from(most).max(LEAST);
        Self {
            limit: START.min(most),
            most,
            baseline_us: None,
            measured_at: now,
            quiet: VecDeque::new(),
            last_quiet: now,
            window: Vec::new(),
            window_began: now,
            window_peak: 0,
            probe_until: None,
            loads: Loads::new(now),
        }
    }

    /// Calls in flight that are allowed now.
    pub(super) fn limit(&self) -> u32 {
        whole(if self.probe_until.is_some() { LEAST } else { self.limit })
    }

    /// A worker tells: the most that it had in flight since it last told, and how long calls took that have ended.
    pub(super) fn hear(&mut self, peak: u32, took_us: &[u32], now: Instant) {
        let load = self.loads.add(peak, now);
        self.window_peak = self.window_peak.max(load);
        let few = whole((self.limit / 4.0).max(LEAST));
        for took in took_us {
            if self.loads.at(now, Duration::from_micros(u64::from(*took))) <= few {
                self.last_quiet = now;
                if self.quiet.len() >= SAMPLES_MAX {
                    self.quiet.pop_front();
                }
                self.quiet.push_back(*took);
            }
        }
        if self.probe_until.is_none() {
            let room = SAMPLES_MAX.saturating_sub(self.window.len());
            self.window.extend(took_us.iter().take(room));
        }
        self.measure(now);
        self.probe(now);
        self.step(now);
    }

    fn measure(&mut self, now: Instant) {
        let is_due = self.baseline_us.is_none()
            || self.probe_until.is_some()
            || now >= self.measured_at + BASELINE_FOR;
        if is_due && self.quiet.len() >= BASELINE_SAMPLES {
            self.baseline_us = median(self.quiet.make_contiguous());
            self.quiet.clear();
            self.measured_at = now;
            if self.probe_until.take().is_some() {
                self.begin_window(now);
            }
        }
    }

    fn probe(&mut self, now: Instant) {
        match self.probe_until {
            Some(until) if now >= until => {
                self.probe_until = None;
                self.last_quiet = now;
                self.begin_window(now);
            }
            None if now >= self.last_quiet + PROBE_AFTER => {
                self.probe_until = Some(now + PROBE_MAX);
                self.quiet.clear();
            }
            _ => {}
        }
    }

    fn step(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.window_began);
        let is_full = age >= WINDOW && self.window.len() >= SAMPLES;
        let is_old = age >= WINDOW_MAX && !self.window.is_empty();
        if self.probe_until.is_some() || !(is_full || is_old) {
            return;
        }
        // Where few calls are made nothing can be learned of how many would be too many.
        let is_used = f64::from(self.window_peak) >= self.limit / 2.0;
        if let (Some(baseline), Some(now_us), true) = (self.baseline_us, median(&mut self.window), is_used) {
            let ratio = (baseline * TOLERANCE / now_us.max(1.0)).clamp(*RATIO.start(), *RATIO.end());
            let aim = self.limit * ratio + (self.limit * ratio).sqrt();
            let smoothing = if aim < self.limit { SMOOTHING_DOWN } else { SMOOTHING_UP };
            self.limit = (self.limit + (aim - self.limit) * smoothing).clamp(LEAST, self.most);
        }
        self.begin_window(now);
    }

    fn begin_window(&mut self, now: Instant) {
        self.window.clear();
        self.window_began = now;
        self.window_peak = 0;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is small, and at least 3"
)]
fn whole(limit: f64) -> u32 {
    limit.round() as u32
}

fn median(samples: &mut [u32]) -> Option<f64> {
    let middle = samples.len() / 2;
    (!samples.is_empty()).then(|| f64::from(*samples.select_nth_unstable(middle).1))
}

/// How many calls all workers had in flight together, for the last seconds.
#[derive(Debug)]
struct Loads {
    epoch: Instant,
    /// The number of a slot since the epoch, and the sum of what was told in it.
    slots: [(u64, u32); SLOTS],
}

impl Loads {
    fn new(epoch: Instant) -> Self {
        Self { epoch, slots: [(u64::MAX, 0); SLOTS] }
    }

    /// Adds what one worker had, and gives the sum so far.
    fn add(&mut self, peak: u32, now: Instant) -> u32 {
        let number = self.number(now);
        let Some(slot) = self.slot(number) else { return peak };
        if slot.0 != number {
            *slot = (number, 0);
        }
        slot.1 = slot.1.saturating_add(peak);
        slot.1
    }

    /// The most around the time when a call began that has ended now: workers do not tell at the same instant. What is
    /// further back than is kept counts as much.
    fn at(&self, now: Instant, ago: Duration) -> u32 {
        let number = self.number(now.checked_sub(ago).unwrap_or(self.epoch));
        if self.number(now).saturating_sub(number) >= SLOTS as u64 - 1 {
            return u32::MAX;
        }
        let around = [number.saturating_sub(1), number, number + 1];
        let told = self.slots.iter().filter(|(at, _)| around.contains(at));
        told.map(|(_, load)| *load).max().unwrap_or(0)
    }

    fn number(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.epoch).as_millis() / SLOT.as_millis())
            .unwrap_or(u64::MAX - 2)
    }

    fn slot(&mut self, number: u64) -> Option<&mut (u64, u32)> {
        let at = usize::try_from(number % SLOTS as u64).ok()?;
        self.slots.get_mut(at)
    }
}

#[cfg(test)]
mod tests;
