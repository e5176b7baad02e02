//! An incident in the user's words.

use std::fmt::Write as _;

use super::book::Group;
use super::calls::Call;
use super::stack::ANONYMOUS;
use super::{End, Hit, Incident, Kind};
use crate::concerns::words::{duration, size};

const GC: &str = "the heap is nearly full or much is allocated at once: `plimsoll profile` shows by whom";
const THROTTLED: &str = "raise the CPU limit of the container, or run fewer workers in it";
const STARVED: &str = "more wants to run than there are CPUs for, or the host takes them away (`st` of top): run fewer workers, or give \
                       the machine to them alone";
const STOPPED: &str = "somebody sent SIGSTOP, attached a debugger, or froze the container";
const PURE: &str =
    "give the loop a turn between parts of the work (setImmediate), or do it in a worker thread";

/// What would help.
pub(super) fn hint(kind: Kind, call: Option<&Call>) -> Option<&'static str> {
    match kind {
        Kind::JavaScript => Some(PURE),
        Kind::NativeCall => call.map(|call| call.hint),
        Kind::GarbageCollection => Some(GC),
        Kind::CpuThrottling => Some(THROTTLED),
        Kind::CpuStarvation => Some(STARVED),
        Kind::Stopped => Some(STOPPED),
        Kind::Unknown => None,
    }
}

/// `POST /reports/:id blocked worker 2 for 412 ms in formatRows (src/report.js:88); 37 requests waited, 35 were rescued`
pub(super) fn sentence(incident: &Incident) -> String {
    let mut text = opening(incident);
    match incident.kind {
        Kind::JavaScript | Kind::NativeCall => text.push_str(&inside(incident)),
        Kind::GarbageCollection => {
            let _ = write!(text, ", {} of it collecting garbage", duration(incident.gc_ms));
            text.push_str(&while_in(incident));
        }
        Kind::CpuThrottling => text.push_str(": the container had used up its CPU quota"),
        Kind::CpuStarvation => {
            let _ = write!(text, ", {} of it waiting for a CPU", duration(incident.delayed_ms));
        }
        Kind::Stopped => text.push_str(": its process was stopped"),
        Kind::Unknown => text.push_str("; what it did is not known"),
    }
    if let Some(body) = incident.body {
        let _ = write!(text, ", with {} of {} in the request", size(body.bytes), body.content_type.as_str());
    }
    text.push_str(&cost(incident));
    text.push_str(&hit(incident));
    text
}

/// `; in flight: GET /list (7), GET /x (2)`
fn hit(incident: &Incident) -> String {
    let named = incident.hit.iter().map(|Hit { route, requests }| format!("{route} ({requests})"));
    let named: Vec<String> = named.collect();
    if named.is_empty() { String::new() } else { format!("; in flight: {}", named.join(", ")) }
}

fn opening(incident: &Incident) -> String {
    let (worker, time) = (incident.worker, duration(incident.duration_ms));
    let for_time = match incident.end {
        End::Lasts => format!("for {time} so far"),
        End::Turned => format!("for {time}"),
        End::Died => format!("for {time} until its process ended"),
    };
    let is_of_route = matches!(incident.kind, Kind::JavaScript | Kind::NativeCall | Kind::Unknown);
    match &incident.route {
        Some(route) if is_of_route => {
            format!("{}{route} blocked worker {worker} {for_time}", probably(incident.route_is_guess))
        }
        _ => format!("worker {worker} stood still {for_time}"),
    }
}

fn probably(is_guess: bool) -> &'static str {
    if is_guess { "probably " } else { "" }
}

fn inside(incident: &Incident) -> String {
    let place = place(incident);
    match (&incident.call, place) {
        (Some(call), Some(place)) if incident.is_guess => format!(" in {place}, probably in {call}"),
        (Some(call), Some(place)) => format!(" in {call}, called from {place}"),
        (Some(call), None) => format!(" in {call}"),
        (None, Some(place)) => format!(" in {place}"),
        (None, None) => String::new(),
    }
}

fn while_in(incident: &Incident) -> String {
    place(incident).map_or_else(String::new, |place| format!(", in {place}"))
}

/// `formatRows (src/report.js:88)`, with the package that it called.
fn place(incident: &Incident) -> Option<String> {
    let (function, file) = (incident.function.as_ref()?, incident.file.as_ref()?);
    let at = if incident.line == 0 { file.clone() } else { format!("{file}:{}", incident.line) };
    let place = format!("{function} ({at})");
    Some(match &incident.package {
        Some(package) if !file.starts_with(package.as_str()) => format!("the package {package} for {place}"),
        _ => place,
    })
}

fn cost(incident: &Incident) -> String {
    match (incident.waited, incident.rescued) {
        (0, _) => String::new(),
        (1, 0) => "; 1 request waited".to_owned(),
        (1, _) => "; 1 request waited and was rescued".to_owned(),
        (waited, 0) => format!("; {waited} requests waited"),
        (waited, 1) => format!("; {waited} requests waited, 1 was rescued"),
        (waited, rescued) => format!("; {waited} requests waited, {rescued} were rescued"),
    }
}

/// One line for all that came after the first.
#[must_use]
pub fn repeated(group: &Group, count: u64, total_ms: u64, seconds: u64) -> String {
    let times = if count == 1 { "once more".to_owned() } else { format!("{count} more times") };
    let what = match &group.route {
        Some(route) => format!("{}{route} blocked its workers {times}", probably(group.route_is_guess)),
        None => format!("workers stood still {times}"),
    };
    let place = group.place.as_ref().map_or_else(String::new, |place| format!(" in {place}"));
    let (total, worst) = (duration(u32::try_from(total_ms).unwrap_or(u32::MAX)), duration(group.worst_ms));
    format!("{what}{place} within {seconds} s: {total} together, {worst} at worst")
}

/// The name of a group: `JSON.parse in load (src/a.js)`.
pub(super) fn group_place(incident: &Incident) -> Option<String> {
    let place = match (incident.function.as_deref(), incident.file.as_deref()) {
        (Some(ANONYMOUS), Some(file)) => Some(format!("{ANONYMOUS} ({file}:{})", incident.line)),
        (Some(function), Some(file)) => Some(format!("{function} ({file})")),
        _ => None,
    };
    match (incident.kind, &incident.call) {
        (Kind::GarbageCollection, _) => Some("the garbage collector".to_owned()),
        (Kind::CpuThrottling, _) => Some("CPU throttling".to_owned()),
        (Kind::CpuStarvation, _) => Some("CPU starvation".to_owned()),
        (Kind::Stopped, _) => Some("a stopped process".to_owned()),
        (_, Some(call)) => Some(place.map_or_else(|| call.clone(), |place| format!("{call}, {place}"))),
        _ => place,
    }
}
