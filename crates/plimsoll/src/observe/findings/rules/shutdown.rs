//! Requests and work that are lost when workers end.

use super::super::damage::Damage;
use super::super::words::{counted, ms};
use super::super::{Draft, Facts, as_f64};
use crate::observe::status::Worker;

const CONCERN: &str = "shutdown";
/// Load balancers keep their connections for a minute.
const BALANCER_MS: u64 = 60_000;

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    [ignored(facts), deaths(facts), keep_alive(facts)].into_iter().flatten().collect()
}

/// All since the start: there may be days between two deploys.
fn ignored(facts: &Facts<'_>) -> Option<Draft> {
    let (stops, grace) = (&facts.now.stops, ms(facts.now.setup.worker_grace_ms));
    (stops.killed > 0).then(|| Draft {
        code: "sigterm_ignored",
        concern: CONCERN,
        damage: Damage::danger(),
        what: format!("the app does not end after SIGTERM: {} had to be killed", counted(stops.killed, "worker")),
        seen: vec![format!("{} of {} that were asked to end since the start still ran {grace} later", stops.killed, stops.asked)],
        figures: vec![("killed", as_f64(stops.killed)), ("asked", as_f64(stops.asked))],
        fix: "in process.on('SIGTERM'): close what is open (database, queues, timers), then process.exit(0); without a \
              handler Node ends by itself. Where it needs longer: shutdown.worker_grace"
            .to_owned(),
        acts: Some(format!("its requests are finished before it is asked, so clients lose none; it is killed after {grace}")),
        ..Draft::default()
    })
}

/// Deaths that nobody asked for, within the time.
fn deaths(facts: &Facts<'_>) -> Option<Draft> {
    let seconds = facts.meanwhile.uptime_s;
    let dead: Vec<_> = facts.now.workers.iter().filter_map(|worker| died(worker, seconds)).collect();
    let (last, _) = dead.iter().min_by_key(|(_, death)| death.age_s)?;
    let running: u64 = dead.iter().map(|(_, death)| u64::from(death.running)).sum();
    let not_begun: u64 = dead.iter().map(|(_, death)| u64::from(death.not_begun)).sum();
    let reason = last.last_death.as_ref().map_or("", |death| death.reason.as_str());
    let failed = facts.meanwhile.failures.iter().find(|failure| failure.code == "worker_died");
    let failed = failed.map_or(0, |failure| failure.count).max(running);
    Some(Draft {
        code: "worker_dies",
        concern: CONCERN,
        damage: Damage { failed, is_danger: true, ..Damage::default() },
        what: format!("workers die: the last of worker {} {reason}", last.id),
        seen: vec![format!(
            "{} that had begun got 502 or were cut; {not_begun} that had not begun went to another worker",
            counted(running, "request")
        )],
        figures: vec![("worker_died", as_f64(failed)), ("not_begun", as_f64(not_begun))],
        fix: "the app's own log says why, just before; an uncaught error belongs into a handler, not into a restart".to_owned(),
        acts: Some("the worker is replaced; what it had not begun is served by another".to_owned()),
        ..Draft::default()
    })
}

fn died(worker: &Worker, seconds: u64) -> Option<(&Worker, &crate::observe::status::Death)> {
    worker.last_death.as_ref().filter(|death| death.age_s <= seconds).map(|death| (worker, death))
}

fn keep_alive(facts: &Facts<'_>) -> Option<Draft> {
    let idle = facts.now.setup.idle_timeout_ms;
    (idle > 0 && idle <= BALANCER_MS).then(|| Draft {
        code: "keep_alive_short",
        concern: CONCERN,
        damage: Damage::danger(),
        what: format!("idle connections are closed after {}, and a load balancer in front keeps them for longer", ms(idle)),
        seen: vec!["AWS ALB and nginx keep them for 60 s: they write into connections that are just being closed, and answer 502".to_owned()],
        figures: vec![("idle_timeout_ms", as_f64(idle))],
        fix: "gateway.idle_timeout = \"75s\", or more than the balancer's own".to_owned(),
        ..Draft::default()
    })
}
