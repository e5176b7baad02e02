//! What collecting garbage costs and whose it is, and heaps that only grow.

use super::super::damage::{Damage, Whose};
use super::super::words::{counted, ms, percent};
use super::super::{Draft, Facts, as_f64, number};
use super::event_loop;
use crate::concerns::event_loop::incident::Kind;
use crate::observe::status::{Churn, Leak, Saving, Suspect, Worker, WorkerMemory};
use crate::observe::units;

const CONCERN: &str = "memory";
/// "Node will spend 10 % of CPU on GC": of a loop's time, less that in which it waits.
const SHARE_PER_MILLE: u32 = 100;

/// Of a loop that has done less the share says nothing: it is the collections of its start. More than that would keep back what
/// has just begun in a worker that also rests.
const BUSY_MIN_US: u64 = 500_000;
/// Of all that requests allocate: whoever makes so much of it is named first.
const CHIEF_PER_MILLE: u32 = 500;
const ROUTES_SHOWN: usize = 3;

pub(super) fn find(facts: &Facts<'_>) -> Vec<Draft> {
    [collecting(facts), leaks(facts)].into_iter().flatten().collect()
}

/// Time in collections, of all workers, in the time that is judged.
pub(super) fn all_collected_ms(facts: &Facts<'_>) -> u64 {
    all_collected_us(facts) / 1000
}

fn all_collected_us(facts: &Facts<'_>) -> u64 {
    let memories = facts.meanwhile.workers.iter().filter_map(|worker| worker.memory.as_ref());
    memories.map(WorkerMemory::collected_us).sum()
}

/// Of the time in which its loop did not wait.
fn per_mille(worker: &Worker) -> u32 {
    let collected_us = worker.memory.as_ref().map_or(0, WorkerMemory::collected_us);
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
    let share = percent(f64::from(worst), 1000.0);
    let mut seen = vec![format!(
        "{}, {} together; {share} of the loop's time in the worker that collects most; {} allocated",
        counted(count, "collection"),
        ms(total_ms),
        units::size(allocated)
    )];
    let churn = &facts.now.memory.churn;
    seen.extend(allocate(churn));
    seen.extend(stalls.iter().map(|group| event_loop::seen(group)));
    let mut figures = vec![
        ("gc_per_mille", f64::from(worst)),
        ("gc_total_ms", as_f64(all_collected_us(facts)) / 1000.0),
        ("gc_count", as_f64(count)),
        ("allocated_bytes", as_f64(allocated)),
    ];
    figures.extend(churn.first().map(|first| ("bytes_per_request", as_f64(first.bytes_per_request))));
    Some(Draft {
        code: "gc_pressure",
        concern: CONCERN,
        about: "collections".to_owned(),
        damage: match is_churn {
            true => Damage { whose: Whose::Loop, waited_ms: total_ms + beside, ..Damage::default() },
            // The long ones alone: without churn the others are what any app has.
            false => Damage::clients(stalls.iter().map(|group| group.cost_ms).sum()),
        },
        what: match is_churn {
            true => format!("{share} of the event loop's time goes into collecting garbage: {}", made(churn)),
            false => "collecting garbage stops the event loop".to_owned(),
        },
        seen,
        figures,
        fix: fix(facts),
        acts: Some("heaps are made as large as the container's memory allows (memory.heap)".to_owned()),
        ..Draft::default()
    })
}

/// Whose requests make most of what is collected.
fn made(churn: &[Churn]) -> String {
    match churn.first().filter(|first| first.share_per_mille >= CHIEF_PER_MILLE) {
        Some(first) => {
            format!("each {} allocates {}", first.route, units::size(first.bytes_per_request))
        }
        None => "objects are made and thrown away".to_owned(),
    }
}

/// `a request allocates: GET /list 3 MB (92 % of all), GET /cart 80 kB (6 %)`
fn allocate(churn: &[Churn]) -> Option<String> {
    let routes = churn.iter().filter(|row| row.share_per_mille > 0).take(ROUTES_SHOWN).map(|row| {
        let (bytes, share) = (units::size(row.bytes_per_request), f64::from(row.share_per_mille));
        format!("{} {bytes} ({} of all)", row.route, percent(share, 1000.0))
    });
    let routes: Vec<String> = routes.collect();
    (!routes.is_empty()).then(|| format!("a request allocates: {}", routes.join(", ")))
}

