//! `plimsoll incidents`: what has blocked the event loops, by route and function, who calls other services too often at
//! once, when requests waited for a connection of a pool, and which heaps grow.

mod calls;
mod leaks;
mod pools;

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::instance;
use super::output;
use crate::concerns::event_loop::incident::book::Group;
use crate::concerns::event_loop::incident::large::Large;
use crate::concerns::words::{duration, size};
use crate::observe::status::pools::{Pool, Queue};
use crate::observe::status::{Downstream, Incidents, Leak, Status};
use crate::observe::units;

/// Of each list; `--json` has all of it.
const GROUPS_SHOWN: usize = 10;
const RECENT_SHOWN: usize = 5;

pub(super) fn command() -> Command {
    Command::new("incidents")
        .about(
            "Shows what has blocked the event loops of a running instance, which routes call other services too often at \
             once, which pools of connections were too small, and whose heap grows and grows",
        )
        .arg(instance::name_argument())
        .arg(output::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    instance::show(arguments, Told::of, |told| {
        render(&told.incidents)
            + &calls::render(&told.downstreams)
            + &pools::render(&told.pools, &told.pool_queues)
            + &leaks::render(&told.leaks)
    })
}

/// What of the status is shown here.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    incidents: Incidents,
    /// Those with something to say.
    downstreams: Vec<Downstream>,
    pools: Vec<Pool>,
    pool_queues: Vec<Queue>,
    leaks: Vec<Leak>,
}

impl Told {
    fn of(status: Status) -> Self {
        let (mut downstreams, mut pools) = (status.downstreams, status.pools);
        downstreams.retain(|one| one.finding.is_some());
        pools.retain(|pool| !pool.findings.is_empty() || !pool.leaks.is_empty());
        Self {
            incidents: status.incidents,
            downstreams,
            pools,
            pool_queues: status.pool_queues,
            leaks: status.memory.leaks,
        }
    }
}

fn render(incidents: &Incidents) -> String {
    let mut text = headline(incidents);
    if !incidents.groups.is_empty() {
        text.push_str("\n  TOTAL   COUNT   WORST  WAITED  ROUTE\n");
    }
    incidents.groups.iter().take(GROUPS_SHOWN).for_each(|one| group(&mut text, one));
    if !incidents.recent.is_empty() {
        text.push_str("\nlast\n");
    }
    for one in incidents.recent.iter().take(RECENT_SHOWN) {
        let _ = writeln!(text, "  {} ago: {}", units::age(one.age_s), one.incident.text);
    }
    if !incidents.large_bodies.is_empty() {
        text.push_str("\nlarge bodies written in one go: write them as streams\n");
    }
    incidents.large_bodies.iter().take(GROUPS_SHOWN).for_each(|one| large(&mut text, one));
    if incidents.dropped > 0 {
        let _ =
            writeln!(text, "\n{} reports of workers came too fast and are missing here", incidents.dropped);
    }
    text
}

fn headline(incidents: &Incidents) -> String {
    let count: u64 = incidents.kinds.iter().map(|kind| kind.count).sum();
    let total_ms: u64 = incidents.kinds.iter().map(|kind| kind.total_ms).sum();
    let total = duration(u32::try_from(total_ms).unwrap_or(u32::MAX));
    match count {
        0 => "no event loop has stood still since the start\n".to_owned(),
        1 => format!("1 incident since the start: an event loop stood still for {total}\n"),
        _ => format!("{count} incidents since the start: event loops stood still for {total} together\n"),
    }
}

/// `  4.2 s      12  480 ms     340  POST /reports/:id` and what it was below.
fn group(text: &mut String, group: &Group) {
    let total = duration(u32::try_from(group.total_ms).unwrap_or(u32::MAX));
    let route = match &group.route {
        Some(route) if group.route_is_guess => format!("{route} (probably)"),
        Some(route) => route.clone(),
        None => "(no request is known)".to_owned(),
    };
    let place = group.place.as_deref().unwrap_or("what it did is not known");
    let (count, waited) = (group.count, group.waited);
    let worst = duration(group.worst_ms);
    let _ = writeln!(text, "{total:>7}  {count:>6}  {worst:>6}  {waited:>6}  {route}");
    let _ = writeln!(text, "{:>31}  {place}", "in");
    if let Some(hint) = &group.hint {
        let _ = writeln!(text, "{:>31}  {hint}", "hint");
    }
}

fn large(text: &mut String, large: &Large) {
    let route = large.route.as_deref().unwrap_or("(the route is not known)");
    let busy = match large.busy_ms_max {
        0 => String::new(),
        ms => format!(", and kept the loop busy for up to {}", duration(ms)),
    };
    let _ = writeln!(
        text,
        "  {route}: up to {} at once, seen {} times{busy}",
        size(large.bytes_max),
        large.count
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concerns::event_loop::incident::Kind;
    use crate::observe::status::Stalls;

    #[test]
    fn what_cost_most_stands_first_with_what_would_help() {
        let group = Group {
            route: Some("POST /reports/:id".into()),
            route_is_guess: false,
            place: Some("formatRows (src/report.js)".into()),
            kind: Kind::JavaScript,
            count: 12,
            total_ms: 4200,
            worst_ms: 480,
            waited: 340,
            rescued: 300,
            cost_ms: 13_800,
            call: None,
            at: Some("src/report.js:88".into()),
            example: String::new(),
            hint: Some("give the loop a turn".into()),
        };
        let incidents = Incidents {
            groups: vec![group],
            kinds: vec![Stalls { kind: Kind::JavaScript, count: 12, total_ms: 4200 }],
            large_bodies: vec![Large {
                route: Some("GET /export".into()),
                count: 3,
                bytes_max: 3 << 20,
                busy_ms_max: 40,
            }],
            ..Incidents::default()
        };
        let expected = "\
12 incidents since the start: event loops stood still for 4.2 s together

  TOTAL   COUNT   WORST  WAITED  ROUTE
  4.2 s      12  480 ms     340  POST /reports/:id
                             in  formatRows (src/report.js)
                           hint  give the loop a turn

large bodies written in one go: write them as streams
  GET /export: up to 3.0 MB at once, seen 3 times, and kept the loop busy for up to 40 ms
";
        assert_eq!(render(&incidents), expected);
        assert_eq!(serde_json::from_str::<Incidents>(&output::json_line(&incidents)).unwrap(), incidents);
        assert_eq!(render(&Incidents::default()), "no event loop has stood still since the start\n");
    }
}
