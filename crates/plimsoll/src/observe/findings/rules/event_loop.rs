//! Whose code keeps the event loops, and whom that cost.

use super::super::damage::Damage;
use super::super::words::{counted, milliseconds, ms, per_second};
use super::super::{Draft, Facts, as_f64};
use crate::concerns::event_loop::incident::book::Group;
use crate::concerns::event_loop::incident::{Kind, calls};
use crate::observe::status::HeavyRoute;

const CONCERN: &str = "event_loop";
const PROFILE: &str =
    "`plimsoll profile` shows whose code it is; move it to a worker thread, or do less of it at a time";

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    let groups = facts.meanwhile.incidents.groups.iter().filter(|group| group.count > 0);
    let stalls = groups.filter(|group| is_code(group)).map(|group| stall(facts, group));
    let heavy = facts.meanwhile.heavy_routes.iter().filter_map(|route| heavy(facts, route));
    stalls.chain(heavy).chain(overload(facts)).collect()
}

/// Not what belongs to another promise.
fn is_code(group: &Group) -> bool {
    let is_code = matches!(group.kind, Kind::JavaScript | Kind::NativeCall | Kind::Unknown | Kind::Stopped);
    is_code && !group.call.as_deref().is_some_and(calls::is_logging)
}

pub(super) fn figures(group: &Group) -> Vec<(&'static str, f64)> {
    [
        ("count", group.count),
        ("total_ms", group.total_ms),
        ("worst_ms", group.worst_ms.into()),
        ("cost_ms", group.cost_ms),
        ("waited", group.waited),
        ("rescued", group.rescued),
    ]
    .map(|(name, value)| (name, as_f64(value)))
    .to_vec()
}

/// `12 stalls, 4.2 s together and 480 ms at worst; 340 requests waited, 300 were taken to another worker`
pub(super) fn seen(group: &Group) -> String {
    let Group { count, total_ms, worst_ms, waited, rescued, .. } = group;
    let stalls = counted(*count, "stall");
    let mut text = match count {
        1 => format!("{stalls} of {}", ms(*total_ms)),
        _ => format!("{stalls}, {} together and {} at worst", ms(*total_ms), ms((*worst_ms).into())),
    };
    if *waited > 0 {
        text += &format!("; {} waited meanwhile", counted(*waited, "request"));
    }
    if *rescued > 0 {
        text += &format!(", of which {rescued} were taken to another worker");
    }
    text
}

fn stall(facts: &Facts<'_>, group: &Group) -> Draft {
    let place = group.place.as_deref().map_or_else(String::new, |place| format!(" in {place}"));
    let what = match (&group.route, group.kind) {
        (_, Kind::Stopped) => "a worker's process was stopped".to_owned(),
        (Some(route), _) if group.route_is_guess => {
            format!("{route} (probably) blocks the event loop{place}")
        }
        (Some(route), _) => format!("{route} blocks the event loop{place}"),
        (None, Kind::Unknown) => "the event loop stands still, and what it does is not known".to_owned(),
        (None, _) => format!("the event loop is blocked{place}"),
    };
    let fix = match (&group.hint, group.kind) {
        (Some(hint), _) => hint.clone(),
        (None, _) => PROFILE.to_owned(),
    };
    Draft {
        code: "stall",
        concern: CONCERN,
        damage: Damage::clients(group.cost_ms),
        about: group.route.clone().unwrap_or_default(),
        part: part(group),
        what,
        seen: vec![seen(group)],
        figures: figures(group),
        at: group.at.clone(),
        fix,
        acts: acts(facts, group.route.as_deref()),
    }
}

/// Which group of the same route.
pub(super) fn part(group: &Group) -> String {
    format!("{:?} {}", group.kind, group.place.as_deref().unwrap_or_default())
}

pub(super) fn acts(facts: &Facts<'_>, route: Option<&str>) -> Option<String> {
    if facts.workers() < 2 {
        return Some(
            "nothing: no other worker could take the requests that wait (--workers 2 or more)".to_owned(),
        );
    }
    let in_lane =
        facts.now.heavy_routes.iter().any(|heavy| Some(heavy.route.as_str()) == route && !heavy.is_lifted);
    let lane = if in_lane { "; only the workers of the heavy lane serve this route" } else { "" };
    Some(format!("requests that wait are taken to another worker{lane}"))
}

/// A route that keeps the loop for long, though each time too short to be a stall.
fn heavy(facts: &Facts<'_>, route: &HeavyRoute) -> Option<Draft> {
    let is_stall = |group: &Group| group.count > 0 && group.route.as_deref() == Some(&route.route);
    if facts.meanwhile.incidents.groups.iter().any(is_stall) {
        return None;
    }
    // Told with the log.
    if is_logging(route) {
        return None;
    }
    let requests = requests(facts, route)?;
    let mostly = route.place.as_ref().map_or_else(String::new, |place| format!(", mostly in {place}"));
    Some(Draft {
        code: "heavy_route",
        concern: CONCERN,
        damage: Damage::loop_time(route.cost_ms * as_f64(requests)),
        about: route.route.clone(),
        what: format!(
            "{} keeps the event loop for {} each time{mostly}",
            route.route,
            milliseconds(route.cost_ms)
        ),
        seen: vec![format!("{} ({})", counted(requests, "request"), per_second(requests, facts.seconds))],
        figures: heavy_figures(route, requests),
        at: route.at.clone(),
        fix: route.hint.clone().unwrap_or_else(|| PROFILE.to_owned()),
        acts: acts(facts, Some(&route.route)),
        ..Draft::default()
    })
}

pub(super) fn is_logging(route: &HeavyRoute) -> bool {
    route.call.as_deref().is_some_and(calls::is_logging)
}

/// Of the route, in the time that is judged.
pub(super) fn requests(facts: &Facts<'_>, route: &HeavyRoute) -> Option<u64> {
    Some(facts.meanwhile.routes.iter().find(|one| one.route == route.route)?.requests)
}

pub(super) fn heavy_figures(route: &HeavyRoute, requests: u64) -> Vec<(&'static str, f64)> {
    vec![("cost_ms", route.cost_ms), ("requests", as_f64(requests))]
}

/// Requests were refused because all workers were behind.
fn overload(facts: &Facts<'_>) -> Option<Draft> {
    let refused = facts.meanwhile.failures.iter().find(|failure| failure.code == "overloaded")?.count;
    (refused > 0).then(|| Draft {
        code: "overloaded",
        concern: CONCERN,
        damage: Damage { failed: refused, ..Damage::default() },
        about: "all workers".to_owned(),
        what: "every worker is behind, and requests are refused".to_owned(),
        seen: vec![format!("{} answered 503 overloaded", counted(refused, "request"))],
        figures: vec![("overloaded", as_f64(refused))],
        fix: "what blocks the loops is the cause where it is listed here; else more workers or CPUs, or, where \
              clients would rather wait, a longer `event_loop.shed_after`"
            .to_owned(),
        acts: Some("those that are taken wait for `event_loop.shed_after` at most".to_owned()),
        ..Draft::default()
    })
}
