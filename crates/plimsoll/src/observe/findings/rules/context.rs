//! What the app pays for following its promises.

use std::iter;

use super::super::damage::{Damage, Whose};
use super::super::words::{ms, percent};
use super::super::{Draft, Facts, as_f64};
use super::memory;
use crate::observe::status::Author;

const CONCERN: &str = "context";
/// Of a loop's time: less is the price of a trace, and worth it.
const SHARE_PER_MILLE: u32 = 50;

pub(super) fn find(facts: &Facts<'_>) -> Option<Draft> {
    let tax = facts.now.context.tax.as_ref()?;
    let share = tax.share_per_mille.filter(|share| *share >= SHARE_PER_MILLE)?;
    let busy_ms: u64 = facts.meanwhile.workers.iter().map(|worker| worker.event_loop.busy_us / 1000).sum();
    let author = tax.authors.first();
    // With a destroy callback the collector itself has to look after each promise.
    let collected_ms = if tax.class == "destroy" { memory::all_collected_ms(facts) } else { 0 };
    Some(Draft {
        code: "async_tax",
        concern: CONCERN,
        damage: Damage {
            whose: Whose::Loop,
            waited_ms: busy_ms.saturating_mul(share.into()) / 1000 + collected_ms,
            // An estimate, and a low one: what the hooks themselves do comes on top.
            is_danger: true,
            ..Damage::default()
        },
        what: tax.text.clone(),
        seen: iter::once(format!(
            "{} of the loops' time; {} promises and the like in each second; Node {}",
            percent(f64::from(share), 1000.0),
            tax.resources_per_s,
            tax.node
        ))
        .chain((collected_ms > 0).then(|| {
            format!("{} of collecting garbage, which has to tell the hook of each promise", ms(collected_ms))
        }))
        .collect(),
        figures: vec![
            ("share_per_mille", f64::from(share)),
            ("resources_per_s", as_f64(tax.resources_per_s)),
            ("cost_ns", tax.cost_ns.unwrap_or_default()),
        ],
        at: author.and_then(place),
        fix: tax
            .hint
            .clone()
            .unwrap_or_else(|| "follow promises only where the context is needed".to_owned()),
        acts: Some(
            "request ids, the access log and spans are made in the gateway, and cost the loop nothing"
                .to_owned(),
        ),
        ..Draft::default()
    })
}

/// Where the app's own code led to it, else where it is.
fn place(author: &Author) -> Option<String> {
    let at = author.from.as_ref().unwrap_or(&author.at);
    (!at.is_empty()).then(|| at.clone())
}
