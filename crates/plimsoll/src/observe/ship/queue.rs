//! What waits to be sent: bounded, and what finds no room is what matters least.
//!
//! An item that comes when the queue is full pushes out older ones of a lower rank, and is refused itself if there
//! are none. Items have numbers in the order in which they were offered, so that it can be told up to where all has
//! been dealt with, whatever was dropped in between.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stats::{Reason, ShipStats};
use super::until::{Ending, Then, Until};
use super::{Item, RANKS, Words};

#[derive(Debug)]
pub(in crate::observe) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    over: Condvar,
    /// Items of a lower rank are of no interest; `None`: none is of any.
    least: Option<usize>,
    bytes_max: usize,
    stats: Arc<ShipStats>,
    ending: Ending,
}

#[derive(Debug)]
struct State<T> {
    /// By rank: number and item.
    items: [VecDeque<(u64, Arc<T>)>; RANKS],
    /// The number of the next item that is offered.
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
    by_rank: [u64; RANKS],
}

/// What was dropped since people last heard of it.
#[derive(Debug, Clone)]
pub(in crate::observe) struct Lost {
    words: &'static Words,
    pub(super) since: Option<Instant>,
    by_rank: [u64; RANKS],
}

/// How much is taken out at once, and how long more is waited for.
#[derive(Debug, Clone, Copy)]
pub(in crate::observe) struct Limits {
    pub(in crate::observe) bytes: usize,
    pub(in crate::observe) within: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Some,
    /// Nothing came in time.
    Nothing,
    /// It is over.
    Over,
}

impl<T: Item> Queue<T> {
    pub(in crate::observe) fn new(least: Option<usize>, bytes_max: usize, stats: Arc<ShipStats>) -> Self {
        Self {
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
            over: Condvar::new(),
            least,
            bytes_max,
            stats,
            ending: Ending::new(),
        }
    }

    pub(in crate::observe) fn stats(&self) -> &ShipStats {
        &self.stats
    }

