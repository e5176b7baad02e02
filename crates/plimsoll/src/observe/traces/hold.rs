//! Brings together what belongs to one request, as far as it comes in time, within bounds.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use plimsoll_wire::page;

use super::{Event, Trace};
use crate::concerns::context::parent::{Parent, SpanId};
use crate::concerns::context::tail::Why;
use crate::concerns::logs::access::Times;
use crate::ids::WorkerId;

/// What an agent or a watchdog says of a request comes within so long after its end.
const HELD: Duration = Duration::from_millis(500);
const HELD_MAX: usize = 2048;
/// Calls of requests that are not over yet, or are not recorded.
const CALLS_MAX: usize = 4096;
const CALLS_OF_ONE_MAX: usize = 64;
const CALLS_KEPT: Duration = Duration::from_secs(60);
const STALLS_MAX: usize = 64;
const PAUSES_MAX: usize = 64;

/// A request that is over.
#[derive(Debug)]
pub struct Finished {
    pub why: Why,
    pub parent: Option<Parent>,
    pub caller: Option<SpanId>,
    /// `tracestate` as the app got it: how likely it was to be recorded is in it.
    pub state: String,
    /// Nanoseconds since the epoch.
    pub started: u64,
    pub times: Times,
    pub method: &'static str,
    /// `/users/:id`; `None`: of no route.
    pub route: Option<String>,
    pub path: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub client: String,
    pub status: u16,
    pub error: Option<&'static str>,
    pub request_bytes: Option<u64>,
    pub bytes: u64,
    pub worker: Option<WorkerId>,
    /// By which slot and word that worker knows it; only where it took long.
    pub running: Option<(u16, u32)>,
    pub moments: Vec<(u64, Moment)>,
}

/// What happened to it on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Rescued,
    Retried,
    Shed,
}

/// Something that a request waited for, as an agent tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The span of the request, by which it is found.
    pub request: SpanId,
    pub said: plimsoll_wire::spans::Span,
}

/// The event loop stood still in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stall {
    process: (WorkerId, u32),
    stall: u32,
    running: (u16, u32),
    /// Nanoseconds since the epoch.
    pub(super) began: u64,
    pub(super) ms: u32,
    pub(super) stack: String,
}

/// The garbage collector of a worker let nothing else run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pause {
    worker: WorkerId,
    /// Nanoseconds since the epoch.
    pub(super) began: u64,
    pub(super) ms: u32,
}

#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Oldest first.
    held: VecDeque<(Instant, Box<Finished>)>,
    calls: HashMap<SpanId, Vec<Call>>,
    /// In the order in which the first of each request came.
    order: VecDeque<(Instant, SpanId)>,
    calls_count: usize,
    stalls: VecDeque<Stall>,
    pauses: VecDeque<Pause>,
    dropped: u64,
}

impl Hold {
    pub(super) fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::Finished(finished) => self.held.push_back((now, finished)),
            Event::Call(call) => self.keep(*call, now),
            Event::Stalled { process, stall, at_ms, running, stack } => {
                let known =
                    self.stalls.iter_mut().find(|known| (known.process, known.stall) == (process, stall));
                match known {
                    Some(known) => {
                        known.ms = known.ms.max(at_ms);
                        // A later look may know more.
                        if known.stack.is_empty() {
                            known.stack = stack;
                        }
                    }
                    None => {
                        if self.stalls.len() >= STALLS_MAX {
                            self.stalls.pop_front();
                        }
                        let began = super::ago(at_ms);
                        self.stalls.push_back(Stall { process, stall, running, began, ms: at_ms, stack });
                    }
                }
            }
            Event::Resumed { process, stall, total_ms } => {
                for known in &mut self.stalls {
                    if (known.process, known.stall) == (process, stall) {
                        known.ms = total_ms;
                    }
                }
            }
            Event::Paused { worker, began, ms } => {
                if self.pauses.len() >= PAUSES_MAX {
                    self.pauses.pop_front();
                }
                self.pauses.push_back(Pause { worker, began, ms });
            }
            Event::Alone(_) | Event::Tick | Event::End => {}
        }
    }

    fn keep(&mut self, call: Call, now: Instant) {
        let is_full = |hold: &Self| hold.order.len() >= CALLS_MAX || hold.calls_count >= CALLS_MAX;
        while is_full(self) && !self.order.is_empty() {
            self.forget_oldest();
        }
        let calls = self.calls.entry(call.request).or_default();
        if calls.is_empty() {
            self.order.push_back((now, call.request));
        }
        if calls.len() >= CALLS_OF_ONE_MAX {
            self.dropped += 1;
            return;
        }
        calls.push(call);
        self.calls_count += 1;
    }

    /// Those of requests that are not recorded are forgotten like this; nobody misses them.
    fn forget_oldest(&mut self) {
        if let Some((_, request)) = self.order.pop_front() {
            let forgotten = self.calls.remove(&request).unwrap_or_default();
            self.calls_count -= forgotten.len();
        }
    }

    /// Those whose time is over.
    pub(super) fn release(&mut self, now: Instant) -> Vec<Trace> {
        while self.order.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= CALLS_KEPT)
        {
            self.forget_oldest();
        }
        let mut released = Vec::new();
        while let Some((since, _)) = self.held.front() {
            if now.saturating_duration_since(*since) < HELD && self.held.len() <= HELD_MAX {
                break;
            }
            released.extend(self.held.pop_front().map(|(_, finished)| self.join(finished)));
        }
        released
    }

    pub(super) fn release_all(&mut self) -> Vec<Trace> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|(_, finished)| self.join(finished)).collect()
    }

    fn join(&mut self, finished: Box<Finished>) -> Trace {
        let calls = finished.parent.and_then(|parent| self.calls.remove(&parent.span)).unwrap_or_default();
        self.calls_count -= calls.len();
        let is_of = |stall: &&Stall| {
            let is_there = finished.worker == Some(stall.process.0);
            let is_it = finished
                .running
                .is_some_and(|(slot, word)| slot == stall.running.0 && page::is_same(word, stall.running.1));
            is_there && is_it
        };
        let stall = self.stalls.iter().find(is_of).cloned();
        let pauses = self.pauses.iter().filter(|pause| pause.has_hit(&finished)).cloned().collect();
        Trace::new(finished, calls, stall, pauses)
    }

    /// How long nothing need be done if nothing comes; `None`: for ever.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let (since, _) = self.held.front()?;
        Some(HELD.saturating_sub(now.saturating_duration_since(*since)))
    }

    /// Calls for which there was no room, since this was last asked.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

impl Pause {
    /// The request was on the worker meanwhile.
    fn has_hit(&self, finished: &Finished) -> bool {
        let ended = self.began + u64::from(self.ms) * 1_000_000;
        let total = u64::try_from(finished.times.total.as_nanos()).unwrap_or(u64::MAX);
        finished.worker == Some(self.worker)
            && self.began < finished.started.saturating_add(total)
            && finished.started < ended
    }
}

impl Trace {
    fn new(finished: Box<Finished>, calls: Vec<Call>, stall: Option<Stall>, pauses: Vec<Pause>) -> Self {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let of_request = size_of::<Finished>()
            + finished.state.len()
            + text(&finished.path)
            + text(&finished.route)
            + text(&finished.user_agent)
            + text(&finished.request_id)
            + stall.as_ref().map_or(0, |stall| stall.stack.len())
            + pauses.len() * size_of::<Pause>();
        let of_calls: usize = calls.iter().map(|call| size_of::<Call>() + call.said.length()).sum();
        Self { bytes: of_request + of_calls, finished, calls, stall, pauses }
    }
}
