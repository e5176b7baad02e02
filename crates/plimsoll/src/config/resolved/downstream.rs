//! What is set of the calls that the app makes.

use std::time::Duration;

/// The calls that the app makes.
#[derive(Debug, Clone, Default)]
pub struct Downstream {
    /// For every origin that none of the names fits.
    pub default: DownstreamLimits,
    /// `[downstream."NAME"]`, in the order of their first key.
    pub named: Vec<(String, DownstreamLimits)>,
}

/// What holds for each origin of a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DownstreamLimits {
    pub mode: DownstreamMode,
    /// Calls in flight; `None`: no limit.
    pub concurrency: Option<Concurrency>,
    /// The most that `adaptive` may find.
    pub concurrency_max: usize,
    pub rate: Option<Rate>,
    /// Calls that may come at once under `rate`; `None`: a tenth of it.
    pub burst: Option<usize>,
    /// Calls in flight for one request of a client.
    pub per_request: Option<usize>,
    /// Calls of a worker that may wait.
    pub queue: usize,
    pub queue_timeout: Duration,
    pub breaker: BreakerRules,
    pub retry_budget: RetryBudget,
}

/// When calls to an origin are refused because it fails. The names are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRules {
    pub mode: BreakerMode,
    pub consecutive_5xx: Option<usize>,
    pub consecutive_gateway_failure: Option<usize>,
    pub failure_percentage_threshold: Option<usize>,
    pub failure_percentage_request_volume: usize,
    pub failure_interval: Duration,
    pub base_ejection_time: Duration,
    pub max_ejection_time: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerMode {
    Off,
    /// It is computed when it would have opened.
    Observe,
    Enforce,
}

/// How many retries of the app there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Of the calls in flight; `None`: any number.
    pub percent: Option<usize>,
    pub least: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownstreamMode {
    /// Calls are not even looked at.
    Off,
    /// It is computed what the limits would do.
    Observe,
    Enforce,
}

/// How many calls in flight there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    Exactly(usize),
    /// As many as the service is found to stand.
    Adaptive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
}

impl DownstreamLimits {
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        let limits = self.concurrency.is_some() || self.rate.is_some() || self.per_request.is_some();
        !limits && self.breaker.mode != BreakerMode::Enforce && self.retry_budget.percent.is_none()
    }
}

impl Default for DownstreamLimits {
    fn default() -> Self {
        Self {
            mode: DownstreamMode::Observe,
            concurrency: None,
            concurrency_max: 200,
            rate: None,
            burst: None,
            per_request: None,
            queue: 1000,
            queue_timeout: Duration::from_secs(1),
            breaker: BreakerRules::default(),
            retry_budget: RetryBudget { percent: None, least: 3 },
        }
    }
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            mode: BreakerMode::Observe,
            consecutive_5xx: Some(5),
            consecutive_gateway_failure: None,
            failure_percentage_threshold: Some(85),
            failure_percentage_request_volume: 50,
            failure_interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(5),
            max_ejection_time: Duration::from_secs(60),
        }
    }
}
