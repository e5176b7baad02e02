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
pub(super) mod until;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::queue::{Limits, Lost, Queue, Taken};
use self::stats::Reason;
use self::until::{Then, Until};
use super::units;

const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// Of what was set aside; more than one, so that it becomes less while new ones come.
const BATCHES_AT_ONCE: usize = 8;

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
    /// Delivers all of it, or nothing; where it can tell, after [`Trouble::Later`] only the rest: the next batch is then
    /// the same one. `until`: it must be over by then, also where that is told while it is at it.
    ///
    /// # Errors
    /// Why not, and whether it is worth another try.
    fn deliver(&mut self, batch: &[Arc<T>], until: &Until) -> Result<(), Trouble>;

    /// How much it likes at once.
    fn limits(&self) -> Limits;
}

/// Where batches wait, in order, that cannot be delivered for now.
pub(super) trait Aside<T>: Send {
    fn path(&self) -> &Path;

    /// Opens what an earlier run has left.
    ///
    /// # Errors
    /// It is there and cannot be used.
    fn look(&mut self) -> io::Result<()>;

    /// What waits there.
    fn bytes(&self) -> u64;

    /// Puts a batch behind those that wait there.
    ///
    /// # Errors
    /// It is full, or cannot be written: then nothing of the batch is there.
    fn push(&mut self, batch: &[Arc<T>]) -> io::Result<()>;

    /// The oldest batch.
    ///
    /// # Errors
    /// It cannot be read: see [`Self::give_up`].
    fn front(&self) -> io::Result<Option<Vec<Arc<T>>>>;

    /// The oldest batch has been sent.
    ///
    /// # Errors
    /// As the file system gives them; the batch may then be sent again by the next run.
    fn pop(&mut self) -> io::Result<()>;

    /// Throws away what is there.
    ///
    /// # Errors
    /// As the file system gives them.
    fn give_up(&mut self) -> io::Result<()>;
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
    aside: Option<Box<dyn Aside<T>>>,
    until: Until,
    /// Since when nothing has been delivered.
    failing: Option<Instant>,
    /// The next pause, and when it is over.
    pause: Duration,
    retry_at: Instant,
    /// It was said that some are refused; the next time is said after one was taken.
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
    /// All but so many.
    Delivered {
        refused: u64,
    },
    GoOn,
    Over,
}

impl<T: Item> Shipper<T> {
    pub(super) fn new(queue: Arc<Queue<T>>, outlet: Box<dyn Outlet<T>>) -> Self {
        Self {
            until: queue.until(Then::Nothing),
            queue,
            outlet,
            aside: None,
            failing: None,
            pause: PAUSE_FIRST,
            retry_at: Instant::now(),
            has_said_refused: false,
            has_said_full: false,
        }
    }

    /// What cannot be delivered for now waits there.
    pub(super) fn with_aside(self, aside: Box<dyn Aside<T>>) -> Self {
        Self { aside: Some(aside), until: self.queue.until(Then::SetAside), ..self }
    }

    /// Until the queue is closed and empty, or the deadline has passed.
    pub(super) fn run(mut self) {
        self.look_at_aside();
        let mut batch = Vec::new();
        loop {
            let until = self.has_aside().then_some(self.retry_at);
            let taken = self.queue.take(&mut batch, self.limits(), until);
            let has_taken = taken == Taken::Some;
            // What lies on the disk is older: this goes behind it.
            let is_aside = has_taken && self.has_aside() && self.set_aside(&batch);
            if taken == Taken::Over {
                break;
            } else if is_aside || !has_taken {
                self.send_some_aside();
            } else {
                match self.deliver(&batch) {
                    Outcome::Delivered { refused } => {
                        let lost = self.queue.delivered(&batch, refused);
                        self.say_recovered(&lost);
                    }
                    Outcome::GoOn => {}
                    Outcome::Over => break,
                }
            }
            batch.clear();
        }
        self.say_aside();
        self.queue.finish();
    }

    /// As the outlet likes it; where older lines are being sent, nobody waits for more of the new ones.
    fn limits(&self) -> Limits {
        let limits = self.outlet.limits();
        let is_sending = self.has_aside() && self.retry_at <= Instant::now();
        Limits { within: if is_sending { Duration::ZERO } else { limits.within }, ..limits }
    }