fn fix(facts: &Facts<'_>) -> String {
    let fewer = "make fewer objects for a request: page by page instead of all rows, no copy of what is only passed on";
    let saving = facts.now.memory.saving.map_or_else(String::new, |Saving { semi_space_mb, per_mille }| {
        format!(
            "; larger semi-spaces would save about {} of the loop's time: NODE_OPTIONS=--max-semi-space-size={semi_space_mb}",
            percent(f64::from(per_mille), 1000.0)
        )
    });
    format!("{fewer}{saving}")
}

/// Of all workers whose heap grows the one that is fullest: they run the same code.
fn leaks(facts: &Facts<'_>) -> Option<Draft> {
    let grows = |worker: &&Worker| worker.memory.as_ref().is_some_and(|memory| memory.growth.is_some());
    let growing: Vec<&Worker> = facts.now.workers.iter().filter(grows).collect();
    let memory = |worker: &Worker| worker.memory.clone().unwrap_or_default();
    let worker = growing.iter().copied().max_by_key(|worker| memory(worker).heap_after_gc_bytes)?;
    let (id, memory) = (worker.id, memory(worker));
    // As it was told; by now another one may have been told since, but never of another process in its place.
    let leak = facts.now.memory.leaks.iter().find(|leak| leak.worker == id);
    let others = growing.len() - 1;
    let also =
        if others > 0 { format!(" (and of {})", counted(number(others), "other")) } else { String::new() };
    let mut figures = vec![
        ("heap_used_bytes", as_f64(memory.heap_used_bytes)),
        ("heap_after_gc_bytes", as_f64(memory.heap_after_gc_bytes)),
        ("heap_limit_bytes", as_f64(memory.heap_limit_bytes)),
    ];
    figures.extend(leak.and_then(each).map(|bytes| ("bytes_per_request", as_f64(bytes))));
    Some(Draft {
        code: "heap_grows",
        concern: CONCERN,
        damage: Damage::danger(),
        about: "heaps".to_owned(),
        what: format!(
            "the heap of worker {id}{also} grows and grows{}",
            leak.map_or_else(String::new, blame)
        ),
        seen: grown(&memory, leak),
        figures,
        fix: format!(
            "find what keeps them: compare two snapshots that are some minutes apart: plimsoll heap-snapshot --worker {id}"
        ),
        acts: Some(
            "a worker is renewed before its heap is full (memory.recycle_at); no request is lost".to_owned(),
        ),
        ..Draft::default()
    })
}

/// By how much for each request of all.
fn each(leak: &Leak) -> Option<u64> {
    leak.to_bytes.saturating_sub(leak.from_bytes).checked_div(leak.requests)
}

/// `, with POST /carts: 9 kB for each of its requests`
fn blame(leak: &Leak) -> String {
    let of_one = |suspect: &Suspect| {
        format!("{}: {} for each of its requests", suspect.route, units::size(suspect.bytes_per_request))
    };
    let suspects: Vec<String> = leak.suspects.iter().map(of_one).collect();
    match (&suspects[..], each(leak)) {
        ([], None) => String::new(),
        ([], Some(bytes)) => format!(", by {} for each request", units::size(bytes)),
        (_, _) => format!(", with {}", suspects.join(", or ")),
    }
}

/// How it went, how full it is, and when it will be.
fn grown(memory: &WorkerMemory, leak: Option<&Leak>) -> Vec<String> {
    let (size, limit) = (units::size, memory.heap_limit_bytes);
    let mut seen: Vec<String> = memory.growth.iter().filter(|_| leak.is_none()).cloned().collect();
    seen.extend(leak.map(|leak| {
        format!(
            "major collections left {} and, {} later, {}; meanwhile it served {}",
            size(leak.from_bytes),
            units::age(leak.over_s),
            size(leak.to_bytes),
            counted(leak.requests, "request")
        )
    }));
    let full = leak.and_then(|leak| full_in_s(memory, leak));
    let full = full.map_or_else(String::new, |seconds| format!("; full in about {}", units::age(seconds)));
    seen.push(format!("{} of {} in use{full}", size(memory.heap_used_bytes), size(limit)));
    seen
}

/// If it goes on as it did.
fn full_in_s(memory: &WorkerMemory, leak: &Leak) -> Option<u64> {
    let by = leak.to_bytes.saturating_sub(leak.from_bytes);
    let left = memory.heap_limit_bytes.checked_sub(memory.heap_after_gc_bytes.max(leak.to_bytes))?;
    left.saturating_mul(leak.over_s).checked_div(by)
}
