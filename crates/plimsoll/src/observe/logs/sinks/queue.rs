//! What waits for one sink: bounded, and what finds no room is what matters least.
//!
//! A line that comes when the queue is full pushes out older lines of a lower level, and is refused itself if there
//! are none. Records have numbers in the order in which they were offered, so that it can be told up to where all has
//! been dealt with, whatever was dropped in between.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stats::{Reason, SinkStats};
use crate::concerns::logs::record::{Level, Record};

/// What a record takes beside its line.
const RECORD_BYTES: usize = 192;

#[derive(Debug)]
pub(in crate::observe::logs) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    over: Condvar,
    /// Lines below it are of no interest; `None`: none is of any.
    least: Option<Level>,
    bytes_max: usize,
    stats: Arc<SinkStats>,
}

#[derive(Debug, Default)]
struct State {
    /// By level: number and record.
    lines: [VecDeque<(u64, Arc<Record>)>; Level::ALL.len()],
    /// The number of the next record that is offered.
    next: u64,
    /// Of what waits, and of what is being delivered.
    bytes: usize,
    in_flight: Option<InFlight>,
    lost: Lost,
    /// The end: until then.
    deadline: Option<Instant>,
    /// Nothing more is taken.
    is_broken: bool,
    /// The other side is gone for good, and nobody misses anything.
    is_gone: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    oldest: u64,
    bytes: usize,
    by_level: [u64; Level::ALL.len()],
}

/// What was dropped since people last heard of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    pub(super) since: Option<Instant>,
    by_level: [u64; Level::ALL.len()],
}

/// How much is taken out at once, and how long more is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) within: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Some,
    /// Nothing came in time.
    Nothing,
    /// It is over.
    Over,
}