    /// Until it is delivered or set aside, or it is clear that it never will be.
    fn deliver(&mut self, batch: &[Arc<T>]) -> Outcome {
        loop {
            let trouble = match self.send_aside(usize::MAX) {
                Ok(()) => match self.outlet.deliver(batch, &self.until) {
                    Ok(()) => return self.succeed(0),
                    Err(trouble) => trouble,
                },
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
                Trouble::Partly { why, items } => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    return self.succeed(items);
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

    fn succeed(&mut self, refused: u64) -> Outcome {
        self.pause = PAUSE_FIRST;
        Outcome::Delivered { refused }
    }

    /// An attempt has failed; how long to wait. An empty `why` was said and counted already.
    fn fail(&mut self, why: &str, hint: &str, after: Option<Duration>) -> Duration {
        if !why.is_empty() {
            self.queue.stats().fail();
            self.say_failing(why, hint);
        }
        // The other side may ask for more patience, not for less.
        let pause = after.unwrap_or_default().max(self.pause).min(PAUSE_MOST);
        self.pause = (self.pause * 2).min(PAUSE_MOST);
        pause
    }

    fn has_aside(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.bytes() > 0)
    }

    /// Puts a batch on the disk. `false`: it is still ours.
    fn set_aside(&mut self, batch: &[Arc<T>]) -> bool {
        let Some(aside) = &mut self.aside else { return false };
        match aside.push(batch) {
            Ok(()) => {
                self.queue.stats().note_aside(aside.bytes());
                self.queue.set_aside();
                true
            }
            Err(error) => {
                let why = format!("{} takes no more: {error}", aside.path().display());
                if !std::mem::replace(&mut self.has_said_full, true) {
                    self.say_no_aside(&why);
                }
                false
            }
        }
    }

    /// A little of what lies on the disk, if it is time; between two calls the queue is emptied.
    fn send_some_aside(&mut self) {
        if self.retry_at > Instant::now() || self.queue.deadline().is_some() {
            return;
        }
        match self.send_aside(BATCHES_AT_ONCE) {
            Ok(()) if !self.has_aside() => {
                let lost = self.queue.delivered(&[], 0);
                self.say_recovered(&lost);
            }
            Ok(()) => {}
            Err(NotNow { after }) => self.retry_at = Instant::now() + self.fail("", "", after),
        }
    }

    /// At most so many batches of what lies on the disk.
    fn send_aside(&mut self, count: usize) -> Result<(), NotNow> {
        for _ in 0..count {
            let Some(batch) = self.front() else { return Ok(()) };
            match self.outlet.deliver(&batch, &self.until) {
                Ok(()) => self.queue.stats().deliver(&batch, 0),
                Err(Trouble::Partly { why, items }) => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    self.queue.stats().deliver(&batch, items);
                }
                Err(Trouble::Never { why }) => {
                    self.queue.stats().fail();
                    self.say_refused(&why);
                    batch.iter().for_each(|item| self.queue.stats().drop_one(item.rank(), Reason::Refused));
                }
                Err(Trouble::Gone) => return Err(NotNow { after: None }),
                Err(Trouble::Later { why, hint, after }) => {
                    self.queue.stats().fail();
                    self.say_failing(&why, hint);
                    return Err(NotNow { after });
                }
            }
            self.pause = PAUSE_FIRST;
            if let Some(aside) = &mut self.aside {
                if let Err(error) = aside.pop() {
                    tracing::warn!(
                        "{}: {error}; the next run may send some lines again",
                        aside.path().display()
                    );
                }
                self.queue.stats().note_aside(aside.bytes());
            }
        }
        Ok(())
    }

    fn front(&mut self) -> Option<Vec<Arc<T>>> {
        let aside = self.aside.as_mut()?;
        match aside.front() {
            Ok(batch) => batch,
            Err(error) => {
                let (path, bytes) = (aside.path().display().to_string(), aside.bytes());
                let _gone = aside.give_up();
                tracing::warn!("{path} cannot be read: {error}; {bytes} bytes of log are lost");
                None
            }
        }
    }

    /// What an earlier run has left.
    fn look_at_aside(&mut self) {
        let Some(aside) = &mut self.aside else { return };
        let looked = aside.look();
        self.queue.stats().note_aside(aside.bytes());
        let path = aside.path().display().to_string();
        match looked {
            Ok(()) if aside.bytes() > 0 => {
                tracing::info!(
                    "{} to {}: {} that an earlier run could not deliver wait in {path}",
                    T::WORDS.what,
                    self.queue.stats().name(),
                    units::size(aside.bytes())
                );
            }
            Ok(()) => {}
            Err(error) => {
                // What is not ours is left alone.
                self.aside = None;
                self.until = self.queue.until(Then::Nothing);
                self.say_no_aside(&format!("{path} cannot be used: {error}"));
            }
        }
    }

    fn say_no_aside(&self, why: &str) {
        tracing::warn!(
            "{} to {}: {why}; {}s wait in memory; hint: `spill` is a file of this sink and instance alone, with room \
             for `spill_size`",
            T::WORDS.what,
            self.name(),
            T::WORDS.one
        );
    }

    /// At the end: what the next run will send.
    fn say_aside(&self) {
        if let Some(aside) = self.aside.as_ref().filter(|aside| aside.bytes() > 0) {
            tracing::warn!(
                "{} to {}: {} wait in {} for the next run",
                T::WORDS.what,
                self.name(),
                units::size(aside.bytes()),
                aside.path().display()
            );
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
        self.has_said_full = false;
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
