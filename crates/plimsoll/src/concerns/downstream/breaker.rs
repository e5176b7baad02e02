//! A circuit breaker: whether calls to a service may be made, from what became of those that were.
//!
//! ```text
//!  Closed ─── too many fail ───► Open ─── its time is over, and a call asks ───► HalfOpen
//!    ▲                             ▲                                           one call is tried
//!    │                             └──── for longer ◄──── it fails ────────────────┤
//!    └───────────────────────────────────────────────────── it is answered ────────┘
//! ```
//!
//! The rules and their names are those of Envoy's outlier detection, for a service as a whole. One breaker for all workers:
//! each tells what became of its calls, and refuses by itself while the breaker is open.
//!
//! Failures are told at once, answers within a moment. So failures "in a row" are believed only when every worker that makes
//! calls has told since the first of them: another one may have got an answer meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use plimsoll_wire::calls::{self, Outcomes, Probed};

use crate::config::BreakerRules;

#[cfg(test)]
mod tests;

/// A worker that makes calls tells at least so often: where the breaker holds, and where it only computes.
const TOLD_WITHIN: Duration = Duration::from_millis(150);
const OBSERVED_WITHIN: Duration = Duration::from_millis(1200);
/// What is tried has so long to end; then another call may be tried.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// Routes whose calls were refused that are told apart.
const ROUTES_MAX: usize = 32;
/// Parts of the interval of which the percentage is taken.
const PARTS: u32 = 10;

#[derive(Debug)]
pub(super) struct Breaker<H> {
    rules: BreakerRules,
    holds: bool,
    state: State<H>,
    why: Option<Why>,
    failures: Run,
    gateway_failures: Run,
    window: VecDeque<Part>,
    /// Who makes calls, and when it told last.
    told: BTreeMap<H, Instant>,
    /// Since when no call is made but the one that is tried.
    open_since: Option<Instant>,
    /// Whose calls it has refused since it opened, and how often that was told.
    refused: BTreeMap<String, u64>,
    /// How often it has opened without a good time between.
    ejections: u32,
    /// Since when it has been well, or one of the ejections was forgotten.
    well_since: Instant,
    counts: Counts,
}

#[derive(Debug, Clone, Copy)]
enum State<H> {
    Closed,
    Open {
        until: Instant,
    },
    /// Who tries it, and since when; `None`: whoever asks next may.
    HalfOpen {
        probe: Option<(H, Instant)>,
    },
}

/// Failures one after another.
#[derive(Debug, Default)]
struct Run {
    count: u32,
    began: Option<Instant>,
}

/// Of the interval.
#[derive(Debug)]
struct Part {
    began: Instant,
    calls: u64,
    failed: u64,
}

/// Why it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    InARow(u32),
    GatewayInARow(u32),
    Share { failed: u64, calls: u64, within: Duration },
    Probe,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    opened: u64,
    would_refuse: u64,
    would_fail: u64,
}

/// What is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Calls are refused; otherwise it is computed what it would do.
    pub enforced: bool,
    pub state: Position,
    /// Times that it opened, or would have.
    pub opened: u64,
    /// Why it opened last.
    pub why: Option<String>,
    /// Since when it is not closed, however often it was tried.
    pub open_since: Option<Instant>,
    /// Whose calls it has refused since it opened last, most first; none: it is not known.
    pub routes: Vec<String>,
    /// Where only observed: calls that it would have refused.
    pub would_refuse: u64,
    /// Of these: those that failed anyway.
    pub would_fail: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Closed,
    Open,
    HalfOpen,
}

impl<H: Copy + Ord> Breaker<H> {
    /// `holds`: calls are refused while it is open.
    pub(super) fn new(rules: BreakerRules, holds: bool, now: Instant) -> Self {
        Self {
            rules,
            holds,
            state: State::Closed,
            why: None,
            failures: Run::default(),
            gateway_failures: Run::default(),
            window: VecDeque::new(),
            told: BTreeMap::new(),
            open_since: None,
            refused: BTreeMap::new(),
            ejections: 0,
            well_since: now,
            counts: Counts::default(),
        }
    }

