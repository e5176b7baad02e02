//! From what is heard of a stall while it lasts to the incident that it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::source::Sources;
use super::{Event, ProcessKey, Resumed};
use crate::concerns::event_loop::incident::calls::{self, Call};
use crate::concerns::event_loop::incident::stack::{self, Frame};
use crate::concerns::event_loop::incident::{End, Incident, Look, Observed, conclude};
use crate::concerns::event_loop::profile::Origin;
use crate::ids::WorkerId;
use crate::sys::cgroup;

/// Looks at one stall that are understood; a longer one has shown what it is.
const LOOKS_MAX: usize = 40;
/// A stall that has lasted for so long is told before it is over.
const TOLD_AFTER_MS: u32 = 5000;
/// Processes of workers that stand still at the same time.
const OPEN_MAX: usize = 1024;

/// What is to be written down and told.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) over: Vec<Incident>,
    pub(super) lines: Vec<(String, Option<String>)>,
    /// What a route was seen to do.
    pub(super) glimpsed: Option<(String, Look)>,
}

pub(super) struct Track {
    origin: Origin,
    sources: Sources,
    open: BTreeMap<ProcessKey, Open>,
    stopped: BTreeMap<WorkerId, Stop>,
    /// For how long the container had been throttled when it was last looked.
    throttled: Option<Duration>,
}

struct Open {
    stall: u32,
    began: Instant,
    observed: Observed,
    throttled: Option<Duration>,
    is_told: bool,
}

struct Stop {
    since: Instant,
    waited: u32,
    rescued: u32,
    route: Option<String>,
}

