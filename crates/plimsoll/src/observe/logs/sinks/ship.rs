//! The thread of one sink: takes what waits, delivers it, and tries again with growing pauses where that fails.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Limits, Lost, Queue, Taken};
use super::spill::Spill;
use super::stats::Reason;
use crate::concerns::logs::record::Record;
use crate::observe::units;

const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// Of what lies on the disk; more than one, so that it becomes less while new lines come.
const BATCHES_AT_ONCE: usize = 8;

/// Where a sink's lines go, and how.
pub(super) trait Outlet: Send {
    /// Delivers all of it, or nothing. `deadline`: it must be over by then.
    ///
    /// # Errors
    /// Why not, and whether it is worth another try.
    fn deliver(&mut self, batch: &[Arc<Record>], deadline: Option<Instant>) -> Result<(), Trouble>;

    /// How much it likes at once.
    fn limits(&self) -> Limits;
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may work later; `after`: not before that.
    Later { why: String, hint: &'static str, after: Option<Duration> },
    /// These lines will never be taken.
    Never { why: String },
    /// Some of them, as many as told, will never be taken; the others were.
    Partly { why: String, lines: u64 },
    /// Nothing will ever be taken again, and nobody is there to miss it.
    Gone,
}

impl Trouble {
    pub(super) fn later(why: impl fmt::Display, hint: &'static str) -> Self {
        Self::Later { why: why.to_string(), hint, after: None }
    }
}

pub(super) struct Shipper {
    queue: Arc<Queue>,
    outlet: Box<dyn Outlet>,
    spill: Option<Spill>,
    /// Since when nothing has been delivered.
    failing: Option<Instant>,
    /// The next pause, and when it is over.
    pause: Duration,
    retry_at: Instant,
    /// It was said that lines are refused; the next time is said after one was taken.
    has_said_refused: bool,
    /// The same of a disk that takes no more.
    has_said_full: bool,
}

/// Not to be delivered now; not before `after`.
struct NotNow {
    after: Option<Duration>,
}

/// What became of a batch.
enum Outcome {
    Delivered,
    GoOn,
    Over,
}

impl Shipper {
    pub(super) fn new(queue: Arc<Queue>, outlet: Box<dyn Outlet>, spill: Option<Spill>) -> Self {
        Self {
            queue,
            outlet,
            spill,
            failing: None,
            pause: PAUSE_FIRST,
            retry_at: Instant::now(),
            has_said_refused: false,
            has_said_full: false,
        }
    }

    /// Until the queue is closed and empty, or the deadline has passed.
    pub(super) fn run(mut self) {
        self.look_at_spill();
        let mut batch = Vec::new();
        loop {
            let until = self.has_spilled().then_some(self.retry_at);
            let taken = self.queue.take(&mut batch, self.limits(), until);
            let has_taken = taken == Taken::Some;
            // What lies on the disk is older: this goes behind it.
            let is_aside = has_taken && self.has_spilled() && self.set_aside(&batch);
            if taken == Taken::Over {
                break;
            } else if is_aside || !has_taken {
                self.send_some_spilled();
            } else {
                match self.deliver(&batch) {
                    Outcome::Delivered => {
                        let lost = self.queue.delivered(&batch);
                        self.say_recovered(&lost);
                    }
                    Outcome::GoOn => {}
                    Outcome::Over => break,
                }
            }
            batch.clear();
        }
        self.say_spilled();
        self.queue.finish();
    }

    /// As the outlet likes it; where older lines are being sent, nobody waits for more of the new ones.
    fn limits(&self) -> Limits {
        let limits = self.outlet.limits();
        let is_sending = self.has_spilled() && self.retry_at <= Instant::now();
        Limits { within: if is_sending { Duration::ZERO } else { limits.within }, ..limits }
    }