    /// A worker tells what became of its calls. True: all are to be told [`Self::told`].
    pub(super) fn hear(&mut self, holder: H, said: &Outcomes, now: Instant) -> bool {
        self.told.insert(holder, now);
        match self.state {
            State::Closed => {
                self.count(said, now);
                self.decide(now)
            }
            // Calls that were in flight when it opened.
            State::Open { .. } | State::HalfOpen { .. } if self.holds => false,
            State::Open { until } if now < until => {
                self.counts.would_refuse = self.counts.would_refuse.saturating_add(said.calls.into());
                self.counts.would_fail = self.counts.would_fail.saturating_add(said.failed.into());
                false
            }
            State::Open { .. } | State::HalfOpen { .. } if said.calls == 0 => false,
            State::Open { .. } | State::HalfOpen { .. } => {
                if said.failed < said.calls {
                    self.close(now)
                } else {
                    self.open(Why::Probe, now)
                }
                false
            }
        }
    }

    /// A worker has a call that could be tried.
    pub(super) fn ask(&mut self, holder: H, now: Instant) -> calls::Breaker {
        let is_taken = match self.state {
            State::Open { until } => now < until,
            State::HalfOpen { probe: Some((_, since)) } => now < since + PROBE_MAX,
            State::HalfOpen { probe: None } => false,
            State::Closed => true,
        };
        if is_taken || !self.holds {
            return self.told(now);
        }
        self.state = State::HalfOpen { probe: Some((holder, now)) };
        calls::Breaker::Probe
    }

    /// What was tried is over. True: all are to be told.
    pub(super) fn probed(&mut self, holder: H, probed: Probed, now: Instant) -> bool {
        if !self.is_tried_by(holder) {
            return false;
        }
        match probed {
            Probed::Answered => self.close(now),
            Probed::Failed => self.open(Why::Probe, now),
            Probed::Nothing => self.state = State::HalfOpen { probe: None },
        }
        true
    }

    /// The process is gone. True: all are to be told.
    pub(super) fn lose(&mut self, holder: H) -> bool {
        self.told.remove(&holder);
        let was_tried = self.is_tried_by(holder);
        if was_tried {
            self.state = State::HalfOpen { probe: None };
        }
        was_tried
    }

