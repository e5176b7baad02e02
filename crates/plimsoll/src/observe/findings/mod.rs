//! What is wrong with a running instance, by what it costs: the one judgement behind `plimsoll doctor`, `/findings`,
//! the dashboard and `top`.
//!
//! ```text
//! Status now ──┐
//!              ├── since ── what happened meanwhile ── rules ── drafts ── damage ranks them ── Findings
//! Status then ─┘
//! ```
//!
//! Pure: two statuses and the date in, a bounded list out. A rule looks at one promise and says what is wrong, by which
//! figures, where in the code, what would help, and what is done about it already. It does not say how bad that is:
//! that is computed in one place, in one unit (`damage`).

mod damage;
pub mod earlier;
mod rules;
mod since;
#[cfg(test)]
mod tests;
mod window;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::damage::{FAILED_MS, Severity};
use self::window::Window;
use super::status::{State, Status, WorkerState};
use super::units;

/// Where it is asked for, at the admin server and the control socket.
pub const PATH: &str = "/findings";

/// Nobody reads more than this; what is left out is counted.
const FINDINGS_MAX: usize = 20;
/// With less behind it "nothing found" would mean nothing.
const SECONDS_MIN: u64 = 10;
const REQUESTS_MIN: u64 = 50;

/// Every code that a finding may have, and the promise it belongs to; as docs/operate/doctor.md lists them.
pub const CODES: [(&str, &str); 24] = [
    ("stall", "event_loop"),
    ("heavy_route", "event_loop"),
    ("overloaded", "event_loop"),
    ("pool_too_small", "pools"),
    ("pool_held", "pools"),
    ("pool_leak", "pools"),
    ("pools_oversubscribe", "pools"),
    ("fan_out", "downstream"),
    ("downstream_fails", "downstream"),
    ("limit_queues", "downstream"),
    ("breaker_open", "downstream"),
    ("sigterm_ignored", "shutdown"),
    ("worker_dies", "shutdown"),
    ("keep_alive_short", "shutdown"),
    ("log_blocks", "logs"),
    ("log_flood", "logs"),
    ("log_sink_drops", "logs"),
    ("async_tax", "context"),
    ("gc_pressure", "memory"),
    ("heap_grows", "memory"),
    ("cpu_throttled", "setup"),
    ("cpu_starved", "setup"),
    ("few_workers", "setup"),
    ("node_old", "setup"),
];

/// The answer. Fields are added over time and never renamed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    pub name: String,
    /// What they rest on: so many seconds before now.
    pub seconds: u64,
    /// That is all since the start.
    pub since_start: bool,
    /// Requests in that time.
    pub requests: u64,
    /// For how long all clients together waited for their answers, in each second.
    pub waiting_ms_per_s: f64,
    /// Absent: there is enough behind it. Else why "nothing found" says little.
    #[serde(default)]
    pub too_little: Option<String>,
    /// What hurts most first.
    pub findings: Vec<Finding>,
    /// Further ones, which hurt less.
    #[serde(default)]
    pub left_out: usize,
    /// What could not be judged, and why.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind it is, for scripts: `stall`, `pool_too_small`.
    pub code: String,
    /// The promise it belongs to, or `setup`.
    pub concern: String,
    pub severity: Severity,
    /// What its figures rest on: less than that of all where it has begun only lately.
    #[serde(default)]
    pub seconds: u64,
    /// Milliseconds of waiting in each second; 0: nobody was hurt yet.
    pub damage_ms_per_s: f64,
    /// The same in the last seconds alone. Absent: those are all that there is.
    #[serde(default)]
    pub lately_ms_per_s: Option<f64>,
    /// Of all that clients waited; absent where it is not their waiting.
    #[serde(default)]
    pub share: Option<f64>,
    /// One sentence.
    pub what: String,
    /// Whose waiting it is, and how much.
    #[serde(default)]
    pub cost: Option<String>,
    /// What was seen, in words.
    pub seen: Vec<String>,
    /// The same for scripts, under the names that `/status` uses.
    pub figures: BTreeMap<String, f64>,
    /// Where in the code.
    #[serde(default)]
    pub at: Option<String>,
    /// What would help: a setting, or a change of the code.
    pub fix: String,
    /// What Plimsoll does about it already.
    #[serde(default)]
    pub acts: Option<String>,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
struct Facts<'a> {
    /// As it is now.
    now: &'a Status,
    /// The same, but what is counted is that of the time that is judged.
    meanwhile: &'a Status,
    seconds: f64,
    /// Seconds since 1970.
    date: u64,
}

/// What a rule says.
#[derive(Debug, Clone, Default, PartialEq)]
struct Draft {
    code: &'static str,
    concern: &'static str,
    damage: damage::Damage,
    /// Whose matter it is, within the concern and whatever its code; empty: there is only one of its code.
    about: String,
    /// Which of several of one code.
    part: String,
    what: String,
    seen: Vec<String>,
    figures: Vec<(&'static str, f64)>,
    at: Option<String>,
    fix: String,
    acts: Option<String>,
}

/// Earlier statuses to compare with; absent where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Then<'a> {
    /// Of minutes ago. Absent: it is all since the start.
    pub minutes: Option<&'a Status>,
    /// Of seconds ago.
    pub lately: Option<&'a Status>,
}

/// Judges what happened between then and now; `date` in seconds since 1970.
#[must_use]
pub fn judge(now: &Status, then: Then<'_>, date: u64) -> Findings {
    let meanwhile = then.minutes.map_or_else(|| now.clone(), |then| since::since(now, then));
    let facts = Facts::new(now, &meanwhile, date);
    let minutes = Window::of(&facts);
    let (seconds, waiting_ms_per_s) = (minutes.seconds, minutes.waiting);
    let lately = then.lately.map(|then| Window::of(&Facts::new(now, &since::since(now, then), date)));
    let mut findings = window::join(minutes, lately);
    let left_out = findings.len().saturating_sub(FINDINGS_MAX);
    findings.truncate(FINDINGS_MAX);
    Findings {
        name: now.name.clone(),
        seconds,
        since_start: then.minutes.is_none(),
        requests: meanwhile.requests.total,
        waiting_ms_per_s,
        too_little: too_little(&facts),
        findings,
        left_out,
        notes: rules::notes(&facts),
    }
}

fn too_little(facts: &Facts<'_>) -> Option<String> {
    let Status { uptime_s, requests, .. } = facts.meanwhile;
    if facts.now.state == State::Starting {
        return Some("no worker has listened yet".to_owned());
    }
    if *uptime_s < SECONDS_MIN {
        return Some(format!("it has run for {uptime_s} s; ask again after {SECONDS_MIN} s of traffic"));
    }
    (requests.total < REQUESTS_MIN).then(|| {
        let count = words::counted(requests.total, "request");
        format!("{count} in {uptime_s} s; ask again under traffic")
    })
}

impl Draft {
    /// Whether it is the same matter, maybe of another time: a queue for connections that are too few, or are held.
    fn is_same_as(&self, other: &Self) -> bool {
        let is_same_about = (self.concern, &self.about) == (other.concern, &other.about);
        is_same_about
            && if self.code == other.code { self.part == other.part } else { !self.about.is_empty() }
    }
}

impl<'a> Facts<'a> {
    fn new(now: &'a Status, meanwhile: &'a Status, date: u64) -> Self {
        Self { now, meanwhile, seconds: as_f64(meanwhile.uptime_s.max(1)), date }
    }

    /// Workers that serve.
    fn workers(&self) -> usize {
        self.now.workers_in(WorkerState::Ready).max(1)
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds, shown with a few digits")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