impl Queue {
    pub(super) fn new(least: Option<Level>, bytes_max: usize, stats: Arc<SinkStats>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            over: Condvar::new(),
            least,
            bytes_max,
            stats,
        }
    }

    pub(super) fn stats(&self) -> &SinkStats {
        &self.stats
    }

    /// Takes records in; never waits.
    pub(super) fn offer<'a>(&self, records: impl Iterator<Item = &'a Arc<Record>>) {
        let Some(least) = self.least else { return };
        let mut records = records.filter(|record| record.level >= least).peekable();
        if records.peek().is_none() {
            return;
        }
        let mut state = self.state();
        for record in records {
            let number = state.next;
            state.next += 1;
            if state.is_broken {
                self.stats.drop_one(record.level, Reason::Broken);
            } else if self.make_room(&mut state, record) {
                state.bytes += size(record);
                let record = self.own(&state, record);
                if let Some(lines) = state.lines.get_mut(record.level.index()) {
                    lines.push_back((number, record));
                }
            }
        }
        self.note(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// Is there room, or could it be made?
    fn make_room(&self, state: &mut State, record: &Record) -> bool {
        let size = size(record);
        while state.bytes + size > self.bytes_max {
            let victim = state
                .lines
                .get_mut(..record.level.index())
                .into_iter()
                .flatten()
                .find_map(|lines| lines.pop_front().map(|(_, victim)| victim));
            let level = victim.as_ref().map_or(record.level, |victim| victim.level);
            state.lost.add(level);
            self.stats.drop_one(level, Reason::QueueFull);
            let Some(victim) = victim else { return false };
            state.bytes -= self::size(&victim);
        }
        true
    }

    /// Where lines in between are missing, a line must not keep the whole piece alive that it was read in: the memory
    /// would be another than what is counted here.
    fn own(&self, state: &State, record: &Arc<Record>) -> Arc<Record> {
        let has_gaps = self.least > Some(Level::Trace) || state.bytes > self.bytes_max / 4;
        if has_gaps { Arc::new(Record::clone(record).detached()) } else { Arc::clone(record) }
    }

    /// Moves the oldest records into `batch`, which is empty; waits until there are enough, or for long enough, and no
    /// longer than `until`.
    pub(super) fn take(&self, batch: &mut Vec<Arc<Record>>, limits: Limits, until: Option<Instant>) -> Taken {
        let idle = |state: &mut State| state.is_empty() && state.deadline.is_none();
        let mut state = match until {
            None => self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let within = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(self.state(), within, idle);
                let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                if timeout.timed_out() && state.is_empty() {
                    return Taken::Nothing;
                }
                state
            }
        };
        if !limits.within.is_zero() {
            let few = |state: &mut State| state.bytes < limits.bytes && state.deadline.is_none();
            let waited = self.changed.wait_timeout_while(state, limits.within, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut bytes = 0;
        while bytes < limits.bytes
            && let Some((number, record)) = state.pop()
        {
            bytes += size(&record);
            let none = InFlight { oldest: number, bytes: 0, by_level: Default::default() };
            let in_flight = state.in_flight.get_or_insert(none);
            in_flight.bytes = bytes;
            if let Some(lines) = in_flight.by_level.get_mut(record.level.index()) {
                *lines += 1;
            }
            batch.push(record);
        }
        if batch.is_empty() { Taken::Over } else { Taken::Some }
    }

    /// What was taken waits somewhere else.
    pub(super) fn set_aside(&self) {
        let mut state = self.state();
        state.land();
        self.note(&state);
    }

    /// What was taken has been delivered. Gives what people should hear of.
    pub(super) fn delivered(&self, batch: &[Arc<Record>]) -> Lost {
        self.stats.deliver(batch);
        let mut state = self.state();
        state.land();
        self.note(&state);
        // Not while it is still full: it would be said again and again.
        if state.bytes < self.bytes_max / 4 { std::mem::take(&mut state.lost) } else { Lost::default() }
    }

    /// What was taken will never be delivered.
    pub(super) fn given_up(&self, batch: &[Arc<Record>], reason: Reason) {
        let mut state = self.state();
        for record in batch {
            self.stats.drop_one(record.level, reason);
            state.lost.add(record.level);
        }
        state.land();
        self.note(&state);
    }

    /// The other side is gone for good: nothing waits for it any more.
    pub(super) fn break_off(&self, batch: &[Arc<Record>], reason: Reason) {
        self.given_up(batch, reason);
        let mut state = self.state();
        state.is_broken = true;
        state.is_gone = reason == Reason::Broken;
        while let Some((_, record)) = state.pop() {
            self.stats.drop_one(record.level, reason);
            state.lost.add(record.level);
        }
        state.bytes = 0;
        self.note(&state);
    }

    /// Sleeps, unless the end comes first. Gives the deadline where there is one.
    pub(super) fn pause(&self, length: Duration) -> Option<Instant> {
        let state = self.state();
        let waited = match state.deadline {
            None => self.changed.wait_timeout_while(state, length, |state| state.deadline.is_none()),
            Some(deadline) => {
                let left = length.min(deadline.saturating_duration_since(Instant::now()));
                self.changed.wait_timeout_while(state, left, |_| true)
            }
        };
        waited.unwrap_or_else(PoisonError::into_inner).0.deadline
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.state().deadline
    }

    /// The end: what is queued is delivered until then.
    pub(super) fn close(&self, deadline: Instant) {
        self.state().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// The sink's thread has done all it could.
    pub(super) fn finish(&self) {
        self.state().is_over = true;
        self.over.notify_all();
    }

    /// What people have not heard of when it is over, or the deadline: what was dropped, and what is left.
    pub(super) fn wait_until_over(&self, deadline: Instant) -> Lost {
        let within = deadline.saturating_duration_since(Instant::now());
        let waited = self.over.wait_timeout_while(self.state(), within, |state| !state.is_over);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut lost = std::mem::take(&mut state.lost);
        if state.is_gone {
            return Lost::default();
        }
        let in_flight = state.in_flight.map_or([0; Level::ALL.len()], |in_flight| in_flight.by_level);
        for ((lost, waiting), sent) in lost.by_level.iter_mut().zip(&state.lines).zip(in_flight) {
            *lost += waiting.len() as u64 + sent;
        }
        lost
    }

    /// How many records it has been offered.
    pub(in crate::observe::logs) fn offered(&self) -> u64 {
        self.state().next
    }

    /// As many records as that have been dealt with.
    pub(in crate::observe::logs) fn is_done_up_to(&self, number: u64) -> bool {
        let state = self.state();
        state.in_flight.is_none_or(|in_flight| in_flight.oldest >= number)
            && state.oldest().is_none_or(|(oldest, _)| *oldest >= number)
    }

    fn note(&self, state: &State) {
        let since = state.oldest().map_or(0, |(_, record)| record.at);
        self.stats.note(state.bytes, since);
    }

    /// A thread that panicked here has left whole records behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    fn oldest(&self) -> Option<&(u64, Arc<Record>)> {
        self.lines.iter().filter_map(VecDeque::front).min_by_key(|(number, _)| *number)
    }

    fn pop(&mut self) -> Option<(u64, Arc<Record>)> {
        let (_, oldest) = self.oldest()?;
        let level = oldest.level;
        self.lines.get_mut(level.index())?.pop_front()
    }

    fn land(&mut self) {
        self.bytes -= self.in_flight.take().map_or(0, |in_flight| in_flight.bytes);
    }
}

impl Lost {
    fn add(&mut self, level: Level) {
        if let Some(lost) = self.by_level.get_mut(level.index()) {
            *lost += 1;
            self.since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn is_none(&self) -> bool {
        self.by_level.iter().all(|lost| *lost == 0)
    }

    /// `1300 lines of the app are missing (1200 info, 100 error)`
    pub(super) fn describe(&self) -> String {
        let by_level: Vec<String> = Level::ALL
            .iter()
            .zip(self.by_level)
            .filter(|(_, count)| *count > 0)
            .map(|(level, count)| format!("{count} {}", level.word()))
            .collect();
        match self.by_level.iter().sum::<u64>() {
            0 => "no line is missing".to_owned(),
            sum => format!("{sum} lines of the app are missing ({})", by_level.join(", ")),
        }
    }
}

fn size(record: &Record) -> usize {
    record.line.len() + RECORD_BYTES
}
