//! The budget of lines per second, and the share of requests that fits it.
//!
//! A burst is no reason to lose a line: as much as [`BURST_SECONDS`] of the budget may be saved up and spent at once
//! (an app that starts, a few hundred kilobytes before `process.exit()`). Only when that is used up does the share go
//! below 1. From then on it is corrected by the square root of what it is off, so that it settles within seconds
//! and does not swing.

use std::time::{Duration, Instant};

const BURST_SECONDS: f64 = 20.0;
const WINDOW: Duration = Duration::from_millis(500);
/// Of ten thousand requests one is always kept: a sample of nothing tells nothing.
const SHARE_MIN: f64 = 1e-4;
/// A window may not change the share by more than this.
const CORRECTION_MAX: f64 = 16.0;

#[derive(Debug)]
pub(super) struct Budget {
    /// `None`: whatever comes, fits.
    rate: Option<f64>,
    share: f64,
    /// Lines that may still come at once.
    saved: f64,
    window: Instant,
    offered: u32,
    kept: u32,
    traced: u32,
    /// What people heard last.
    is_announced: bool,
}

/// What people should hear of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// More lines come than the budget allows: from now on they are sampled.
    Begins {
        lines_per_second: f64,
    },
    Ends,
}

impl Budget {
    pub(super) fn new(rate: Option<u32>, now: Instant) -> Self {
        let rate = rate.map(f64::from);
        let saved = rate.map_or(f64::INFINITY, |rate| rate * BURST_SECONDS);
        Self { rate, share: 1.0, saved, window: now, offered: 0, kept: 0, traced: 0, is_announced: false }
    }

    /// Of the requests, this share fits.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Sampling may begin soon: requests are remembered from now on, so that none is torn by it.
    pub(super) fn is_near(&self) -> bool {
        self.rate.is_some_and(|rate| self.saved < rate * BURST_SECONDS / 2.0)
    }

    pub(super) fn count(&mut self, is_kept: bool, now: Instant) {
        self.offered = self.offered.saturating_add(1);
        if is_kept {
            self.kept = self.kept.saturating_add(1);
            self.saved -= 1.0;
            if self.saved < 0.0 && self.share >= 1.0 {
                self.begin(now);
            }
        }
    }

    /// Requests whose trace is recorded stay for as long as they take no more than half of the budget: where every
    /// trace is recorded, that must not mean that every line is kept.
    pub(super) fn has_room_for_traced(&self) -> bool {
        self.rate.is_none_or(|rate| f64::from(self.traced) < rate * WINDOW.as_secs_f64() / 2.0)
    }

    pub(super) fn count_traced(&mut self) {
        self.traced = self.traced.saturating_add(1);
    }

    pub(super) fn tick(&mut self, now: Instant) -> Option<Change> {
        let rate = self.rate?;
        let passed = now.saturating_duration_since(self.window);
        if passed < WINDOW {
            return None;
        }
        let seconds = passed.as_secs_f64();
        let offered = f64::from(self.offered) / seconds;
        self.saved = (self.saved + rate * seconds).min(rate * BURST_SECONDS);
        if self.share < 1.0 {
            // What is saved up now is for the next burst; the share alone decides.
            self.saved = self.saved.min(rate);
            let actual = (f64::from(self.kept) / seconds).max(1.0);
            let correction = (rate / actual).clamp(1.0 / CORRECTION_MAX, CORRECTION_MAX).sqrt();
            self.share = (self.share * correction).clamp(SHARE_MIN, 1.0);
        }
        (self.window, self.offered, self.kept, self.traced) = (now, 0, 0, 0);
        let was_announced = std::mem::replace(&mut self.is_announced, self.share < 1.0);
        match (was_announced, self.is_announced) {
            (false, true) => Some(Change::Begins { lines_per_second: offered }),
            (true, false) => Some(Change::Ends),
            _ => None,
        }
    }

    /// The savings are spent: guess the share from what came since the window began.
    fn begin(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        let seconds = now.saturating_duration_since(self.window).as_secs_f64().max(0.05);
        let offered = f64::from(self.offered) / seconds;
        self.share = (rate / offered).clamp(SHARE_MIN, 0.99);
    }
}
