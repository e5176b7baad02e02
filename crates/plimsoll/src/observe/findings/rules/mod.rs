//! The rules, one file per promise. In the order of what usually hurts most: so stand those that hurt nobody yet.

mod context;
mod downstream;
mod event_loop;
mod logs;
mod memory;
mod pools;
mod setup;
mod shutdown;

use super::{Draft, Facts};

pub(super) fn all(facts: &Facts<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    drafts.extend(event_loop::find(facts));
    drafts.extend(pools::find(facts));
    drafts.extend(downstream::find(facts));
    drafts.extend(shutdown::find(facts));
    drafts.extend(logs::find(facts));
    drafts.extend(context::find(facts));
    drafts.extend(memory::find(facts));
    drafts.extend(setup::find(facts, &drafts));
    drafts
}

/// What nobody can judge here.
pub(super) fn notes(facts: &Facts<'_>) -> Vec<String> {
    setup::notes(facts)
}
