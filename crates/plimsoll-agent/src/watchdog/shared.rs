//! What the main thread and the watchdog both touch, and the callbacks that run on the main thread.
#![expect(unsafe_code, reason = "the callbacks are called by libuv, V8 and Node")]

use std::ffi::c_void;
use std::fmt::Write as _;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use plimsoll_wire::page::SLOTS;
use plimsoll_wire::stall::{STACK_MAX, mark};

use super::collector;
use crate::engine::Stack;
use crate::node_api::{self, Env};
use crate::sys;

/// Of the word of this name; JavaScript has a bit of its own in it.
const ARMED: u32 = 1;

/// Words that JavaScript writes and reads too, without a call.
static MARKS: [AtomicU32; mark::WORDS] = [const { AtomicU32::new(0) }; mark::WORDS];
/// When the loop last began or ended to wait, and how often it has.
static TURNED_AT: AtomicU64 = AtomicU64::new(0);
static TURNS: AtomicU32 = AtomicU32::new(0);
/// The watchdog wants to be woken by the next turn, and when that was.
static WANTS_TURN: AtomicBool = AtomicBool::new(false);
static WOKEN_AT: AtomicU64 = AtomicU64::new(0);
/// When the armed part of a request ended; 0: it has not.
static LEFT_AT: AtomicU64 = AtomicU64::new(0);
/// The stall for which the engine was asked; 0: none, and its answer is of no use.
static ASKED_FOR: AtomicU32 = AtomicU32::new(0);
/// The engine was asked and has not answered.
static PENDING: AtomicBool = AtomicBool::new(false);
static ANSWER: Mutex<Option<Answer>> = Mutex::new(None);
/// When the engine was asked last, and what it said of the request in whose context it was interrupted.
static ASKED_AT: AtomicU64 = AtomicU64::new(0);
static SIGHTING: Mutex<Option<Sighting>> = Mutex::new(None);
/// The process ends: neither loop nor engine may be touched. Held while they are.
static GONE: Mutex<bool> = Mutex::new(false);
static THREAD: OnceLock<Thread> = OnceLock::new();
static ENV: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static STACK: OnceLock<Stack> = OnceLock::new();

/// What the engine said when it was asked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) at: u64,
    pub(super) running: Option<(u16, u32)>,
    pub(super) stack: String,
}

/// A request ran from one moment to the other, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) running: (u16, u32),
    pub(super) from: u64,
    pub(super) to: u64,
}

pub(super) fn prepare(env: Env, stack: Option<Stack>) {
    ENV.store(env, Ordering::Release);
    if let Some(stack) = stack {
        let _first = STACK.set(stack);
    }
}

pub(super) fn remember(thread: Thread) {
    let _first = THREAD.set(thread);
}

/// The words as JavaScript gets them.
pub(super) fn marks() -> *mut u32 {
    MARKS.as_ptr().cast::<u32>().cast_mut()
}

pub(super) fn unpark() {
    if let Some(thread) = THREAD.get() {
        thread.unpark();
    }
}

// --- called on the main thread -------------------------------------------------------------------------------------

/// A request is claimed while the watchdog sleeps.
pub(crate) fn wake() {
    word(mark::ASLEEP).store(0, Ordering::Relaxed);
    unpark();
}

/// The armed part of a request is over.
pub(crate) fn left() {
    word(mark::ARMED).fetch_and(!ARMED, Ordering::Relaxed);
    LEFT_AT.store(sys::now_ns(), Ordering::Release);
}

