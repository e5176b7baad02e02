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
/// So many will do where more are not to be had: the median of ten is off by an eighth where calls take half to one and a half
/// times the mean, which [`TOLERANCE`] allows for.
const BASELINE_LEAST: usize = 10;
/// When for so long no call has been made with few in flight, the limit is lowered so that there are some.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// Where that brought nothing it is tried less and less often.
const PROBE_AFTER_MAX: Duration = Duration::from_secs(900);
/// A probe is not longer than one part in so many of the time until the next: what it costs is under 4 %.
const PROBE_SHARE: u32 = 30;
/// By then calls of up to 0.28 s have given [`BASELINE_SAMPLES`]; after it [`BASELINE_LEAST`] are enough.
const PROBE_SHORT: Duration = Duration::from_secs(5);
/// A probe that does not find enough calls ends after so many times what a call takes: about one and a half until those from
/// before have ended, and three and a third for ten with [`LEAST`] in flight.
const PROBE_CALLS: f64 = 5.0;
const PROBE_MAX: Duration = Duration::from_secs(20);
/// Workers tell ten times a second while calls are in flight: by then there were none.
const PAUSE: Duration = Duration::from_secs(1);

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
    last_heard: Instant,
    window: Vec<u32>,
    window_began: Instant,
    window_peak: u32,
    /// Of the last window.
    typical_us: Option<f64>,
    probe: Option<Probe>,
    probe_after: Duration,
    /// When the last one ended: calls that began before say nothing of the limit as it is now.
    probed_at: Instant,
    loads: Loads,
}

/// The limit is lowered for a while.
#[derive(Debug, Clone, Copy)]
struct Probe {
    began: Instant,
    until: Instant,
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
            last_heard: now,
            window: Vec::new(),
            window_began: now,
            window_peak: 0,
            typical_us: None,
            probe: None,
            probe_after: PROBE_AFTER,
            probed_at: now,
            loads: Loads::new(now),
        }
    }

    /// Calls in flight that are allowed now.
    pub(super) fn limit(&self) -> u32 {
        whole(if self.probe.is_some() { LEAST } else { self.limit })
    }

    /// A worker tells: the most that it had in flight since it last told, and how long calls took that have ended.
    pub(super) fn hear(&mut self, peak: u32, took_us: &[u32], now: Instant) {
        self.note_pause(now);
        let load = self.loads.add(peak, now);
        self.window_peak = self.window_peak.max(load);
        let few = whole((self.limit / 4.0).max(LEAST));
        for took in took_us {
            let ago = Duration::from_micros(u64::from(*took));
            if self.loads.at(now, ago) <= few {
                self.last_quiet = now;
                if self.quiet.len() >= SAMPLES_MAX {
                    self.quiet.pop_front();
                }
                self.quiet.push_back(*took);
            }
            let is_of_this_limit = self.probe.is_none() && now.checked_sub(ago) >= Some(self.probed_at);
            if is_of_this_limit && self.window.len() < SAMPLES_MAX {
                self.window.push(*took);
            }
        }
        self.measure(now);
        self.end_or_begin_probe(now);
        self.step(now);
    }

    /// Time in which nobody called anything is no time without a quiet moment, nor is what was before worth a step.
    fn note_pause(&mut self, now: Instant) {
        let pause = now.saturating_duration_since(self.last_heard);
        self.last_heard = now;
        if pause < PAUSE {
            return;
        }
        self.last_quiet = (self.last_quiet + pause).min(now);
        self.probe = None;
        self.begin_window(now);
    }

    fn measure(&mut self, now: Instant) {
        let few_will_do = match self.probe {
            Some(probe) => now >= probe.began + PROBE_SHORT,
            None => now >= self.measured_at + PROBE_AFTER,
        };
        let enough = if few_will_do { BASELINE_LEAST } else { BASELINE_SAMPLES };
        let is_due =
            self.baseline_us.is_none() || self.probe.is_some() || now >= self.measured_at + BASELINE_FOR;
        if !is_due || self.quiet.len() < enough {
            return;
        }
        self.baseline_us = median(self.quiet.make_contiguous());
        self.quiet.clear();
        self.measured_at = now;
        if let Some(probe) = self.probe {
            self.probe_after = PROBE_AFTER;
            self.end_probe(probe, now);
        }
    }

    fn end_or_begin_probe(&mut self, now: Instant) {
        match self.probe {
            // What it has found is kept for the next.
            Some(probe) if now >= probe.until => {
                self.probe_after = (self.probe_after * 2).min(PROBE_AFTER_MAX);
                self.end_probe(probe, now);
            }
            None if now >= self.last_quiet + self.probe_after => {
                let call = self.typical_us.or_else(|| median(&mut self.window)).unwrap_or(0.0);
                let length = Duration::from_secs_f64(call * PROBE_CALLS / 1e6).clamp(PROBE_SHORT, PROBE_MAX);
                self.probe = Some(Probe { began: now, until: now + length });
            }
            _ => {}
        }
    }

    fn end_probe(&mut self, probe: Probe, now: Instant) {
        let took = now.saturating_duration_since(probe.began);
        self.probe_after = self.probe_after.max(took * PROBE_SHARE);
        self.probe = None;
        self.probed_at = now;
        self.last_quiet = now;
        self.begin_window(now);
    }

    fn step(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.window_began);
        let is_full = age >= WINDOW && self.window.len() >= SAMPLES;
        let is_old = age >= WINDOW_MAX && !self.window.is_empty();
        if self.probe.is_some() || !(is_full || is_old) {
            return;
        }
        // Where few calls are made nothing can be learned of how many would be too many.
        let is_used = f64::from(self.window_peak) >= self.limit / 2.0;
        self.typical_us = median(&mut self.window);
        if let (Some(baseline), Some(now_us), true) = (self.baseline_us, self.typical_us, is_used) {
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
