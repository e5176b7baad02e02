//! Loops that wait for their log, and logs that nobody can read.

use super::super::damage::Damage;
use super::super::words::{counted, milliseconds, per_second, percent};
use super::super::{Draft, Facts, as_f64};
use super::event_loop;
use crate::concerns::event_loop::incident::book::Group;
use crate::concerns::event_loop::incident::calls;
use crate::observe::logs::WorkerFigures;
use crate::observe::status::HeavyRoute;

const CONCERN: &str = "logs";
/// Whether it blocks or is only too much.
const LOG: &str = "the log";
const FIX: &str =
    "log less, and not synchronously: pino with pino.destination({ sync: false }) in place of console.log";
const ACTS: &str = "the pipe is emptied at once and the log sampled above logs.rate, so that the app waits as little as can be";
/// So many lines per second are a flood whatever becomes of them.
const FLOOD_PER_S: f64 = 500.0;
/// Of a hundred lines: so many were left out.
const LEFT_OUT_PERCENT: u64 = 10;

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    let flood = Flood::of(facts);
    let groups = facts.meanwhile.incidents.groups.iter().filter(|group| group.count > 0);
    let mut drafts: Vec<Draft> = groups
        .filter(|group| group.call.as_deref().is_some_and(calls::is_logging))
        .map(|group| blocks(group, &flood))
        .collect();
    for route in facts.meanwhile.heavy_routes.iter().filter(|route| event_loop::is_logging(route)) {
        let Some(heavy) = heavy(facts, route, &flood) else { continue };
        // Some of its requests are stalls: what all of them cost is more.
        match drafts
            .iter_mut()
            .filter(|draft| draft.part == heavy.part)
            .max_by_key(|one| one.damage.waited_ms)
        {
            Some(stalls) if stalls.damage.waited_ms < heavy.damage.waited_ms => {
                stalls.damage = heavy.damage;
                stalls.seen.insert(1, heavy.what);
            }
            Some(_) => {}
            None => drafts.push(heavy),
        }
    }
    if flood.is_one() {
        match drafts.iter_mut().max_by_key(|draft| draft.damage.waited_ms) {
            // It stands there too, and must be told even where it blocks for moments only.
            Some(worst) => worst.damage.is_danger = true,
            None => drafts.push(flood.draft()),
        }
    }
    drafts.extend(sinks(facts));
    drafts
}

/// All lines of all workers.
struct Flood {
    lines: u64,
    left_out: u64,
    lost: u64,
    pipe_full: u64,
    requests: u64,
    rate: String,
    per_second: f64,
}

impl Flood {
    fn of(facts: &Facts<'_>) -> Self {
        let sum = |figure: fn(&WorkerFigures) -> u64| {
            facts.meanwhile.workers.iter().filter_map(|worker| worker.logs.as_ref()).map(figure).sum::<u64>()
        };
        let lines = sum(|logs| logs.lines);
        let kinds = &facts.meanwhile.logs;
        Self {
            lines,
            left_out: kinds.sampled + kinds.capped,
            lost: kinds.lost,
            pipe_full: sum(|logs| logs.pipe_full),
            requests: facts.meanwhile.requests.total,
            rate: per_second(lines, facts.seconds),
            per_second: as_f64(lines) / facts.seconds,
        }
    }

    fn is_one(&self) -> bool {
        let is_cut = (self.left_out + self.lost) * 100 >= self.lines * LEFT_OUT_PERCENT;
        self.per_second >= FLOOD_PER_S && is_cut
    }

    fn seen(&self) -> Vec<String> {
        let each = as_f64(self.lines) / as_f64(self.requests.max(1));
        let mut seen =
            vec![format!("{} ({}), {each:.1} for each request", counted(self.lines, "line"), self.rate)];
        if self.left_out > 0 {
            seen.push(format!(
                "{} of them were left out of the log",
                percent(as_f64(self.left_out), as_f64(self.lines))
            ));
        }
        if self.lost > 0 {
            seen.push(format!(
                "{} lost: they came faster than they could be read",
                counted(self.lost, "line")
            ));
        }
        if self.pipe_full > 0 {
            seen.push(format!("the workers' pipes were found full {} times", self.pipe_full));
        }
        seen
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        [
            ("lines", self.lines),
            ("left_out", self.left_out),
            ("lost", self.lost),
            ("pipe_full", self.pipe_full),
        ]
        .map(|(name, value)| (name, as_f64(value)))
        .to_vec()
    }

