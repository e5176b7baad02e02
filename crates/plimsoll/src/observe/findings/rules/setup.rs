//! What the app runs on: CPUs, Node.

use super::super::damage::Damage;
use super::super::words::{counted, ms};
use super::super::{Draft, Facts, as_f64, number};
use super::event_loop;
use crate::concerns::event_loop::incident::Kind;
use crate::observe::status::WorkerState;

const CONCERN: &str = "setup";

/// `others`: what is found already.
pub(super) fn find(facts: &Facts<'_>, others: &[Draft]) -> Vec<Draft> {
    [throttled(facts), starved(facts), few_workers(facts, others), node(facts)]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn notes(facts: &Facts<'_>) -> Vec<String> {
    let ready = facts.now.workers.iter().filter(|worker| worker.state == WorkerState::Ready);
    let blind = ready.filter(|worker| worker.node.is_none()).count();
    let note = "workers without the agent: their loops, calls, pools and memory are not seen";
    (blind > 0).then(|| format!("{blind} {note}")).into_iter().collect()
}

fn throttled(facts: &Facts<'_>) -> Option<Draft> {
    Some(Draft {
        code: "cpu_throttled",
        what: "the container uses up its CPU quota, and all of it stands still until the next period"
            .to_owned(),
        fix: format!("raise the CPU limit, or run fewer workers than {}", facts.now.workers.len()),
        ..without_cpu(facts, Kind::CpuThrottling)?
    })
}

fn starved(facts: &Facts<'_>) -> Option<Draft> {
    let fix = "more wants to run than there are CPUs for, or the host takes them away (`st` of top): fewer workers than \
               {}, or a machine that they have for themselves";
    Some(Draft {
        code: "cpu_starved",
        what: "event loops stand still because they wait for a CPU: no code is to blame".to_owned(),
        fix: fix.replace("{}", &facts.now.workers.len().to_string()),
        ..without_cpu(facts, Kind::CpuStarvation)?
    })
}

/// What both say of stalls in which no code of the app ran.
fn without_cpu(facts: &Facts<'_>, kind: Kind) -> Option<Draft> {
    let groups = &facts.meanwhile.incidents.groups;
    let group = groups.iter().find(|group| group.kind == kind && group.count > 0)?;
    Some(Draft {
        concern: CONCERN,
        damage: Damage::clients(group.cost_ms),
        seen: vec![event_loop::seen(group)],
        figures: event_loop::figures(group),
        acts: event_loop::acts(facts, None),
        ..Draft::default()
    })
}

/// Requests wait for a worker while CPUs stand idle. What a stall is to blame for is said there.
fn few_workers(facts: &Facts<'_>, others: &[Draft]) -> Option<Draft> {
    let (workers, cpus) = (facts.workers(), facts.now.setup.cpus);
    let requests = &facts.meanwhile.requests;
    let explained: u64 =
        others.iter().filter(|draft| draft.code == "stall").map(|draft| draft.damage.waited_ms).sum();
    let waited_ms = requests.queued_ms.saturating_sub(explained);
    (workers < usize::try_from(cpus).unwrap_or(usize::MAX) && waited_ms > 0).then(|| Draft {
        code: "few_workers",
        concern: CONCERN,
        damage: Damage::clients(waited_ms),
        what: format!(
            "requests wait for a worker, and {} do the work of {cpus} CPUs",
            counted(number(workers), "worker")
        ),
        seen: vec![format!(
            "{} waited {} together",
            counted(requests.queued, "request"),
            ms(requests.queued_ms)
        )],
        figures: vec![("queued", as_f64(requests.queued)), ("queued_ms", as_f64(requests.queued_ms))],
        fix: "--workers auto, where the app keeps nothing in memory that another worker would miss"
            .to_owned(),
        acts: Some("they wait here, where the first worker that is free takes them".to_owned()),
        ..Draft::default()
    })
}

/// The day on which a line of Node is no longer mended, in seconds since 1970: <https://github.com/nodejs/release>.
const ENDS: [(u32, &str, u64); 6] = [
    (18, "2025-04-30", 1_745_971_200),
    (20, "2026-04-30", 1_777_507_200),
    (22, "2027-04-30", 1_809_043_200),
    (24, "2028-04-30", 1_840_665_600),
    (25, "2026-06-01", 1_780_272_000),
    (26, "2029-04-30", 1_872_201_600),
];
/// From here on `AsyncLocalStorage` needs no hook on every promise.
const CHEAP_CONTEXT: u32 = 24;

fn node(facts: &Facts<'_>) -> Option<Draft> {
    let version = facts.now.workers.iter().find_map(|worker| worker.node.as_deref())?;
    let major: u32 = version.trim_start_matches('v').split('.').next()?.parse().ok()?;
    let (_, day, _) = ENDS.iter().find(|(line, _, end)| *line == major && facts.date >= *end)?;
    let tax =
        if major < CHEAP_CONTEXT { ", where AsyncLocalStorage needs no hook on every promise" } else { "" };
    Some(Draft {
        code: "node_old",
        concern: CONCERN,
        damage: Damage::danger(),
        what: format!("Node.js {version} gets no security fixes any more"),
        seen: vec![format!("its line ended on {day}")],
        figures: vec![("node_major", f64::from(major))],
        fix: format!("go to Node.js 24{tax}"),
        ..Draft::default()
    })
}