    /// Until it is delivered or set aside, or it is clear that it never will be.
    fn deliver(&mut self, batch: &[Arc<Record>]) -> Outcome {
        loop {
            let trouble = match self.send_spilled(usize::MAX) {
                Ok(()) => {
                    let until = self.attempt_until();
                    match self.outlet.deliver(batch, until) {
                        Ok(()) => return self.succeed(),
                        Err(trouble) => trouble,
                    }
                }
                Err(NotNow { after }) => Trouble::Later { why: String::new(), hint: "", after },
            };
            let after = match trouble {
                Trouble::Gone => {
                    self.queue.stats().fail();
                    self.queue.break_off(batch, Reason::Broken);
                    return Outcome::GoOn;
                }
                Trouble::Never { why } => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    self.queue.given_up(batch, Reason::Refused);
                    return Outcome::GoOn;
                }
                Trouble::Partly { why, lines } => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    self.queue.stats().drop_unknown(lines);
                    return self.succeed();
                }
                Trouble::Later { why, hint, after } => self.fail(&why, hint, after),
            };
            if self.set_aside(batch) {
                self.retry_at = Instant::now() + after;
                return Outcome::GoOn;
            }
            let deadline = self.queue.pause(after);
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.queue.break_off(batch, Reason::Undelivered);
                return Outcome::Over;
            }
            if deadline.is_some() {
                // At the end there is no time for long pauses.
                self.pause = PAUSE_FIRST;
            }
        }
    }

    fn succeed(&mut self) -> Outcome {
        self.pause = PAUSE_FIRST;
        Outcome::Delivered
    }

    /// An attempt has failed; how long to wait. An empty `why` was said and counted already.
    fn fail(&mut self, why: &str, hint: &str, after: Option<Duration>) -> Duration {
        if !why.is_empty() {
            self.queue.stats().fail();
            self.say_failing(why, hint);
        }
        let pause = after.unwrap_or(self.pause).min(PAUSE_MOST);
        self.pause = (self.pause * 2).min(PAUSE_MOST);
        pause
    }

    /// By when an attempt must be over: where there is a disk, time must be left to use it.
    fn attempt_until(&self) -> Option<Instant> {
        let deadline = self.queue.deadline()?;
        let left = deadline.saturating_duration_since(Instant::now());
        Some(if self.spill.is_some() { deadline - left / 2 } else { deadline })
    }

    fn has_spilled(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.bytes() > 0)
    }

    /// Puts a batch on the disk. `false`: it is still ours.
    fn set_aside(&mut self, batch: &[Arc<Record>]) -> bool {
        let Some(spill) = &mut self.spill else { return false };
        match spill.push(batch) {
            Ok(()) => {
                self.queue.stats().note_spill(spill.bytes());
                self.queue.set_aside();
                true
            }
            Err(error) => {
                let why = format!("{} takes no more: {error}", spill.path().display());
                if !std::mem::replace(&mut self.has_said_full, true) {
                    self.say_unspilled(&why);
                }
                false
            }
        }
    }

    /// A little of what lies on the disk, if it is time; between two calls the queue is emptied.
    fn send_some_spilled(&mut self) {
        if self.retry_at > Instant::now() || self.queue.deadline().is_some() {
            return;
        }
        match self.send_spilled(BATCHES_AT_ONCE) {
            Ok(()) if !self.has_spilled() => {
                let lost = self.queue.delivered(&[]);
                self.say_recovered(&lost);
            }
            Ok(()) => {}
            Err(NotNow { after }) => self.retry_at = Instant::now() + self.fail("", "", after),
        }
    }

    /// At most so many batches of what lies on the disk.
    fn send_spilled(&mut self, count: usize) -> Result<(), NotNow> {
        for _ in 0..count {
            let Some(batch) = self.front() else { return Ok(()) };
            let until = self.attempt_until();
            match self.outlet.deliver(&batch, until) {
                Ok(()) => self.queue.stats().deliver(&batch),
                Err(Trouble::Partly { why, lines }) => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    self.queue.stats().deliver(&batch);
                    self.queue.stats().drop_unknown(lines);
                }
                Err(Trouble::Never { why }) => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    batch
                        .iter()
                        .for_each(|record| self.queue.stats().drop_one(record.level, Reason::Refused));
                }
                Err(Trouble::Gone) => return Err(NotNow { after: None }),
                Err(Trouble::Later { why, hint, after }) => {
                    self.queue.stats().fail();
                    self.say_failing(&why, hint);
                    return Err(NotNow { after });
                }
            }
            self.pause = PAUSE_FIRST;
            if let Some(spill) = &mut self.spill {
                if let Err(error) = spill.pop() {
                    tracing::warn!(
                        "{}: {error}; the next run may send some lines again",
                        spill.path().display()
                    );
                }
                self.queue.stats().note_spill(spill.bytes());
            }
        }
        Ok(())
    }

    fn front(&mut self) -> Option<Vec<Arc<Record>>> {
        let spill = self.spill.as_mut()?;
        match spill.front() {
            Ok(batch) => batch,
            Err(error) => {
                let (path, bytes) = (spill.path().display().to_string(), spill.bytes());
                let _gone = spill.give_up();
                tracing::warn!("{path} cannot be read: {error}; {bytes} bytes of log are lost");
                None
            }
        }
    }

    /// What an earlier run has left.
    fn look_at_spill(&mut self) {
        let Some(spill) = &mut self.spill else { return };
        let looked = spill.look();
        self.queue.stats().note_spill(spill.bytes());
        let path = spill.path().display().to_string();
        match looked {
            Ok(()) if spill.bytes() > 0 => {
                tracing::info!(
                    "logs to {}: {} that an earlier run could not deliver wait in {path}",
                    self.queue.stats().name(),
                    units::size(spill.bytes())
                );
            }
            Ok(()) => {}
            Err(error) => {
                // What is not ours is left alone.
                self.spill = None;
                self.say_unspilled(&format!("{path} cannot be used: {error}"));
            }
        }
    }

    fn say_unspilled(&self, why: &str) {
        tracing::warn!(
            "logs to {}: {why}; lines wait in memory; hint: `spill` is a file of this sink and instance alone, with room \
             for `spill_size`",
            self.name()
        );
    }

    /// At the end: what the next run will send.
    fn say_spilled(&self) {
        if let Some(spill) = self.spill.as_ref().filter(|spill| spill.bytes() > 0) {
            tracing::warn!(
                "logs to {}: {} wait in {} for the next run",
                self.name(),
                units::size(spill.bytes()),
                spill.path().display()
            );
        }
    }

    fn say_failing(&mut self, why: &str, hint: &str) {
        if self.failing.is_none() {
            self.failing = Some(Instant::now());
            tracing::warn!(
                "logs to {}: {why}; lines wait for it, the app does not; hint: {hint}",
                self.name()
            );
        }
    }

    fn say_refused(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_said_refused, true) {
            tracing::warn!(
                "logs to {}: lines are refused, and dropped: {why}; hint: \
                 plimsoll_logs_dropped_lines_total counts them; correct the sink's settings or the other side's",
                self.name()
            );
        }
    }

    fn say_recovered(&mut self, lost: &Lost) {
        self.has_said_refused = false;
        self.has_said_full = false;
        let name = self.queue.stats().name();
        match (self.failing.take(), lost.since) {
            (Some(since), _) => {
                let (seconds, lost) = (since.elapsed().as_secs_f64(), lost.describe());
                tracing::warn!("logs to {name} are delivered again after {seconds:.1}s: {lost}");
            }
            (None, Some(since)) => {
                let (seconds, lost) = (since.elapsed().as_secs_f64(), lost.describe());
                tracing::warn!("logs to {name} came faster than they were taken for {seconds:.1}s: {lost}");
            }
            (None, None) => {}
        }
    }

    fn name(&self) -> &str {
        self.queue.stats().name()
    }
}
