//! The watchdog: a thread that sees the event loop stand still, says what it stands in, and says so while it lasts.
//!
//! ```text
//!   main thread                                      thread `plimsoll-watch`
//!   libuv: before and after each wait ── turn ─────► each tick: has the loop turned, does it wait? (`pulse`)
//!   agent: request begins, ends ── marks ──────────► whose synchronous part runs, for how long (`marks`)
//!   V8: next call or loop ◄── interrupt ──────────── in whose context, after an `await`? (`unmarked`; else `alone`)
//!   V8: next call or loop ◄── interrupt ──────────── over the threshold: what runs there? (`stall`)
//!   V8: next call or loop ◄── interrupt ──────────── well below it: what does a route that is always so long? (`glimpse`)
//!         └── stack ───────────────────────────────► frames to the supervisor, on a connection of its own (`report`)
//! ```
//!
//! The same thread tells how much memory the process uses and what the collector does (`collector`, `memory`): it is
//! awake anyhow, and goes on while the main thread collects. A long pause of the collector is told like a stall.
//!
//! It sleeps without a timer while the loop waits and no request is in flight; a claim, or a turn of the loop, wakes
//! it. On the main thread it costs a clock's reading twice per turn and a few stores per request.
//!
//! It never throws, never keeps the app alive, and touches neither loop nor engine once the process begins to end.
//! What the supervisor does not read is dropped.
//!
//! [`shared`] is what the two threads both touch, and the callbacks that run on the main one.

mod alone;
mod collector;
mod glimpse;
mod marks;
mod memory;
mod pulse;
mod report;
mod shared;
mod stall;
mod thread;
mod unmarked;

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use self::collector::tell_allocated;
pub(crate) use self::shared::{left, wake};
use self::thread::{Spent, Watch};
use crate::engine::{Engine, HeapReader, Loop, Stack};
use crate::node_api::{self, Env};
use crate::sys;

static STARTED: AtomicBool = AtomicBool::new(false);

/// Of a thread that formats a few lines.
const STACK_BYTES: usize = 256 * 1024;

/// Starts to watch the loop of `env`, once per process. Gives the words of `plimsoll_wire::stall::mark`; `None` where
/// nothing is watched.
pub(crate) fn start(env: Env, path: &str, [threshold_ms, pause_ms]: [u32; 2]) -> Option<*mut u32> {
    if STARTED.swap(true, Ordering::Relaxed) || !sys::stay_loaded(start as *const c_void) {
        return None;
    }
    let watched = Loop::watch(env, shared::on_turn)?;
    let engine = Engine::current();
    if let Some(engine) = &engine {
        collector::prepare(HeapReader::find(), engine.isolate(), pause_ms);
        engine.watch_collector(collector::on_begin, collector::on_end);
    }
    shared::prepare(env, Stack::find());
    if !node_api::at_end(env, shared::on_environment_ends) || !sys::at_exit(shared::on_exit) {
        return None;
    }
    let watch = Watch::new(watched, engine, Spent::of_this_thread(), threshold_ms, path.to_owned());
    let thread = std::thread::Builder::new().name("plimsoll-watch".to_owned()).stack_size(STACK_BYTES);
    let thread = thread.spawn(move || watch.run()).ok()?;
    shared::remember(thread.thread().clone());
    Some(shared::marks())
}