    /// Takes items in; never waits.
    pub(in crate::observe) fn offer<'a>(&self, items: impl Iterator<Item = &'a Arc<T>>) {
        let Some(least) = self.least else { return };
        let mut items = items.filter(|item| item.rank() >= least).peekable();
        if items.peek().is_none() {
            return;
        }
        let mut state = self.state();
        for item in items {
            let number = state.next;
            state.next += 1;
            if state.is_broken {
                self.stats.drop_one(item.rank(), Reason::Broken);
            } else if self.make_room(&mut state, &**item) {
                state.bytes += item.bytes();
                let item = self.own(&state, item);
                if let Some(items) = state.items.get_mut(item.rank()) {
                    items.push_back((number, item));
                }
            }
        }
        self.note(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// Is there room, or could it be made?
    fn make_room(&self, state: &mut State<T>, item: &T) -> bool {
        while state.bytes + item.bytes() > self.bytes_max {
            // What is larger than the queue finds no room whatever goes.
            let lower = if item.bytes() > self.bytes_max { 0 } else { item.rank() };
            let victim = state
                .items
                .get_mut(..lower)
                .into_iter()
                .flatten()
                .find_map(|items| items.pop_front().map(|(_, victim)| victim));
            let rank = victim.as_ref().map_or(item.rank(), |victim| victim.rank());
            state.lost.add(rank);
            self.stats.drop_one(rank, Reason::QueueFull);
            let Some(victim) = victim else { return false };
            state.bytes -= victim.bytes();
        }
        true
    }

    /// Where items in between are missing, an item must not keep the whole piece alive that it was read in: the memory
    /// would be another than what is counted here.
    fn own(&self, state: &State<T>, item: &Arc<T>) -> Arc<T> {
        let has_gaps = self.least > Some(0) || state.bytes > self.bytes_max / 4;
        let detached = if has_gaps { item.detached() } else { None };
        detached.map_or_else(|| Arc::clone(item), Arc::new)
    }

    /// Moves the oldest items into `batch`, which is empty; waits until there are enough, or for long enough, and no
    /// longer than `until`.
    pub(super) fn take(&self, batch: &mut Vec<Arc<T>>, limits: Limits, until: Option<Instant>) -> Taken {
        let idle = |state: &mut State<T>| state.is_empty() && state.deadline.is_none();
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
            let few = |state: &mut State<T>| state.bytes < limits.bytes && state.deadline.is_none();
            let waited = self.changed.wait_timeout_while(state, limits.within, few);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut bytes = 0;
        while bytes < limits.bytes
            && let Some((number, item)) = state.pop()
        {
            bytes += item.bytes();
            let none = InFlight { oldest: number, bytes: 0, by_rank: Default::default() };
            let in_flight = state.in_flight.get_or_insert(none);
            in_flight.bytes = bytes;
            if let Some(items) = in_flight.by_rank.get_mut(item.rank()) {
                *items += 1;
            }
            batch.push(item);
        }
        if batch.is_empty() { Taken::Over } else { Taken::Some }
    }

    /// What was taken waits somewhere else.
    pub(super) fn set_aside(&self) {
        let mut state = self.state();
        state.land();
        self.note(&state);
    }

    /// What was taken has been delivered, but for so many that were `refused`. Gives what people should hear of.
    pub(super) fn delivered(&self, batch: &[Arc<T>], refused: u64) -> Lost {
        self.stats.deliver(batch, refused);
        let mut state = self.state();
        state.land();
        self.note(&state);
        // Not while it is still full: it would be said again and again.
        if state.bytes < self.bytes_max / 4 { state.lost.take() } else { Lost::none(T::WORDS) }
    }

    /// What was taken will never be delivered.
    pub(super) fn given_up(&self, batch: &[Arc<T>], reason: Reason) {
        let mut state = self.state();
        for item in batch {
            self.stats.drop_one(item.rank(), reason);
            state.lost.add(item.rank());
        }
        state.land();
        self.note(&state);
    }

    /// The other side is gone for good: nothing waits for it any more.
    pub(super) fn break_off(&self, batch: &[Arc<T>], reason: Reason) {
        self.given_up(batch, reason);
        let mut state = self.state();
        state.is_broken = true;
        state.is_gone = reason == Reason::Broken;
        while let Some((_, item)) = state.pop() {
            self.stats.drop_one(item.rank(), reason);
            state.lost.add(item.rank());
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

    /// By when an attempt must be over.
    pub(super) fn until(&self, then: Then) -> Until {
        self.ending.until(then)
    }

    /// The end: what is queued is delivered until then, and what hangs is given up.
    pub(in crate::observe) fn close(&self, deadline: Instant) {
        self.state().deadline = Some(deadline);
        self.changed.notify_all();
        self.ending.tell(deadline);
    }

    /// The thread that sends has done all it could.
    pub(super) fn finish(&self) {
        self.state().is_over = true;
        self.over.notify_all();
    }

    /// Waits until it is over, or the deadline, and tells what could not be delivered.
    pub(in crate::observe) fn tell_what_is_lost(&self, deadline: Instant) {
        let lost = self.wait_until_over(deadline);
        if !lost.is_none() {
            let (what, name, lost) = (T::WORDS.what, self.stats.name(), lost.describe());
            tracing::warn!("{what} to {name}: {lost}; they could not be delivered before the end");
        }
    }

    /// What people have not heard of when it is over, or the deadline: what was dropped, and what is left.
    pub(in crate::observe) fn wait_until_over(&self, deadline: Instant) -> Lost {
        let within = deadline.saturating_duration_since(Instant::now());
        let waited = self.over.wait_timeout_while(self.state(), within, |state| !state.is_over);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let mut lost = state.lost.take();
        if state.is_gone {
            return Lost::none(T::WORDS);
        }
        let in_flight = state.in_flight.map_or([0; RANKS], |in_flight| in_flight.by_rank);
        for ((lost, waiting), sent) in lost.by_rank.iter_mut().zip(&state.items).zip(in_flight) {
            *lost += waiting.len() as u64 + sent;
        }
        lost
    }

    /// How many items it has been offered.
    pub(in crate::observe) fn offered(&self) -> u64 {
        self.state().next
    }

    /// As many items as that have been dealt with.
    pub(in crate::observe) fn is_done_up_to(&self, number: u64) -> bool {
        let state = self.state();
        state.in_flight.is_none_or(|in_flight| in_flight.oldest >= number)
            && state.oldest().is_none_or(|(oldest, _)| *oldest >= number)
    }

    fn note(&self, state: &State<T>) {
        let since = state.oldest().map_or(0, |(_, item)| item.at());
        self.stats.note(state.bytes, since);
    }

    /// A thread that panicked here has left whole items behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item> State<T> {
    fn new() -> Self {
        Self {
            items: Default::default(),
            next: 0,
            bytes: 0,
            in_flight: None,
            lost: Lost::none(T::WORDS),
            deadline: None,
            is_broken: false,
            is_gone: false,
            is_over: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.items.iter().all(VecDeque::is_empty)
    }

    fn oldest(&self) -> Option<&(u64, Arc<T>)> {
        self.items.iter().filter_map(VecDeque::front).min_by_key(|(number, _)| *number)
    }

    fn pop(&mut self) -> Option<(u64, Arc<T>)> {
        let (_, oldest) = self.oldest()?;
        let rank = oldest.rank();
        self.items.get_mut(rank)?.pop_front()
    }

    fn land(&mut self) {
        self.bytes -= self.in_flight.take().map_or(0, |in_flight| in_flight.bytes);
    }
}

impl Lost {
    fn none(words: &'static Words) -> Self {
        Self { words, since: None, by_rank: [0; RANKS] }
    }

    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::none(self.words))
    }

    fn add(&mut self, rank: usize) {
        if let Some(lost) = self.by_rank.get_mut(rank) {
            *lost += 1;
            self.since.get_or_insert_with(Instant::now);
        }
    }

    pub(in crate::observe) fn is_none(&self) -> bool {
        self.by_rank.iter().all(|lost| *lost == 0)
    }

    /// `1300 lines of the app are missing (1200 info, 100 error)`
    pub(in crate::observe) fn describe(&self) -> String {
        let by_rank: Vec<String> = self
            .words
            .ranks
            .iter()
            .zip(self.by_rank)
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        match self.by_rank.iter().sum::<u64>() {
            0 => format!("no {} is missing", self.words.one),
            sum => format!("{sum} {} are missing ({})", self.words.many, by_rank.join(", ")),
        }
    }
}