    fn draft(&self) -> Draft {
        Draft {
            code: "log_flood",
            concern: CONCERN,
            damage: Damage::danger(),
            about: LOG.to_owned(),
            what: format!("the app logs {} lines", self.rate),
            seen: self.seen(),
            figures: self.figures(),
            fix: "log one line for each request, and what is only for development at debug".to_owned(),
            acts: Some(
                "the log is sampled above logs.rate; errors and all lines of failed requests are kept"
                    .to_owned(),
            ),
            ..Draft::default()
        }
    }
}

fn blocks(group: &Group, flood: &Flood) -> Draft {
    let call = group.call.as_deref().unwrap_or("a logger");
    let who = group.route.as_deref().map_or_else(
        || "the app".to_owned(),
        |route| match group.route_is_guess {
            true => format!("{route} (probably)"),
            false => route.to_owned(),
        },
    );
    let mut seen = vec![event_loop::seen(group)];
    seen.extend(flood.seen());
    let mut figures = event_loop::figures(group);
    figures.extend(flood.figures());
    Draft {
        code: "log_blocks",
        concern: CONCERN,
        damage: Damage::clients(group.cost_ms),
        about: LOG.to_owned(),
        part: group.route.clone().unwrap_or_default(),
        what: format!("{who} blocks the event loop with its log, in {call}"),
        seen,
        figures,
        at: group.at.clone().or_else(|| group.place.clone()),
        fix: FIX.to_owned(),
        acts: Some(ACTS.to_owned()),
    }
}

/// A route that keeps the loop with its log, though not for so long that it is a stall.
fn heavy(facts: &Facts<'_>, route: &HeavyRoute, flood: &Flood) -> Option<Draft> {
    let requests = event_loop::requests(facts, route)?;
    let (cost, call) = (milliseconds(route.cost_ms), route.call.as_deref().unwrap_or("a logger"));
    let (count, rate) = (counted(requests, "request"), per_second(requests, facts.seconds));
    let mut seen = vec![format!("{count} ({rate})")];
    seen.extend(flood.seen());
    let mut figures = event_loop::heavy_figures(route, requests);
    figures.extend(flood.figures());
    Some(Draft {
        code: "log_blocks",
        concern: CONCERN,
        damage: Damage::loop_time(route.cost_ms * as_f64(requests)),
        about: LOG.to_owned(),
        part: route.route.clone(),
        what: format!("{} keeps the event loop for {cost} each time with its log, in {call}", route.route),
        seen,
        figures,
        at: route.at.clone().or_else(|| route.place.clone()),
        fix: FIX.to_owned(),
        acts: Some(ACTS.to_owned()),
    })
}

/// Lines that did not get to where they are shipped.
fn sinks(facts: &Facts<'_>) -> impl Iterator<Item = Draft> {
    facts.now.log_sinks.iter().filter(|sink| sink.dropped_lines > 0).map(|sink| Draft {
        code: "log_sink_drops",
        concern: CONCERN,
        damage: Damage::danger(),
        about: format!("sink {}", sink.name),
        what: format!("lines for the sink {} were dropped", sink.name),
        seen: vec![format!(
            "{} dropped and {} delivered since the start; {} failed",
            counted(sink.dropped_lines, "line"),
            counted(sink.lines, "line"),
            counted(sink.failures, "delivery")
        )],
        figures: vec![("dropped_lines", as_f64(sink.dropped_lines)), ("lines", as_f64(sink.lines))],
        fix: "it is down, or takes less than is written: look at it, or log less".to_owned(),
        acts: Some("the app is not held up by it".to_owned()),
        ..Draft::default()
    })
}
