//! Whether a lane does more good than harm.
//!
//! A lane holds back heavy requests while other workers are idle: that is what it is for. But where heavy requests are
//! what a service does all day, it would turn most of them away for nothing. So the learned lane is lifted, and every
//! worker serves everything, while the heavy requests need more than the lane has and all workers together could carry
//! them, or while there are hardly any others to protect. What nobody could carry stays in its lane.

use std::time::{Duration, Instant};

/// Judged over times of this length.
const WINDOW: Duration = Duration::from_secs(3);
/// The share of the lane above which it is too small, and below which it is large enough again.
const FULL: f64 = 0.9;
const ROOMY: f64 = 0.6;
/// The share of all workers up to which heavy requests are spread over them.
const BEARABLE: f64 = 0.7;
/// Heavy requests are not the exception from this share of all requests on; and are again below the other.
const USUAL: f64 = 0.5;
const UNUSUAL: f64 = 0.3;

#[derive(Debug, Clone, Copy)]
pub struct Demand {
    since: Instant,
    requests_before: u64,
    heavy: u64,
    work: Duration,
    is_lifted: bool,
}

/// What there is to carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub lane: usize,
    pub all: usize,
}

impl Demand {
    #[must_use]
    pub fn new(now: Instant, requests: u64) -> Self {
        Self { since: now, requests_before: requests, heavy: 0, work: Duration::ZERO, is_lifted: false }
    }

    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.is_lifted
    }

    /// A heavy request of `cost` has come, `requests` of any kind since the start. Gives how many workers the heavy
    /// ones would keep busy, where the lane is lifted or set up again because of that.
    pub fn arrived(
        &mut self,
        now: Instant,
        cost: Duration,
        requests: u64,
        capacity: Capacity,
    ) -> Option<f64> {
        self.heavy += 1;
        self.work += cost;
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < WINDOW {
            return None;
        }
        let needed = self.work.as_secs_f64() / elapsed.as_secs_f64();
        let all = requests.saturating_sub(self.requests_before).max(self.heavy);
        let share = ratio(self.heavy, all);
        let is_lifted = self.judge(needed, share, capacity);
        *self = Self { is_lifted: self.is_lifted, ..Self::new(now, requests) };
        (is_lifted != std::mem::replace(&mut self.is_lifted, is_lifted)).then_some(needed)
    }

    fn judge(&self, needed: f64, share: f64, capacity: Capacity) -> bool {
        let (lane, all) = (size(capacity.lane), size(capacity.all));
        if self.is_lifted {
            let is_roomy = needed < lane * ROOMY;
            let is_exception = share < UNUSUAL;
            return !is_roomy && (!is_exception || needed <= all * FULL);
        }
        needed > lane * FULL && (share >= USUAL || needed <= all * BEARABLE)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of requests in seconds")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn size(workers: usize) -> f64 {
    f64::from(u32::try_from(workers).unwrap_or(u32::MAX))
}
