//! What the overview says of the rest, a line each.

use super::cells::{Tone, milliseconds, short};
use super::lists::as_f64;
use super::model::Model;
use crate::concerns::words;
use crate::observe::findings::{Findings, Severity};
use crate::observe::status::{Downstream, Status, WorkerMemory};
use crate::observe::units;

/// Pools that have a line.
const POOLS_SHOWN: usize = 2;

type Line = (String, Tone);

pub(super) fn lines(model: &Model) -> Vec<Line> {
    let status = model.status();
    let findings = model.findings().map(findings);
    let rest = [Some(logs(model)), memory(status), Some(incidents(status))];
    findings
        .into_iter()
        .chain(downstreams(model))
        .chain(pools(status))
        .chain(rest.into_iter().flatten())
        .collect()
}

fn findings(found: &Findings) -> Line {
    let count = found.findings.len() + found.left_out;
    let text = match (found.findings.first(), &found.too_little) {
        (Some(worst), _) => {
            let tone = if worst.severity == Severity::Critical { Tone::Bad } else { Tone::Warn };
            return (format!("findings     {count}; {}: {}", worst.severity.as_str(), worst.what), tone);
        }
        (None, Some(why)) => format!("findings     too little to judge: {why}"),
        (None, None) => format!("findings     none in {}", units::age(found.seconds)),
    };
    (text, Tone::Plain)
}

fn downstreams(model: &Model) -> Option<Line> {
    let all = &model.status().downstreams;
    if all.is_empty() {
        return None;
    }
    let sum = |of: fn(&Downstream) -> u64| all.iter().map(of).sum::<u64>();
    let calls = model.rate(|status| Some(status.downstreams.iter().map(|one| one.calls).sum()));
    let text = format!(
        "downstreams  {} calls/s, {} in flight, {} queued and {} failed since the start",
        short(calls.unwrap_or(0.0)),
        sum(|one| one.in_flight),
        sum(|one| one.queued),
        sum(|one| one.errors)
    );
    Some((text, Tone::Plain))
}

fn pools(status: &Status) -> impl Iterator<Item = Line> {
    status.pools.iter().take(POOLS_SHOWN).map(|pool| {
        let max = if pool.max == 0 { String::new() } else { format!(" of {}", pool.max) };
        let text = format!(
            "pool         {}: {}{max} in use, {} wait, wait p99 {}",
            pool.name,
            pool.in_use,
            pool.waiting,
            milliseconds(pool.wait_p99_ms)
        );
        (text, if pool.waiting > 0 { Tone::Bad } else { Tone::Plain })
    })
}

fn logs(model: &Model) -> Line {
    let status = model.status();
    let lines =
        |status: &Status| status.workers.iter().filter_map(|one| one.logs).map(|logs| logs.lines).sum();
    let rate = model.rate(|status| Some(lines(status)));
    let lost = status.logs.lost + status.log_sinks.iter().map(|sink| sink.dropped_lines).sum::<u64>();
    let text = format!(
        "logs         {} lines/s; {} in all, {} sampled, {lost} dropped, {} errors",
        short(rate.unwrap_or(0.0)),
        lines(status),
        status.logs.sampled + status.logs.capped,
        status.logs.errors
    );
    (text, if lost > 0 { Tone::Warn } else { Tone::Plain })
}

/// Collections of all workers, and whose requests make them.
fn memory(status: &Status) -> Option<Line> {
    let memories = || status.workers.iter().filter_map(|worker| worker.memory.as_ref());
    let count: u64 = memories().flat_map(|memory| &memory.gc).map(|kind| kind.count).sum();
    if count == 0 {
        return None;
    }
    let us: u64 = memories().map(WorkerMemory::collected_us).sum();
    let chief = status.memory.churn.first().map_or_else(String::new, |row| {
        format!("; {} allocates {} each", row.route, units::size(row.bytes_per_request))
    });
    let text =
        format!("memory       {count} collections, {} together{chief}", milliseconds(as_f64(us) / 1000.0));
    Some((text, if memories().any(|memory| memory.growth.is_some()) { Tone::Warn } else { Tone::Plain }))
}

fn incidents(status: &Status) -> Line {
    let stalls: u64 = status.incidents.kinds.iter().map(|kind| kind.count).sum();
    let total: u64 = status.incidents.kinds.iter().map(|kind| kind.total_ms).sum();
    let total = words::duration(u32::try_from(total).unwrap_or(u32::MAX));
    match status.incidents.recent.first() {
        None => ("incidents    none".to_owned(), Tone::Plain),
        Some(one) => (
            format!("incidents    {stalls}, {total} together; {}", one.incident.text),
            if one.age_s < 60 { Tone::Bad } else { Tone::Plain },
        ),
    }
}
