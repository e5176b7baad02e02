//! Sending what must not be waited for: log lines, traces, figures. A queue, and a thread that takes what waits,
//! delivers it, and tries again with growing pauses where that fails.
//!
//! ```text
//! who has something ─ offer ─► queue ─ take ─► shipper ─ deliver ─► outlet (stream, file, collector, syslog)
//!                              bounded         tries again, says what was lost
//! ```

pub(super) mod http;
pub(super) mod queue;
pub(super) mod stats;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::queue::{Limits, Lost, Queue};
use self::stats::Reason;

const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// What is sent matters more or less: so many ranks there are.
pub(super) const RANKS: usize = 6;

/// What can be sent.
pub(super) trait Item: Send + Sync + Sized + 'static {
    const WORDS: &'static Words;

    /// How much it matters, below [`RANKS`]: what finds no room goes in this order.
    fn rank(&self) -> usize;

    /// What it takes of the memory.
    fn bytes(&self) -> usize;

    /// What is said to have been sent of it.
    fn length(&self) -> usize {
        self.bytes()
    }

    /// Nanoseconds since the epoch.
    fn at(&self) -> u64;

    /// A copy that keeps nothing else alive, where it does.
    fn detached(&self) -> Option<Self> {
        None
    }
}

/// How people are told of items.
#[derive(Debug)]
pub(super) struct Words {
    /// `logs`
    pub(super) what: &'static str,
    /// `line`
    pub(super) one: &'static str,
    /// `lines of the app`
    pub(super) many: &'static str,
    pub(super) ranks: [&'static str; RANKS],
    /// The metric that counts what was dropped.
    pub(super) dropped: &'static str,
    /// Whose settings may be wrong.
    pub(super) settings: &'static str,
}

/// Where items go, and how.
pub(super) trait Outlet<T>: Send {
    /// Delivers all of it, or nothing. `deadline`: it must be over by then.
    ///
    /// # Errors
    /// Why not, and whether it is worth another try.
    fn deliver(&mut self, batch: &[Arc<T>], deadline: Option<Instant>) -> Result<(), Trouble>;

    /// How much it likes at once.
    fn limits(&self) -> Limits;
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may work later; `after`: not before that.
    Later { why: String, hint: &'static str, after: Option<Duration> },
    /// These items will never be taken.
    Never { why: String },
    /// Some of them, as many as told, will never be taken; the others were.
    Partly { why: String, items: u64 },
    /// Nothing will ever be taken again, and nobody is there to miss it.
    Gone,
}

impl Trouble {
    pub(super) fn later(why: impl fmt::Display, hint: &'static str) -> Self {
        Self::Later { why: why.to_string(), hint, after: None }
    }
}

pub(super) struct Shipper<T> {
    queue: Arc<Queue<T>>,
    outlet: Box<dyn Outlet<T>>,
    /// Since when nothing has been delivered.
    failing: Option<Instant>,
    /// It was said that some are refused; the next time is said after one was taken.
    has_said_refused: bool,
}

/// What became of a batch.
enum Outcome {
    Delivered,
    GoOn,
    Over,
}

impl<T: Item> Shipper<T> {
    pub(super) fn new(queue: Arc<Queue<T>>, outlet: Box<dyn Outlet<T>>) -> Self {
        Self { queue, outlet, failing: None, has_said_refused: false }
    }

    /// Until the queue is closed and empty, or the deadline has passed.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while self.queue.take(&mut batch, self.outlet.limits()) {
            match self.deliver(&batch) {
                Outcome::Delivered => {
                    let lost = self.queue.delivered(&batch);
                    self.say_recovered(&lost);
                }
                Outcome::GoOn => {}
                Outcome::Over => break,
            }
            batch.clear();
        }
        self.queue.finish();
    }

    /// Until it is delivered, or it is clear that it never will be.
    fn deliver(&mut self, batch: &[Arc<T>]) -> Outcome {
        let mut pause = PAUSE_FIRST;
        loop {
            let trouble = match self.outlet.deliver(batch, self.queue.deadline()) {
                Ok(()) => return Outcome::Delivered,
                Err(trouble) => trouble,
            };
            self.queue.stats().fail();
            let after = match trouble {
                Trouble::Gone => {
                    self.queue.break_off(batch, Reason::Broken);
                    return Outcome::GoOn;
                }
                Trouble::Never { why } => {
                    self.say_refused(&why);
                    self.queue.given_up(batch, Reason::Refused);
                    return Outcome::GoOn;
                }
                Trouble::Partly { why, items } => {
                    self.say_refused(&why);
                    self.queue.stats().drop_unknown(items);
                    return Outcome::Delivered;
                }
                Trouble::Later { why, hint, after } => {
                    self.say_failing(&why, hint);
                    after
                }
            };
            let deadline = self.queue.pause(after.unwrap_or(pause).min(PAUSE_MOST));
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.queue.break_off(batch, Reason::Undelivered);
                return Outcome::Over;
            }
            // At the end there is no time for long pauses.
            pause = if deadline.is_some() { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MOST) };
        }
    }

    fn say_failing(&mut self, why: &str, hint: &str) {
        if self.failing.is_none() {
            self.failing = Some(Instant::now());
            let Words { what, one, .. } = T::WORDS;
            tracing::warn!(
                "{what} to {}: {why}; {one}s wait for it, the app does not; hint: {hint}",
                self.name()
            );
        }
    }

    fn say_refused(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_said_refused, true) {
            let Words { what, one, dropped, settings, .. } = T::WORDS;
            tracing::warn!(
                "{what} to {}: {one}s are refused, and dropped: {why}; hint: \
                 {dropped} counts them; correct {settings} or the other side's",
                self.name()
            );
        }
    }

    fn say_recovered(&mut self, lost: &Lost) {
        self.has_said_refused = false;
        let (what, name) = (T::WORDS.what, self.queue.stats().name());
        match (self.failing.take(), lost.since) {
            (Some(since), _) => {
                let (seconds, lost) = (since.elapsed().as_secs_f64(), lost.describe());
                tracing::warn!("{what} to {name} are delivered again after {seconds:.1}s: {lost}");
            }
            (None, Some(since)) => {
                let (seconds, lost) = (since.elapsed().as_secs_f64(), lost.describe());
                tracing::warn!("{what} to {name} came faster than they were taken for {seconds:.1}s: {lost}");
            }
            (None, None) => {}
        }
    }

    fn name(&self) -> &str {
        self.queue.stats().name()
    }
}
