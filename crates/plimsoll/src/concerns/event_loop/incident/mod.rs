//! Incidents: an event loop stood still; who did it, what it was, and whom it cost.
//!
//! ```text
//!   looks at the stack (watchdog) ─ stack ─► frames with places ─┐
//!   what stands there in the source ─ calls ─► a blocking call ──┼─ conclude ─► Incident ─ words ─► one sentence
//!   times: total, GC, CPU, throttled; who waited ────────────────┘                  │
//!                                                                                   └─ book ─► the last ones, and groups
//! ```
//!
//! All of it comes from a worker, which may say anything: every text and number is bounded where it is read.

pub mod book;
pub mod calls;
pub mod glimpses;
pub mod large;
pub mod source_map;
pub mod stack;
#[cfg(test)]
mod tests;
pub mod words;

use serde::{Deserialize, Serialize};

pub use self::book::Book;
use self::calls::Call;
use self::stack::Culprit;

/// What made the loop stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    JavaScript,
    /// One call into V8, Node or an addon.
    NativeCall,
    GarbageCollection,
    /// The container had used up its share of CPU.
    CpuThrottling,
    /// Others had the CPUs: processes of this machine, or the neighbours of a virtual one.
    CpuStarvation,
    /// The process was stopped by a signal or a debugger.
    Stopped,
    Unknown,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::JavaScript,
        Self::NativeCall,
        Self::GarbageCollection,
        Self::CpuThrottling,
        Self::CpuStarvation,
        Self::Stopped,
        Self::Unknown,
    ];

    /// As a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JavaScript => "java_script",
            Self::NativeCall => "native_call",
            Self::GarbageCollection => "garbage_collection",
            Self::CpuThrottling => "cpu_throttling",
            Self::CpuStarvation => "cpu_starvation",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Where not, who ran then has nothing to do with it.
    fn has_culprit(self) -> bool {
        !matches!(self, Self::CpuThrottling | Self::CpuStarvation)
    }
}

/// Why V8 makes a loop stand still for somebody who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordered {
    Profile,
    Snapshot,
}

/// One look at the stack, with what is known of the places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub culprit: Option<Culprit>,
    pub call: Option<Call>,
}

/// The body of the request that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    pub bytes: u64,
    pub content_type: ContentType,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    Json,
    Form,
    Multipart,
    Xml,
    Text,
    #[default]
    Other,
}

impl ContentType {
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        let ends = |end: &[u8]| {
            kind.len()
                .checked_sub(end.len())
                .and_then(|at| kind.get(at..))
                .is_some_and(|is| is.eq_ignore_ascii_case(end))
        };
        if is("application/json") || ends(b"+json") {
            Self::Json
        } else if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("multipart/form-data") {
            Self::Multipart
        } else if is("application/xml") || is("text/xml") || ends(b"+xml") {
            Self::Xml
        } else if kind.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/")) {
            Self::Text
        } else {
            Self::Other
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Form => "form data",
            Self::Multipart => "multipart data",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Other => "data",
        }
    }
}

/// All that was seen of one stall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    pub worker: u16,
    /// `POST /reports/:id`.
    pub route: Option<String>,
    /// Where the route is not known: that of the one request that was in flight, if it was one.
    pub alone: Option<String>,
    /// Where there were several: that of the request that was answered first, before the loop had turned.
    pub answered: Option<String>,
    pub looks: Vec<Look>,
    pub total_ms: u32,
    pub gc_ms: u32,
    /// `None`: not known yet.
    pub cpu_ms: Option<u32>,
    /// For how long it could have run, and had no CPU.
    pub delayed_ms: u32,
    pub throttled_ms: u32,
    pub was_stopped: bool,
    pub waited: u32,
    pub rescued: u32,
    /// Those that were in flight when it was over.
    pub hit: Vec<Hit>,
    pub body: Option<Body>,
    pub end: End,
}

/// Requests of one route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    pub route: String,
    pub requests: u32,
}

/// How a stall ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It has not.
    #[default]
    Lasts,
    Turned,
    /// The process ended over it.
    Died,
}

/// What is said of a stall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub worker: u16,
    pub route: Option<String>,
    /// Nobody saw whose request it was; one of this route was alone in flight, or the first to be answered when it was over.
    #[serde(default)]
    pub route_is_guess: bool,
    pub kind: Kind,
    /// `JSON.parse`; with `is_guess` it is read from the source near the place, not seen.
    pub call: Option<String>,
    #[serde(default)]
    pub is_guess: bool,
    pub function: Option<String>,
    /// As people look for it: relative to where the app was started, after its source map.
    pub file: Option<String>,
    pub line: u32,
    /// The package in which it happened, where a function of the app had called it.
    pub package: Option<String>,
    pub duration_ms: u32,
    pub gc_ms: u32,
    /// For how much of it the main thread could have run and had no CPU.
    #[serde(default)]
    pub delayed_ms: u32,
    /// Requests that the worker had been sent and did not begin meanwhile, and how many of them went elsewhere.
    pub waited: u32,
    pub rescued: u32,
    /// Of a pause of the garbage collector: the requests that were in flight, the most frequent routes first.
    #[serde(default)]
    pub hit: Vec<Hit>,
    pub body: Option<Body>,
    pub end: End,
    pub hint: Option<String>,
    /// All of it in one sentence.
    pub text: String,
}

