//! Keep a line, or sample it.
//!
//! Below the budget everything passes untouched. Above it debug and info lines are sampled by request: all lines of
//! a request stay or go together, by a threshold on its trace (or request) id that every process of a fleet compares
//! in the same way. Lines of a request that goes are held for a moment, because it may still fail: then all that is
//! held comes out. Warnings and errors stay, up to a cap per fingerprint. What stays of a sample has the number of
//! lines that it stands for, so that counts remain true.

mod budget;
mod caps;
mod decisions;
mod held;
mod tally;
#[cfg(test)]
mod tests;
mod weight;

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use self::budget::Budget;
pub use self::budget::Change;
use self::caps::{Cap, Caps};
use self::decisions::Decisions;
use self::held::Held;
pub use self::tally::{Tally, Verdict};
use self::weight::Weights;
use super::record::{Level, Record, Stream};
use super::understand::{fingerprint, hash};
use crate::ids::WorkerId;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    pub mode: Mode,
    /// Lines per second; `None`: no budget.
    pub rate: Option<u32>,
    /// This share of debug and info lines, whatever their number.
    pub sample: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes; what would be done is counted.
    Observe,
    Enforce,
}

/// A record before it is known whether it stays.
#[derive(Debug)]
pub struct Candidate {
    pub record: Record,
    /// Where the message is in the line.
    pub message: Range<usize>,
    pub is_traced: bool,
}

/// How a request went, as the gateway saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub request: Option<Bytes>,
    pub trace: Option<[u8; 16]>,
    pub status: u16,
    /// Slower than 99 of 100 of its route.
    pub is_slow: bool,
    /// Its trace is recorded.
    pub is_traced: bool,
}

/// What a line belongs to: a hash for tables, and 56 evenly spread bits for the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    hash: u64,
    point: u64,
}

/// The points of all requests lie in `0..POINTS`, as OpenTelemetry's consistent sampling has it.
const POINTS: u64 = 1 << 56;

impl Key {
    fn of(trace: Option<[u8; 16]>, request: Option<&[u8]>) -> Option<Self> {
        if let Some(trace) = trace {
            let [.., a, b, c, d, e, f, g] = trace;
            return Some(Self { hash: hash(&trace), point: u64::from_be_bytes([0, a, b, c, d, e, f, g]) });
        }
        let hash = hash(request?);
        Some(Self { hash, point: hash >> 8 })
    }

    /// Of all requests, this share is in; the smaller the share, the fewer of the same ones.
    #[expect(
        clippy::cast_precision_loss,
        reason = "56 bits against the 53 of a double: a request in 2^53 is off"
    )]
    fn is_in(self, share: f64) -> bool {
        self.point as f64 >= (1.0 - share) * POINTS as f64
    }
}

/// Lines of a worker that ends.
const LAST_WORDS: usize = 50;

fn last_words_of(worker: Option<WorkerId>, stream: Stream) -> u64 {
    let (index, incarnation) = worker.map_or((u16::MAX, 0), |worker| (worker.index, worker.incarnation));
    hash(&[&index.to_le_bytes()[..], &incarnation.to_le_bytes(), stream.word().as_bytes()].concat())
}

#[derive(Debug)]
pub struct Keeper {
    rules: Rules,
    budget: Budget,
    caps: Caps,
    decisions: Decisions,
    held: Held,
    weights: Weights,
    tally: Tally,
}