    /// When [`Self::look`] should be called although nobody says anything.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let State::Closed = self.state else { return None };
        let doubtful = |(limit, run): (Option<usize>, &Run)| {
            let began = run.began.filter(|_| run.has_reached(limit))?;
            self.told.values().filter(|at| **at < began).max().map(|at| *at + self.patience())
        };
        self.runs().into_iter().filter_map(doubtful).min()
    }

    /// Time has passed. True: all are to be told.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        matches!(self.state, State::Closed) && self.decide(now)
    }

    /// What a worker has to know.
    pub(super) fn told(&self, now: Instant) -> calls::Breaker {
        let until = match self.state {
            State::Open { until } => until,
            State::HalfOpen { probe: Some((_, since)) } => since + PROBE_MAX,
            State::HalfOpen { probe: None } => now,
            State::Closed => return calls::Breaker::Closed,
        };
        if !self.holds {
            return calls::Breaker::Closed;
        }
        let why = self.why.map_or_else(String::new, Why::words);
        let left = until.saturating_duration_since(now).as_micros().div_ceil(1000);
        calls::Breaker::Open { for_ms: u32::try_from(left).unwrap_or(u32::MAX), why }
    }

    /// A call of this route was refused.
    pub(super) fn refused(&mut self, route: &str) {
        if self.refused.contains_key(route) || self.refused.len() < ROUTES_MAX {
            *self.refused.entry(route.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn shown(&self) -> Shown {
        let mut routes: Vec<_> = self.refused.iter().collect();
        routes.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        Shown {
            enforced: self.holds,
            state: match self.state {
                State::Closed => Position::Closed,
                State::Open { .. } => Position::Open,
                State::HalfOpen { .. } => Position::HalfOpen,
            },
            opened: self.counts.opened,
            why: self.why.map(Why::words),
            open_since: self.open_since,
            routes: routes.into_iter().map(|(route, _)| route.clone()).collect(),
            would_refuse: self.counts.would_refuse,
            would_fail: self.counts.would_fail,
        }
    }

    fn is_tried_by(&self, holder: H) -> bool {
        matches!(self.state, State::HalfOpen { probe: Some((by, _)) } if by == holder)
    }

    fn count(&mut self, said: &Outcomes, now: Instant) {
        let answered = now.checked_sub(Duration::from_millis(said.ok_ago_ms.into())).unwrap_or(now);
        self.failures.hear(said.failed == said.calls, said.run, answered, now);
        self.gateway_failures.hear(said.gateway == said.calls, said.gateway_run, now, now);
        let interval = self.rules.failure_interval;
        while self.window.front().is_some_and(|part| part.began + interval <= now) {
            self.window.pop_front();
        }
        let (calls, failed) = (said.calls.into(), said.failed.min(said.calls).into());
        match self.window.back_mut() {
            Some(part) if now < part.began + interval / PARTS => {
                part.calls += calls;
                part.failed += failed;
            }
            _ => self.window.push_back(Part { began: now, calls, failed }),
        }
    }

    fn decide(&mut self, now: Instant) -> bool {
        if let Some(why) = self.trips(now) {
            self.open(why, now);
            return self.holds;
        }
        if now >= self.well_since + self.rules.failure_interval {
            self.ejections = self.ejections.saturating_sub(1);
            self.well_since = now;
        }
        false
    }

    fn trips(&self, now: Instant) -> Option<Why> {
        let [(limit, failures), (gateway_limit, gateway)] = self.runs();
        if failures.has_reached(limit) && self.is_known(failures, now) {
            return Some(Why::InARow(failures.count));
        }
        if gateway.has_reached(gateway_limit) && self.is_known(gateway, now) {
            return Some(Why::GatewayInARow(gateway.count));
        }
        let percent = self.rules.failure_percentage_threshold? as u64;
        let calls: u64 = self.window.iter().map(|part| part.calls).sum();
        let failed: u64 = self.window.iter().map(|part| part.failed).sum();
        let is_enough = calls >= self.rules.failure_percentage_request_volume as u64;
        let within = self.rules.failure_interval;
        (is_enough && failed * 100 >= calls * percent).then_some(Why::Share { failed, calls, within })
    }

    fn runs(&self) -> [(Option<usize>, &Run); 2] {
        let BreakerRules { consecutive_5xx, consecutive_gateway_failure, .. } = self.rules;
        [(consecutive_5xx, &self.failures), (consecutive_gateway_failure, &self.gateway_failures)]
    }

    /// Whoever makes calls has told since the first of them.
    fn is_known(&self, run: &Run, now: Instant) -> bool {
        let has_told =
            |at: &Instant| run.began.is_none_or(|began| *at >= began) || *at + self.patience() <= now;
        self.told.values().all(has_told)
    }

    fn patience(&self) -> Duration {
        if self.holds { TOLD_WITHIN } else { OBSERVED_WITHIN }
    }

    fn open(&mut self, why: Why, now: Instant) {
        let BreakerRules { base_ejection_time, max_ejection_time, .. } = self.rules;
        self.ejections = self.ejections.saturating_add(1);
        let length = base_ejection_time.saturating_mul(self.ejections).min(max_ejection_time);
        if self.open_since.is_none() {
            self.open_since = Some(now);
            self.refused.clear();
        }
        self.state = State::Open { until: now + length };
        self.why = Some(why);
        self.counts.opened += 1;
    }

    fn close(&mut self, now: Instant) {
        self.state = State::Closed;
        self.open_since = None;
        self.well_since = now;
        self.failures = Run::default();
        self.gateway_failures = Run::default();
        self.window.clear();
    }
}

impl Run {
    /// `all`: all failed, `last` the failed ones at the end. `answered`: when the last call ended that did not fail.
    fn hear(&mut self, all: bool, last: u32, answered: Instant, now: Instant) {
        let goes_on = all || self.began.is_some_and(|began| answered < began);
        self.count = if goes_on { self.count.saturating_add(last) } else { last };
        if self.count == 0 {
            self.began = None;
        } else if !goes_on || self.began.is_none() {
            self.began = Some(now);
        }
    }

    fn has_reached(&self, limit: Option<usize>) -> bool {
        limit.is_some_and(|limit| self.count as usize >= limit)
    }
}

impl Why {
    fn words(self) -> String {
        match self {
            Self::InARow(count) => format!("{count} calls in a row failed"),
            Self::GatewayInARow(count) => {
                format!("{count} calls in a row were answered 502, 503 or 504, or not at all")
            }
            Self::Share { failed, calls, within } => {
                format!("{failed} of {calls} calls failed within {} s", within.as_secs())
            }
            Self::Probe => "the call that tried it failed".to_owned(),
        }
    }
}