impl Track {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            sources: Sources::default(),
            open: BTreeMap::new(),
            stopped: BTreeMap::new(),
            throttled: cgroup::throttled(),
        }
    }

    pub(super) fn take(&mut self, event: Event, now: Instant) -> Outcome {
        match event {
            Event::Stalled { process, stall, at_ms, route, alone, body, stack, late, ordered, waited } => {
                let look = match ordered {
                    Some(ordered) => Some(Look { culprit: None, call: Some(calls::ordered(ordered)) }),
                    None => self.look(&stack, late),
                };
                let open = self.open(process, stall, at_ms, now);
                let Some(open) = open else { return Outcome::default() };
                let observed = &mut open.observed;
                observed.total_ms = at_ms;
                observed.route = observed.route.take().or(route);
                observed.alone = observed.alone.take().or(alone);
                observed.body = observed.body.or(body);
                observed.waited = observed.waited.max(waited);
                if observed.looks.len() < LOOKS_MAX {
                    observed.looks.extend(look);
                }
                self.tell_lasting(process)
            }
            Event::Resumed(resumed) => self.turned(resumed),
            Event::Stopped { worker, since, waited } => {
                let stop = Stop { since, waited: 0, rescued: 0, route: None };
                let stop = self.stopped.entry(worker).or_insert(stop);
                stop.waited = stop.waited.max(waited);
                Outcome::default()
            }
            Event::Runs { worker, waited, rescued } => {
                let mut stop = self.stopped.remove(&worker);
                if let Some(stop) = &mut stop {
                    stop.waited = stop.waited.max(waited);
                }
                let over = stop.map(|stop| stop.conclude(worker, rescued, End::Turned, now));
                Outcome { over: over.into_iter().collect(), ..Outcome::default() }
            }
            Event::Ended { worker } => Outcome { over: self.end(worker, now), ..Outcome::default() },
            Event::Glimpsed { route, stack, late } => {
                let glimpsed = self.look(&stack, late).map(|look| (route, look));
                Outcome { glimpsed, ..Outcome::default() }
            }
            Event::Large { .. } | Event::Busy { .. } => Outcome::default(),
        }
    }

    fn turned(&mut self, resumed: Resumed) -> Outcome {
        let throttled = cgroup::throttled();
        let before = std::mem::replace(&mut self.throttled, throttled);
        let open = self.open.remove(&resumed.process).filter(|open| open.stall == resumed.stall);
        let Some(Open { observed, throttled: then, .. }) = open else { return Outcome::default() };
        let observed = Observed {
            total_ms: resumed.total_ms,
            gc_ms: resumed.gc_ms,
            cpu_ms: Some(resumed.cpu_ms),
            delayed_ms: resumed.delayed_ms,
            throttled_ms: grown(then.or(before), throttled, resumed.total_ms),
            answered: resumed.answered,
            hit: resumed.hit,
            rescued: resumed.rescued,
            waited: observed.waited.max(resumed.waited),
            end: End::Turned,
            ..observed
        };
        // The watchdog of a stopped process wakes up with it: what it tells is the same thing.
        if let Some(stop) = self.stopped.get_mut(&resumed.process.0) {
            stop.waited = stop.waited.max(observed.waited);
            stop.rescued = stop.rescued.max(observed.rescued);
            stop.route = stop.route.take().or(observed.route);
            return Outcome::default();
        }
        Outcome { over: vec![conclude(&observed)], ..Outcome::default() }
    }

    /// What lasts at this moment.
    pub(super) fn lasting(&self, now: Instant) -> Vec<Incident> {
        let stalls = self.open.values().map(|open| {
            let total_ms = ms(now.saturating_duration_since(open.began));
            conclude(&Observed { total_ms, ..open.observed.clone() })
        });
        let stops = self.stopped.iter().map(|(worker, stop)| stop.conclude(*worker, 0, End::Lasts, now));
        stalls.chain(stops).collect()
    }

    fn open(&mut self, process: ProcessKey, stall: u32, at_ms: u32, now: Instant) -> Option<&mut Open> {
        // The end of an older one was lost.
        if self.open.get(&process).is_some_and(|open| open.stall != stall) {
            self.open.remove(&process);
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&process) {
            return None;
        }
        let before = self.throttled;
        Some(self.open.entry(process).or_insert_with(|| Open {
            stall,
            began: now.checked_sub(Duration::from_millis(at_ms.into())).unwrap_or(now),
            observed: Observed { worker: process.0.index, ..Observed::default() },
            throttled: before,
            is_told: false,
        }))
    }

    fn tell_lasting(&mut self, process: ProcessKey) -> Outcome {
        let Some(open) = self.open.get_mut(&process) else { return Outcome::default() };
        if open.is_told || open.observed.total_ms < TOLD_AFTER_MS {
            return Outcome::default();
        }
        open.is_told = true;
        let incident = conclude(&open.observed);
        Outcome { lines: vec![(incident.text, incident.hint)], ..Outcome::default() }
    }

    fn end(&mut self, worker: WorkerId, now: Instant) -> Vec<Incident> {
        let ended: Vec<ProcessKey> = self.open.keys().filter(|(of, _)| *of == worker).copied().collect();
        let open = ended.into_iter().filter_map(|process| self.open.remove(&process));
        let mut over: Vec<Incident> = open
            .map(|open| {
                let total_ms = ms(now.saturating_duration_since(open.began));
                conclude(&Observed { total_ms, end: End::Died, ..open.observed })
            })
            .collect();
        over.extend(self.stopped.remove(&worker).map(|stop| stop.conclude(worker, 0, End::Died, now)));
        over
    }

    /// Understands one look. `None`: nothing was seen.
    fn look(&mut self, text: &str, late: bool) -> Option<Look> {
        let mut frames = stack::read(text);
        // A helper is entered far more often than it is where the time goes.
        if let Some(first) = frames.first().filter(|first| !first.script.starts_with("node:"))
            && calls::is_entry(&self.sources.line(&first.script, first.line), first.column)
        {
            frames.remove(0);
        }
        let Some((inner, app)) = stack::written(&frames, &self.origin) else {
            let call = calls::in_stack(&frames);
            return call.map(|call| Look { culprit: None, call: Some(call) });
        };
        let above = frames.iter().take_while(|frame| *frame != inner);
        let above: Vec<Frame> = above.cloned().collect();
        let mut blamed = inner;
        // Of the packages that the app called, too.
        let within: Vec<Frame> = frames.iter().take_while(|frame| Some(*frame) != app).cloned().collect();
        let mut call = calls::of_logger(&within).or_else(|| calls::in_stack(&above));
        if call.is_none() && late {
            let source = self.sources.find(&inner.script, inner.line, inner.column);
            call = Some(calls::near(&source.lines).unwrap_or_else(calls::unknown));
        } else if call.is_none() {
            // A callback that V8 calls, as `sort` does, has its caller right behind it.
            let behind = frames.iter().skip(above.len()).take(2);
            let seen = behind.map(|frame| (frame, self.call_at(frame))).find(|(_, call)| call.is_some());
            if let Some((frame, seen)) = seen {
                (blamed, call) = (frame, seen);
            }
        }
        let app = if blamed == inner { app } else { Some(blamed) };
        let (sources, origin) = (&mut self.sources, &self.origin);
        let to_locate = app.unwrap_or(blamed);
        let source = sources.find(&to_locate.script, to_locate.line, to_locate.column);
        let name = stack::name(to_locate, &frames);
        let located = |_: &Frame| (name.to_owned(), source.script.clone(), source.line);
        Some(Look { culprit: Some(stack::culprit((blamed, app), origin, located)), call })
    }

    fn call_at(&mut self, frame: &Frame) -> Option<Call> {
        let line = self.sources.line(&frame.script, frame.line);
        calls::at(&line, frame.column)
    }
}

impl Stop {
    fn conclude(&self, worker: WorkerId, rescued: u32, end: End, now: Instant) -> Incident {
        let rescued = self.rescued.max(rescued);
        conclude(&Observed {
            worker: worker.index,
            route: self.route.clone(),
            total_ms: ms(now.saturating_duration_since(self.since)),
            was_stopped: true,
            waited: self.waited.max(rescued),
            rescued,
            end,
            ..Observed::default()
        })
    }
}

fn grown(before: Option<Duration>, after: Option<Duration>, most_ms: u32) -> u32 {
    let (Some(before), Some(after)) = (before, after) else { return 0 };
    ms(after.saturating_sub(before)).min(most_ms)
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
