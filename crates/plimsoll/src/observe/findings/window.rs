//! What is found over the last minutes and over the last seconds, put together.
//!
//! Minutes tell what an instance suffers from, and their figures can be relied on; but in them what has just begun is thin.
//! So the same rules judge the last seconds too. What the minutes tell stays in the minutes' figures and says what it costs
//! lately; what hurts only lately is told in those of the seconds. The greater of the two ranks it.

use super::damage::Damage;
use super::{Draft, Facts, Finding, rules, units, words};
use crate::observe::status::Status;

/// What the rules say of one time.
pub(super) struct Window {
    /// How long it is.
    pub(super) seconds: u64,
    facts_seconds: f64,
    /// Of all clients, in milliseconds of each second.
    pub(super) waiting: f64,
    drafts: Vec<Draft>,
}

/// From this on it is said that it costs more, or less, than it did.
const CHANGED_BY: f64 = 2.0;

impl Window {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        Self {
            seconds: facts.meanwhile.uptime_s,
            facts_seconds: facts.seconds,
            waiting: waiting(facts.meanwhile, facts.seconds),
            drafts: rules::all(facts),
        }
    }

    fn is_worth_saying(&self, draft: &Draft) -> bool {
        draft.damage.is_worth_saying(self.facts_seconds, self.waiting)
    }

    fn per_second(&self, damage: &Damage) -> f64 {
        damage.per_second(self.facts_seconds)
    }

    /// What one matter costs in this time.
    fn costs(&self, of: &Draft) -> f64 {
        let same = self.drafts.iter().filter(|draft| draft.is_same_as(of));
        same.map(|draft| self.per_second(&draft.damage)).fold(0.0, f64::max)
    }

    fn finish(&self, draft: Draft, lately: Option<(u64, f64)>) -> Finding {
        let per_second = self.per_second(&draft.damage);
        let share = draft.damage.share(self.facts_seconds, self.waiting);
        let cost = words::cost(&draft.damage, per_second, share);
        Finding {
            code: draft.code.to_owned(),
            concern: draft.concern.to_owned(),
            severity: draft.damage.severity(self.facts_seconds, self.waiting),
            seconds: self.seconds,
            damage_ms_per_s: per_second,
            lately_ms_per_s: lately.map(|(_, lately)| lately),
            share,
            what: draft.what,
            cost: cost
                .map(|cost| cost + &lately.map_or_else(String::new, |lately| changed(per_second, lately))),
            seen: draft.seen,
            figures: draft.figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            at: draft.at,
            fix: draft.fix,
            acts: draft.acts,
        }
    }
}

fn waiting(meanwhile: &Status, seconds: f64) -> f64 {
    super::as_f64(meanwhile.requests.took_ms) / seconds
}

/// `; in the last 12s 480 ms`
fn changed(per_second: f64, (seconds, lately): (u64, f64)) -> String {
    let time = units::age(seconds);
    if lately <= 0.0 {
        return format!("; in the last {time} not at all");
    }
    let has_changed = lately > per_second * CHANGED_BY || lately * CHANGED_BY < per_second;
    if has_changed { format!("; in the last {time} {}", words::milliseconds(lately)) } else { String::new() }
}

/// All that is worth saying, what hurts most first.
pub(super) fn join(mut minutes: Window, lately: Option<Window>) -> Vec<Finding> {
    let mut said = std::mem::take(&mut minutes.drafts);
    said.retain(|one| minutes.is_worth_saying(one));
    let mut new = Vec::new();
    if let Some(lately) = &lately {
        let is_new =
            |one: &&Draft| lately.is_worth_saying(one) && !said.iter().any(|said| said.is_same_as(one));
        new = lately.drafts.iter().filter(is_new).cloned().map(|draft| lately.finish(draft, None)).collect();
    }
    let of_minutes = said.into_iter().map(|draft| {
        let costs = lately.as_ref().map(|lately| (lately.seconds, lately.costs(&draft)));
        minutes.finish(draft, costs)
    });
    let mut findings: Vec<Finding> = of_minutes.chain(new).collect();
    // Stable: what hurts nobody yet stays in the order of the rules, which is that of what is usually worst.
    findings.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
    findings
}

fn rank(finding: &Finding) -> f64 {
    finding.damage_ms_per_s.max(finding.lately_ms_per_s.unwrap_or(0.0))
}