impl Keeper {
    #[must_use]
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            budget: Budget::new(rules.rate, now),
            caps: Caps::default(),
            decisions: Decisions::new(now),
            held: Held::default(),
            weights: Weights::default(),
            tally: Tally::default(),
        }
    }

    /// Takes a line. It, and what was held and now stays, is appended to `kept`.
    pub fn take(&mut self, candidate: Candidate, now: Instant, kept: &mut Vec<Arc<Record>>) {
        let share = self.share();
        if share >= 1.0 && self.rules.sample.is_none() && !self.budget.is_near() {
            // Nearly always: nothing is looked at.
            return self.keep(candidate.record, 1, now, kept);
        }
        if self.rules.mode == Mode::Observe {
            let copy = Candidate { record: candidate.record.clone(), ..candidate };
            let mut unheard = Vec::new();
            self.judge(copy, share, now, &mut unheard);
            kept.push(Arc::new(candidate.record));
            return;
        }
        self.judge(candidate, share, now, kept);
    }

    /// Takes a line that stays whatever the budget says, and costs it nothing.
    pub fn pass(&mut self, record: Record, kept: &mut Vec<Arc<Record>>) {
        self.tally.add(&record, Verdict::Kept);
        kept.push(Arc::new(record));
    }

    /// How a request went, told when it is over.
    pub fn hear(&mut self, outcome: &Outcome, now: Instant, kept: &mut Vec<Arc<Record>>) {
        let Some(key) = Key::of(outcome.trace, outcome.request.as_deref()) else { return };
        let is_traced = outcome.is_traced && self.budget.has_room_for_traced();
        if outcome.status >= 500 || outcome.is_slow || is_traced {
            self.release(key, now, kept);
        } else {
            self.tally.add_all(self.held.forget(key.hash), Verdict::Sampled);
        }
    }

    /// A worker's stream has ended: the last of what went comes out all the same, because it may say why.
    pub fn last_words(
        &mut self,
        worker: Option<WorkerId>,
        stream: Stream,
        now: Instant,
        kept: &mut Vec<Arc<Record>>,
    ) {
        let hash = last_words_of(worker, stream);
        let gone = self.held.shorten(hash, LAST_WORDS);
        self.tally.add_all(gone, Verdict::Sampled);
        self.let_out(hash, now, kept);
    }

    /// To be called often, at least twice a second while lines come.
    pub fn tick(&mut self, now: Instant) -> Option<Change> {
        self.tally.add_all(self.held.expire(now), Verdict::Sampled);
        self.decisions.tick(now);
        let change = self.budget.tick(now);
        if !self.is_choosing() {
            self.weights.settle();
        }
        change
    }

    /// The end: what is still held has not failed.
    pub fn end(&mut self) {
        self.tally.add_all(self.held.clear(), Verdict::Sampled);
    }

    /// Something is held that will have to be let go.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty() || self.budget.share() < 1.0
    }

    /// Lines go, or may go soon: how requests went makes a difference.
    #[must_use]
    pub fn is_choosing(&self) -> bool {
        self.share() < 1.0 || self.rules.sample.is_some() || self.budget.is_near()
    }

    /// What was decided since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn share(&self) -> f64 {
        self.rules.sample.unwrap_or(1.0).min(self.budget.share())
    }

    fn judge(&mut self, candidate: Candidate, share: f64, now: Instant, kept: &mut Vec<Arc<Record>>) {
        let Candidate { record, message, is_traced } = candidate;
        let key = Key::of(record.trace, record.request());
        if record.level >= Level::Warn {
            return self.judge_urgent(record, &message, key, now, kept);
        }
        let Some(key) = key else {
            return self.judge_lone(record, share, now, kept);
        };
        let budget = &mut self.budget;
        let weights = &mut self.weights;
        weights.see();
        let weight = self.decisions.get_or_decide(key.hash, || match () {
            () if share >= 1.0 || (is_traced && budget.has_room_for_traced()) => 1,
            () if key.is_in(share) => weights.of_request(share),
            () => 0,
        });
        if is_traced && weight == 1 {
            self.budget.count_traced();
        }
        if weight > 0 {
            self.weights.stand_for(weight);
            return self.keep(record, weight, now, kept);
        }
        self.budget.count(false, now);
        let gone = self.held.hold(key.hash, record, now);
        self.tally.add_all(gone, Verdict::Sampled);
    }

    /// A line of no request. Those that go are held as if the worker's stream were one: they may be its last words.
    fn judge_lone(&mut self, record: Record, share: f64, now: Instant, kept: &mut Vec<Arc<Record>>) {
        let weight = self.weights.of_next(share);
        if weight > 0 {
            return self.keep(record, weight, now, kept);
        }
        self.budget.count(false, now);
        let hash = last_words_of(record.worker, record.stream);
        let gone = self.held.hold(hash, record, now);
        self.tally.add_all(gone, Verdict::Sampled);
    }

    /// Warnings and errors. An error is the failure of its request.
    fn judge_urgent(
        &mut self,
        record: Record,
        message: &Range<usize>,
        key: Option<Key>,
        now: Instant,
        kept: &mut Vec<Arc<Record>>,
    ) {
        let is_capped = self.budget.share() < 1.0 || self.rules.sample.is_some();
        let message = record.line.get(message.clone()).unwrap_or_default();
        let cap =
            if is_capped { self.caps.admit(fingerprint(message), now) } else { Cap::Keep { weight: 1 } };
        match cap {
            Cap::Keep { weight } => {
                if let Some(key) = key.filter(|_| record.level >= Level::Error) {
                    self.release(key, now, kept);
                }
                self.keep(record, weight, now, kept);
            }
            Cap::Drop => {
                self.budget.count(false, now);
                self.tally.add(&record, Verdict::Capped);
            }
        }
    }

    /// The request stays, with all that is held of it.
    fn release(&mut self, key: Key, now: Instant, kept: &mut Vec<Arc<Record>>) {
        self.decisions.keep(key.hash);
        let count = self.let_out(key.hash, now, kept);
        (0..count).for_each(|_| self.weights.stand_for(1));
    }

    /// What is held comes out; how many lines that were.
    fn let_out(&mut self, hash: u64, now: Instant, kept: &mut Vec<Arc<Record>>) -> usize {
        // Where all passes, it is held as well, but as a copy.
        let mut unheard = Vec::new();
        let kept = if self.rules.mode == Mode::Observe { &mut unheard } else { kept };
        let held = self.held.release(hash);
        let count = held.len();
        for record in held {
            self.keep(record, 1, now, kept);
        }
        count
    }

    fn keep(&mut self, record: Record, weight: u32, now: Instant, kept: &mut Vec<Arc<Record>>) {
        self.budget.count(true, now);
        self.tally.add(&record, Verdict::Kept);
        // Of a chunk of which little stays, the rest must not be kept alive by that little.
        let is_alone = self.budget.share() < 1.0 || self.rules.sample.is_some();
        let record = if is_alone && self.rules.mode == Mode::Enforce {
            weight::detach(record, weight)
        } else {
            record
        };
        kept.push(Arc::new(record));
    }
}
