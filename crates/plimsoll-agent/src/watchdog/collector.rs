//! Counts what the collector does, in callbacks around its pauses; the watchdog reads the counts.
//!
//! A pause costs the main thread two readings of the clock and, where that is cheap beside the pauses, two of the heap: how
//! much is left of it, and so how much was allocated in between.
#![expect(unsafe_code, reason = "the callbacks are called by V8")]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use plimsoll_wire::memory::{BOUNDS_MS, KINDS, Pauses};
use plimsoll_wire::stall::mark;

use super::shared;
use crate::engine::{Heap, HeapReader};
use crate::sys;

const MS: u64 = 1_000_000;

const MINOR: usize = 0;
const MAJOR: usize = 1;
const INCREMENTAL: usize = 2;
const WEAK: usize = 3;

/// The heap is not read again before so many times as long as a reading took: below 0.5 % of the time.
const READ_SELDOM: u64 = 200;
/// A reading that took longer was interrupted by others.
const READING_NS_MAX: u64 = 50_000;

/// Begin of the pause that runs, and how many are inside one another.
static SINCE: AtomicU64 = AtomicU64::new(0);
static DEPTH: AtomicU32 = AtomicU32::new(0);
static KIND: AtomicU32 = AtomicU32::new(0);
static BUCKETS: [[AtomicU64; BOUNDS_MS.len() + 1]; KINDS] =
    [const { [const { AtomicU64::new(0) }; BOUNDS_MS.len() + 1] }; KINDS];
static TOTAL_NS: [AtomicU64; KINDS] = [const { AtomicU64::new(0) }; KINDS];
/// What the heap held after the last pause; 0: it was not read.
static USED: AtomicU64 = AtomicU64::new(0);
/// How often it was not read where it should have been.
static GAPS: AtomicU32 = AtomicU32::new(0);
static AFTER_MAJOR: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static NEXT_READING: AtomicU64 = AtomicU64::new(0);
/// The last pause that was longer than this; 0: none since it was last taken.
static LONG_NS: AtomicU64 = AtomicU64::new(u64::MAX);
static LONG_BEGAN: AtomicU64 = AtomicU64::new(0);
static LONG_ENDED: AtomicU64 = AtomicU64::new(0);
static READER: OnceLock<HeapReader> = OnceLock::new();
static ISOLATE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Before the first callback. `long_ms`: what a long pause is.
pub(super) fn prepare(reader: Option<HeapReader>, isolate: *mut c_void, long_ms: u32) {
    ISOLATE.store(isolate, Ordering::Release);
    LONG_NS.store(u64::from(long_ms.max(1)) * MS, Ordering::Relaxed);
    if let Some(reader) = reader {
        let _first = READER.set(reader);
    }
}

// --- called on the main thread -------------------------------------------------------------------------------------

pub(super) unsafe extern "C" fn on_begin(isolate: *mut c_void, kind: c_int, _: c_int, _: *mut c_void) {
    if DEPTH.fetch_add(1, Ordering::Relaxed) != 0 {
        return;
    }
    let now = sys::now_ns();
    KIND.store(kind.cast_unsigned(), Ordering::Relaxed);
    SINCE.store(now, Ordering::Release);
    let before = USED.swap(0, Ordering::Relaxed);
    if before == 0 || index_of(kind.cast_unsigned()) > MAJOR {
        // Marking is no collection: what was allocated is told by the next one.
        USED.store(before, Ordering::Relaxed);
        return;
    }
    // SAFETY: V8 calls this on the thread of the isolate.
    let used = unsafe { read(isolate, now) };
    if used.is_none() {
        leave_gap();
    }
    ALLOCATED.fetch_add(used.map_or(0, |used| used.saturating_sub(before)), Ordering::Relaxed);
}

pub(super) unsafe extern "C" fn on_end(isolate: *mut c_void, _: c_int, _: c_int, _: *mut c_void) {
    // An end without its beginning is that of a pause in which we were loaded.
    match DEPTH.load(Ordering::Relaxed) {
        0 => {}
        1 => {
            let (since, now) = (SINCE.load(Ordering::Relaxed), sys::now_ns());
            let kind = index_of(KIND.load(Ordering::Relaxed));
            count(kind, since, now);
            if kind <= MAJOR {
                // SAFETY: as above.
                let used = unsafe { read(isolate, if kind == MAJOR { u64::MAX } else { now }) };
                if used.is_none() {
                    leave_gap();
                }
                USED.store(used.unwrap_or(0), Ordering::Relaxed);
                if let Some(used) = used.filter(|_| kind == MAJOR) {
                    AFTER_MAJOR.store(used, Ordering::Relaxed);
                }
            }
            DEPTH.store(0, Ordering::Release);
        }
        depth => DEPTH.store(depth - 1, Ordering::Relaxed),
    }
}