/// libuv is about to wait, or has waited and called what came of it.
pub(super) unsafe extern "C" fn on_turn(_handle: *mut c_void) {
    let now = sys::now_ns();
    TURNED_AT.store(now, Ordering::Release);
    // One writer: no need for an atomic addition.
    TURNS.store(TURNS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    // Pairs with the one in `wish_turn`: either this sees the wish, or the watchdog sees the turn.
    fence(Ordering::SeqCst);
    if WANTS_TURN.load(Ordering::Relaxed) {
        WANTS_TURN.store(false, Ordering::Relaxed);
        // Who is answered in another turn has nothing to do with it.
        word(mark::LOST).store(0, Ordering::Relaxed);
        WOKEN_AT.store(now, Ordering::Release);
        unpark();
    }
}

/// The engine is in a place where its stack can be read.
pub(super) unsafe extern "C" fn on_interrupt(isolate: *mut c_void, _data: *mut c_void) {
    let env = ENV.load(Ordering::Acquire);
    let running = running().or_else(|| context(env));
    if let Some(running) = running {
        let sighting = Sighting { running, from: ASKED_AT.load(Ordering::Acquire), to: sys::now_ns() };
        *SIGHTING.lock().unwrap_or_else(PoisonError::into_inner) = Some(sighting);
    }
    if ASKED_FOR.load(Ordering::Acquire) != 0 {
        let mut stack = String::new();
        if let Some(reader) = STACK.get() {
            // SAFETY: this is the interrupt of the isolate that the environment belongs to: it was asked for on the
            // thread that loaded us.
            unsafe {
                reader.read(env, isolate, |frame| append(&mut stack, &frame));
            }
        }
        let answer = Answer { at: sys::now_ns(), running, stack };
        *ANSWER.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
    PENDING.store(false, Ordering::Release);
    unpark();
}

/// The request in whose context JavaScript runs, where requests are followed.
fn context(env: Env) -> Option<(u16, u32)> {
    word(mark::CONTEXT_SLOT).store(0, Ordering::Relaxed);
    node_api::ask_context(env).then(|| request(mark::CONTEXT_SLOT, mark::CONTEXT_WORD))?
}

/// Writes a frame as V8 does; false where there is no more room.
fn append(stack: &mut String, frame: &crate::engine::Frame) -> bool {
    let before = stack.len();
    let separator = if stack.is_empty() { "" } else { "\n" };
    let script = if frame.script.is_empty() { "<anonymous>" } else { &frame.script };
    let (function, line, column) = (&frame.function, frame.line, frame.column);
    let written = if function.is_empty() {
        write!(stack, "{separator}    at {script}:{line}:{column}")
    } else {
        write!(stack, "{separator}    at {function} ({script}:{line}:{column})")
    };
    let fits = written.is_ok() && stack.len() <= STACK_MAX;
    if !fits {
        stack.truncate(before);
    }
    fits
}

pub(super) unsafe extern "C" fn on_environment_ends(_data: *mut c_void) {
    on_exit();
}

/// Other threads still run while a process exits, and Node takes apart what the watchdog looks at.
pub(super) extern "C" fn on_exit() {
    *GONE.lock().unwrap_or_else(PoisonError::into_inner) = true;
    ASKED_FOR.store(0, Ordering::Release);
    WANTS_TURN.store(false, Ordering::Relaxed);
    word(mark::ASLEEP).store(0, Ordering::Relaxed);
    unpark();
}

// --- called by the watchdog ----------------------------------------------------------------------------------------

/// Leave to touch loop and engine, for as long as it is kept; `None`: the process ends.
pub(super) fn leave_to_touch() -> Option<MutexGuard<'static, bool>> {
    let gone = GONE.lock().unwrap_or_else(PoisonError::into_inner);
    (!*gone).then_some(gone)
}

pub(super) fn turns() -> (u32, u64) {
    (TURNS.load(Ordering::Acquire), TURNED_AT.load(Ordering::Acquire))
}

/// From now on the next turn of the loop wakes the watchdog, and its time is kept.
pub(super) fn wish_turn() {
    WOKEN_AT.store(0, Ordering::Relaxed);
    WANTS_TURN.store(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

pub(super) fn unwish_turn() {
    WANTS_TURN.store(false, Ordering::Relaxed);
}

/// When the turn came that was wished for.
pub(super) fn wished_turn() -> Option<u64> {
    Some(WOKEN_AT.load(Ordering::Acquire)).filter(|at| *at != 0)
}

/// The next claim, too, wakes the watchdog.
pub(super) fn fall_asleep() {
    word(mark::ASLEEP).store(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

/// Whether nothing has woken the watchdog yet. Ends the sleep otherwise.
pub(super) fn is_asleep() -> bool {
    word(mark::ASLEEP).load(Ordering::Acquire) != 0 && wished_turn().is_none() && !collector::has_long()
}

/// Who begins a request next does this: see `mark::WANTED`.
pub(super) fn want(bits: u32) {
    word(mark::WANTED).fetch_or(bits, Ordering::Relaxed);
}

/// What was measured last, in bytes.
pub(super) fn measured(index: usize) -> u64 {
    u64::from(word(index).load(Ordering::Relaxed)) * 1024
}

pub(super) fn awake() {
    word(mark::ASLEEP).store(0, Ordering::Relaxed);
    unwish_turn();
}

/// The request whose synchronous part runs.
pub(super) fn running() -> Option<(u16, u32)> {
    request(mark::SLOT, mark::WORD)
}

fn request(slot_at: usize, word_at: usize) -> Option<(u16, u32)> {
    let slot = word(slot_at).load(Ordering::Acquire);
    let request = word(word_at).load(Ordering::Acquire);
    // Written in two steps, by a thread that may be between them.
    let is_whole = word(slot_at).load(Ordering::Acquire) == slot;
    let slot = u16::try_from(slot.checked_sub(1)?).ok().filter(|slot| usize::from(*slot) < SLOTS)?;
    is_whole.then_some((slot, request))
}

/// Nobody knows for whom the loop stands still: the first that is answered says so.
pub(super) fn lose() {
    word(mark::ANSWERED_SLOT).store(0, Ordering::Relaxed);
    word(mark::LOST).store(1, Ordering::Release);
}

/// Who was answered first since then, in the same turn.
pub(super) fn answered() -> Option<(u16, u32)> {
    word(mark::LOST).store(0, Ordering::Relaxed);
    request(mark::ANSWERED_SLOT, mark::ANSWERED_WORD)
}

/// From now on requests should be followed through `await`. The agent looks with its next claim.
pub(super) fn wish_to_follow() {
    if !node_api::follows() {
        word(mark::FOLLOW).store(1, Ordering::Relaxed);
        word(mark::ASLEEP).store(1, Ordering::SeqCst);
    }
}

/// What the engine has said of the running request since the last time.
pub(super) fn take_sighting() -> Option<Sighting> {
    SIGHTING.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// From now on the end of the running part is timed.
pub(super) fn arm() {
    LEFT_AT.store(0, Ordering::Relaxed);
    word(mark::ARMED).fetch_or(ARMED, Ordering::SeqCst);
    fence(Ordering::SeqCst);
}

pub(super) fn disarm() {
    word(mark::ARMED).fetch_and(!ARMED, Ordering::Relaxed);
}

/// When the armed part ended.
pub(super) fn left_at() -> Option<u64> {
    Some(LEFT_AT.load(Ordering::Acquire)).filter(|at| *at != 0)
}

/// The engine's next answer is for this stall; 0: for nothing.
pub(super) fn ask_for(stall: u32) {
    let _old = take_answer();
    ASKED_FOR.store(stall, Ordering::Release);
}

/// True where the engine is now to be interrupted; false: it already is.
pub(super) fn begin_asking() -> bool {
    let begins = STACK.get().is_some() && !PENDING.swap(true, Ordering::AcqRel);
    if begins {
        ASKED_AT.store(sys::now_ns(), Ordering::Release);
    }
    begins
}

pub(super) fn take_answer() -> Option<Answer> {
    ANSWER.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[expect(clippy::indexing_slicing, reason = "the indices are the constants of `mark`, all below its length")]
pub(super) fn word(index: usize) -> &'static AtomicU32 {
    &MARKS[index]
}
