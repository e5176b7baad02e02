//! What collecting garbage costs, and heaps that only grow.

use super::super::damage::{Damage, Whose};
use super::super::words::{counted, ms, percent};
use super::super::{Draft, Facts, as_f64};
use super::event_loop;
use crate::concerns::event_loop::incident::Kind;
use crate::observe::status::{Worker, WorkerMemory};
use crate::observe::units;

const CONCERN: &str = "memory";
/// "Node will spend 10 % of CPU on GC": of a loop's time, less that in which it waits.
const SHARE_PER_MILLE: u32 = 100;

const BUSY_MIN_US: u64 = 100_000;

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    let grows = facts.now.workers.iter().filter_map(grows).take(1);
    collecting(facts).into_iter().chain(grows).collect()
}

/// Time in collections of all kinds.
fn collected_ms(memory: &WorkerMemory) -> u64 {
    memory.gc.iter().map(|kind| kind.total_us).sum::<u64>() / 1000
}

/// The same of all workers in the time that is judged.
pub(super) fn all_collected_ms(facts: &Facts<'_>) -> u64 {
    let memories = facts.meanwhile.workers.iter().filter_map(|worker| worker.memory.as_ref());
    memories.map(collected_ms).sum()
}

/// Of the time in which its loop did not wait.
fn per_mille(worker: &Worker) -> u32 {
    let collected_us: u64 =
        worker.memory.iter().flat_map(|memory| &memory.gc).map(|kind| kind.total_us).sum();
    // Below that a share says nothing.
    let busy_us = worker.event_loop.busy_us.max(BUSY_MIN_US);
    u32::try_from(collected_us.saturating_mul(1000) / busy_us).unwrap_or(u32::MAX).min(1000)
}

fn collecting(facts: &Facts<'_>) -> Option<Draft> {
    let worst = facts.meanwhile.workers.iter().map(per_mille).max()?;
    let memories: Vec<&WorkerMemory> =
        facts.meanwhile.workers.iter().filter_map(|worker| worker.memory.as_ref()).collect();
    let total_ms = all_collected_ms(facts);
    let stalls = facts
        .meanwhile
        .incidents
        .groups
        .iter()
        .filter(|group| group.kind == Kind::GarbageCollection && group.count > 0);
    let stalls: Vec<_> = stalls.collect();
    let is_churn = worst >= SHARE_PER_MILLE;
    if !is_churn && stalls.is_empty() {
        return None;
    }
    // Who waited beside the pauses; the pauses themselves are in the total.
    let beside: u64 = stalls.iter().map(|group| group.cost_ms.saturating_sub(group.total_ms)).sum();
    let allocated: u64 = memories.iter().map(|memory| memory.allocated_bytes).sum();
    let count: u64 = memories.iter().flat_map(|memory| &memory.gc).map(|kind| kind.count).sum();
    let mut seen = vec![format!(
        "{}, {} together; {} of the loop's time in the busiest worker; {} allocated",
        counted(count, "collection"),
        ms(total_ms),
        percent(f64::from(worst), 1000.0),
        units::size(allocated)
    )];
    seen.extend(stalls.iter().map(|group| event_loop::seen(group)));
    Some(Draft {
        code: "gc_pressure",
        concern: CONCERN,
        damage: Damage { whose: Whose::Loop, waited_ms: total_ms + beside, ..Damage::default() },
        what: match is_churn {
            true => format!(
                "{} of the event loop's time goes into collecting garbage: objects are made and thrown away",
                percent(f64::from(worst), 1000.0)
            ),
            false => "collecting garbage stops the event loop".to_owned(),
        },
        seen,
        figures: vec![
            ("gc_per_mille", f64::from(worst)),
            ("gc_total_ms", as_f64(total_ms)),
            ("gc_count", as_f64(count)),
            ("allocated_bytes", as_f64(allocated)),
        ],
        at: None,
        fix: "make fewer objects for a request: page by page instead of all rows, no copy of what is only passed on".to_owned(),
        acts: Some("heaps are made as large as the container's memory allows (memory.heap)".to_owned()),
    })
}

fn grows(worker: &Worker) -> Option<Draft> {
    let memory = worker.memory.as_ref()?;
    let growth = memory.growth.as_ref()?;
    Some(Draft {
        code: "heap_grows",
        concern: CONCERN,
        damage: Damage::danger(),
        what: format!("worker {}: {growth}", worker.id),
        seen: vec![format!(
            "{} of {} in use",
            units::size(memory.heap_used_bytes),
            units::size(memory.heap_limit_bytes)
        )],
        figures: vec![
            ("heap_used_bytes", as_f64(memory.heap_used_bytes)),
            ("heap_after_gc_bytes", as_f64(memory.heap_after_gc_bytes)),
            ("heap_limit_bytes", as_f64(memory.heap_limit_bytes)),
        ],
        at: None,
        fix: format!(
            "compare two snapshots that are some minutes apart: plimsoll heap-snapshot --worker {}",
            worker.id
        ),
        acts: Some(
            "a worker is renewed before its heap is full (memory.recycle_at); no request is lost".to_owned(),
        ),
    })
}