/// What is allocated between two readings is not known. One writer.
fn leave_gap() {
    GAPS.store(GAPS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Writes down how much has been allocated until now. On the main thread.
pub(crate) fn tell_allocated() {
    let (isolate, reader) = (ISOLATE.load(Ordering::Acquire), READER.get());
    let used = reader.filter(|_| !isolate.is_null()).and_then(|reader| {
        // SAFETY: JavaScript has called us, on the thread of the isolate.
        let heap = unsafe { reader.read(isolate) };
        is_credible(heap).then_some(heap.used)
    });
    let (left, gaps) = (USED.load(Ordering::Relaxed), GAPS.load(Ordering::Relaxed));
    // Before the first collection it is not known what was there; what matters is the difference.
    let used = used.filter(|_| left != 0 || gaps == 0);
    let total = used.map(|used| ALLOCATED.load(Ordering::Relaxed).wrapping_add(used).wrapping_sub(left));
    #[expect(clippy::cast_possible_truncation, reason = "the lower half: differences are what is asked for")]
    shared::word(mark::ALLOCATED).store(total.unwrap_or(0) as u32, Ordering::Relaxed);
    let known = total.map_or(0, |_| gaps.wrapping_add(1));
    shared::word(mark::ALLOCATED_KNOWN).store(known, Ordering::Relaxed);
}

/// The words stand where we think they do: JavaScript was told the same limit.
fn is_credible(heap: Heap) -> bool {
    let told = u64::from(shared::word(mark::HEAP_LIMIT).load(Ordering::Relaxed));
    heap.limit / 1024 == told && heap.used <= heap.limit.saturating_mul(2)
}

fn index_of(kind: u32) -> usize {
    match kind {
        1 | 2 => MINOR,
        4 => MAJOR,
        8 => INCREMENTAL,
        _ => WEAK,
    }
}

fn count(kind: usize, since: u64, now: u64) {
    let pause = now.saturating_sub(since);
    let bucket = BOUNDS_MS.iter().position(|bound| pause <= bound * MS).unwrap_or(BOUNDS_MS.len());
    if let Some(bucket) = BUCKETS.get(kind).and_then(|buckets| buckets.get(bucket)) {
        bucket.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(total) = TOTAL_NS.get(kind) {
        total.fetch_add(pause, Ordering::Relaxed);
    }
    if pause >= LONG_NS.load(Ordering::Relaxed) {
        LONG_BEGAN.store(since, Ordering::Relaxed);
        LONG_ENDED.store(now, Ordering::Release);
        shared::unpark();
    }
}

/// Reads what the heap holds; `None`: it is not known, or was read a moment ago.
///
/// # Safety
/// On the thread of the isolate.
unsafe fn read(isolate: *mut c_void, now: u64) -> Option<u64> {
    let reader = READER.get()?;
    let told = u64::from(shared::word(mark::HEAP_LIMIT).load(Ordering::Relaxed));
    if told == 0 || now < NEXT_READING.load(Ordering::Relaxed) {
        return None;
    }
    let before = sys::now_ns();
    // SAFETY: as the caller promises.
    let heap = unsafe { reader.read(isolate) };
    let after = sys::now_ns();
    NEXT_READING.store(after + (after - before).min(READING_NS_MAX) * READ_SELDOM, Ordering::Relaxed);
    is_credible(heap).then_some(heap.used)
}

// --- called by the watchdog ----------------------------------------------------------------------------------------

/// Nanoseconds that collections have taken, with the one that runs.
pub(super) fn collected_ns(now: u64) -> u64 {
    let past: u64 = TOTAL_NS.iter().map(|total| total.load(Ordering::Relaxed)).sum();
    past + running_since().map_or(0, |since| now.saturating_sub(since))
}

/// When the pause began that runs.
pub(super) fn running_since() -> Option<u64> {
    (DEPTH.load(Ordering::Acquire) != 0).then(|| SINCE.load(Ordering::Acquire))
}

/// The last long pause, its begin and its end, once.
pub(super) fn take_long() -> Option<(u64, u64)> {
    let ended = LONG_ENDED.swap(0, Ordering::Acquire);
    (ended != 0).then(|| (LONG_BEGAN.load(Ordering::Relaxed), ended))
}

/// Whether the pause that runs is a long one by now.
pub(super) fn is_long(now: u64) -> bool {
    let long = LONG_NS.load(Ordering::Relaxed);
    running_since().is_some_and(|since| now.saturating_sub(since) >= long)
}

/// There is a long pause that nobody has taken.
pub(super) fn has_long() -> bool {
    LONG_ENDED.load(Ordering::Acquire) != 0
}

pub(super) fn after_major() -> u64 {
    AFTER_MAJOR.load(Ordering::Relaxed)
}

pub(super) fn allocated() -> u64 {
    ALLOCATED.load(Ordering::Relaxed)
}

pub(super) fn pauses() -> [Pauses; KINDS] {
    let mut pauses = [Pauses::default(); KINDS];
    for ((one, buckets), total) in pauses.iter_mut().zip(&BUCKETS).zip(&TOTAL_NS) {
        one.total_us = total.load(Ordering::Relaxed) / 1000;
        for (bucket, counted) in one.buckets.iter_mut().zip(buckets) {
            *bucket = counted.load(Ordering::Relaxed);
        }
    }
    pauses
}
