//! How many requests may be moved to another worker.
//!
//! Moving is cheap but not free: the worker that was late still has to read what it must not run. When much of the
//! load would be moved, the reason is not a stalled worker but too few of them, and moving makes that worse.

use std::time::Duration;

/// Moves for each request that comes in.
const SHARE: f64 = 0.2;
/// Moves a second that are always there, so that a service with little traffic is rescued too.
const PER_SECOND: f64 = 10.0;
/// What can be saved up: as many as can be unclaimed in one worker.
const MOST: f64 = 256.0;

/// A token bucket that requests and time fill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    tokens: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: MOST }
    }
}

impl Budget {
    pub fn request(&mut self) {
        self.tokens = (self.tokens + SHARE).min(MOST);
    }

    pub fn elapsed(&mut self, time: Duration) {
        self.tokens = (self.tokens + PER_SECOND * time.as_secs_f64()).min(MOST);
    }

    /// Takes one move, if there is one.
    #[must_use]
    pub fn take(&mut self) -> bool {
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(budget: &mut Budget) -> usize {
        std::iter::repeat_with(|| budget.take()).take_while(|granted| *granted).count()
    }

    #[test]
    fn a_fifth_of_the_requests_and_ten_a_second() {
        let mut budget = Budget::default();
        assert_eq!(takes(&mut budget), 256);
        for _ in 0..100 {
            budget.request();
        }
        // Sums of 0.2 are not exact.
        assert!((19..=20).contains(&takes(&mut budget)));
        budget.elapsed(Duration::from_secs(1));
        assert!((10..=11).contains(&takes(&mut budget)));
        budget.elapsed(Duration::from_secs(3600));
        assert_eq!(takes(&mut budget), 256);
    }
}