/// Bodies below this are parsed within a blink.
const BODY_MIN: u64 = 64 * 1024;

#[must_use]
pub fn conclude(observed: &Observed) -> Incident {
    let look = most_frequent(&observed.looks);
    let kind = kind(observed, look);
    let call = look.and_then(|look| look.call.clone()).filter(|_| kind == Kind::NativeCall);
    let is_json =
        observed.body.is_some_and(|body| body.bytes >= BODY_MIN && body.content_type == ContentType::Json);
    let parse = call.as_ref().filter(|_| is_json).and_then(calls::parse_of_body);
    let call = parse.or(call);
    let call = call.as_ref();
    let culprit = look.and_then(|look| look.culprit.as_ref()).filter(|_| kind.has_culprit());
    let is_parse = call.is_some_and(|call| call.parses);
    let is_of_body = kind.has_culprit() && (is_parse || call.is_none());
    let body = observed.body.filter(|body| body.bytes >= BODY_MIN && is_of_body);
    // Who was alone comes first: who was answered had not begun then.
    let guess = observed.alone.as_ref().or(observed.answered.as_ref()).filter(|_| observed.route.is_none());
    let mut incident = Incident {
        worker: observed.worker,
        route: observed.route.as_ref().or(guess).cloned(),
        route_is_guess: guess.is_some(),
        kind,
        call: call.map(|call| call.name.clone()),
        is_guess: call.is_some_and(|call| call.is_guess),
        function: culprit.map(|culprit| culprit.function.clone()),
        file: culprit.map(|culprit| culprit.file.clone()),
        line: culprit.map_or(0, |culprit| culprit.line),
        package: culprit.and_then(|culprit| culprit.package.clone()),
        duration_ms: observed.total_ms,
        gc_ms: observed.gc_ms.min(observed.total_ms),
        delayed_ms: observed.delayed_ms.min(observed.total_ms),
        waited: observed.waited,
        rescued: observed.rescued.min(observed.waited),
        hit: hit(observed, kind),
        body,
        end: observed.end,
        hint: words::hint(kind, call).map(str::to_owned),
        text: String::new(),
    };
    incident.text = words::sentence(&incident);
    incident
}

/// Routes that are named.
const HIT_MAX: usize = 5;

/// Whoever collects garbage, all who are in flight wait for it.
fn hit(observed: &Observed, kind: Kind) -> Vec<Hit> {
    let mut hit = observed.hit.clone();
    hit.sort_by(|one, other| other.requests.cmp(&one.requests).then_with(|| one.route.cmp(&other.route)));
    hit.truncate(if kind == Kind::GarbageCollection { HIT_MAX } else { 0 });
    hit
}

fn kind(observed: &Observed, look: Option<&Look>) -> Kind {
    let is_half = |part: u32| u64::from(part) * 2 >= u64::from(observed.total_ms);
    // Code that would have been a stall by itself stays one.
    let is_most = |part: u32| part > 0 && u64::from(part) * 4 >= u64::from(observed.total_ms) * 3;
    let was_off_cpu = observed.cpu_ms.is_some_and(|cpu| !is_half(cpu));
    if observed.was_stopped {
        Kind::Stopped
    } else if was_off_cpu && is_half(observed.throttled_ms) {
        Kind::CpuThrottling
    } else if is_most(observed.delayed_ms) {
        Kind::CpuStarvation
    } else if is_half(observed.gc_ms) && observed.total_ms > 0 {
        Kind::GarbageCollection
    } else {
        match look {
            Some(Look { call: Some(_), .. }) => Kind::NativeCall,
            Some(Look { culprit: Some(_), .. }) => Kind::JavaScript,
            _ => Kind::Unknown,
        }
    }
}

/// Of several looks the one that was seen most often; the first of them where several were.
fn most_frequent(looks: &[Look]) -> Option<&Look> {
    let same = |one: &Look, other: &Look| {
        let key = |look: &Look| {
            look.culprit.as_ref().map(|culprit| (culprit.function.clone(), culprit.file.clone()))
        };
        key(one) == key(other) && one.call.is_some() == other.call.is_some()
    };
    let known = || looks.iter().filter(|look| look.culprit.is_some() || look.call.is_some());
    let count = |look: &Look| known().filter(|other| same(look, other)).count();
    // `max_by_key` gives the last of equals.
    known().rev().max_by_key(|look| count(look))
}
