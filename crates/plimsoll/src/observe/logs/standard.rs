//! The sink that is always there: our own stdout and stderr, as the workers wrote to theirs, byte for byte.
//!
//! Each of the two has a queue and a thread of its own, because the reader of the one may be stuck while that of the
//! other is not. What a full queue refuses depends on the level: debug finds no room when half of it is used, an
//! error only when all of it is.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::stats::{Drops, Stats};
use crate::concerns::logs::record::{Level, Record, Sink, Stream};
use crate::sys::output::Target;

const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a record takes beside its line.
const RECORD_BYTES: usize = 192;
/// Written at once: enough to make the call cheap, and less than readers have room for.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Standard {
    stdout: Arc<Outlet>,
    stderr: Arc<Outlet>,
}

#[derive(Debug)]
struct Outlet {
    target: Target,
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    /// Records that were offered, and those that have been written or dropped.
    offered: AtomicU64,
    finished: AtomicU64,
    stats: Arc<Stats>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Record>>,
    bytes: usize,
    /// Dropped since the last time that this was said.
    lost: [u64; Level::ALL.len()],
    stuck_since: Option<Instant>,
    is_closed: bool,
    /// Nobody reads the stream any more; the workers must not suffer from that.
    is_broken: bool,
    /// All was written and said.
    is_over: bool,
}

impl Standard {
    pub(super) fn start(stats: &Arc<Stats>) -> io::Result<Self> {
        let outlet = |target| Arc::new(Outlet::new(target, Arc::clone(stats)));
        let standard = Self { stdout: outlet(Target::Stdout), stderr: outlet(Target::Stderr) };
        for (name, outlet) in [("logs-stdout", &standard.stdout), ("logs-stderr", &standard.stderr)] {
            let own = Arc::clone(outlet);
            super::spawn(name, move || own.run())?;
        }
        Ok(standard)
    }

    /// How many records the outlet of this stream has been offered.
    pub(super) fn offered(&self, stream: Stream) -> u64 {
        self.outlet(stream).map_or(0, |outlet| outlet.offered.load(Ordering::SeqCst))
    }

    /// As many records as that have been dealt with.
    pub(super) fn has_written(&self, stream: Stream, mark: u64) -> bool {
        self.outlet(stream).is_none_or(|outlet| outlet.finished.load(Ordering::SeqCst) >= mark)
    }

    /// What Plimsoll itself says is written by `cli::logging`.
    fn outlet(&self, stream: Stream) -> Option<&Outlet> {
        match stream {
            Stream::Stdout | Stream::Gateway => Some(&self.stdout),
            Stream::Stderr => Some(&self.stderr),
            Stream::Plimsoll => None,
        }
    }
}

impl Sink for Standard {
    fn name(&self) -> &str {
        "stdout"
    }

    fn offer(&self, records: &[Arc<Record>]) {
        for outlet in [&self.stdout, &self.stderr] {
            let own = |record: &&Arc<Record>| {
                self.outlet(record.stream).is_some_and(|own| std::ptr::eq(own, &**outlet))
            };
            outlet.offer(records.iter().filter(own));
        }
    }

    fn close(&self, deadline: Instant) {
        for outlet in [&self.stdout, &self.stderr] {
            outlet.state().is_closed = true;
            outlet.filled.notify_one();
        }
        for outlet in [&self.stdout, &self.stderr] {
            outlet.wait_until_over(deadline);
        }
    }
}

impl Outlet {
    fn new(target: Target, stats: Arc<Stats>) -> Self {
        Self {
            target,
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            offered: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            stats,
        }
    }

    fn offer<'a>(&self, records: impl Iterator<Item = &'a Arc<Record>>) {
        let mut records = records.peekable();
        if records.peek().is_none() {
            return;
        }
        let mut state = self.state();
        let (mut offered, mut refused) = (0, 0);
        for record in records {
            offered += 1;
            if !state.is_broken && state.bytes + size(record) <= room(record.level) {
                state.bytes += size(record);
                state.queue.push_back(Arc::clone(record));
            } else {
                refused += 1;
                self.refuse(&mut state, record.level);
            }
        }
        drop(state);
        self.offered.fetch_add(offered, Ordering::SeqCst);
        self.finished.fetch_add(refused, Ordering::SeqCst);
        self.filled.notify_one();
    }

    fn refuse(&self, state: &mut State, level: Level) {
        self.drops().add(level);
        // Where nobody reads any more, nobody misses anything.
        if let Some(lost) = state.lost.get_mut(level.index()).filter(|_| !state.is_broken) {
            *lost += 1;
            state.stuck_since.get_or_insert_with(Instant::now);
        }
    }

    fn run(&self) {
        let mut text = Vec::with_capacity(WRITE_BYTES + 1024);
        while let Some((records, bytes)) = self.next(&mut text) {
            let written = self.target.write_all(&text);
            let mut state = self.state();
            state.bytes -= bytes;
            self.finished.fetch_add(records, Ordering::SeqCst);
            if written.is_err() {
                self.give_up(&mut state);
            }
            let is_relieved = state.bytes < QUEUE_BYTES_MAX / 4;
            let lost = state
                .stuck_since
                .take_if(|_| is_relieved)
                .map(|since| (since, std::mem::take(&mut state.lost)));
            drop(state);
            if let Some((since, lost)) = lost {
                self.say(since, &lost);
            }
        }
        self.state().is_over = true;
        self.emptied.notify_all();
    }

    /// The next piece of text: how many records it is, and what they count. `None`: it is over.
    fn next(&self, text: &mut Vec<u8>) -> Option<(u64, usize)> {
        text.clear();
        let is_idle = |state: &mut State| state.queue.is_empty() && !state.is_closed;
        let waited = self.filled.wait_while(self.state(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let (mut records, mut bytes) = (0, 0);
        while text.len() < WRITE_BYTES
            && let Some(record) = state.queue.pop_front()
        {
            text.extend_from_slice(&record.line);
            text.push(b'\n');
            records += 1;
            bytes += size(&record);
        }
        (records > 0).then_some((records, bytes))
    }

    /// The stream is broken.
    fn give_up(&self, state: &mut State) {
        state.is_broken = true;
        for record in std::mem::take(&mut state.queue) {
            self.drops().add(record.level);
            self.finished.fetch_add(1, Ordering::SeqCst);
        }
        state.bytes = 0;
    }

    fn say(&self, since: Instant, lost: &[u64]) {
        let sum: u64 = lost.iter().sum();
        let by_level: Vec<String> = Level::ALL
            .iter()
            .zip(lost)
            .filter(|(_, count)| **count > 0)
            .map(|(level, count)| format!("{count} {}", level.word()))
            .collect();
        let (stream, seconds) = (self.name(), since.elapsed().as_secs_f64());
        tracing::warn!(
            "{stream} was not read fast enough for {seconds:.1}s: {sum} lines of the app are missing ({})",
            by_level.join(", ")
        );
    }

    fn wait_until_over(&self, deadline: Instant) {
        let within = deadline.saturating_duration_since(Instant::now());
        let waited = self.emptied.wait_timeout_while(self.state(), within, |state| !state.is_over);
        drop(waited);
    }

    fn name(&self) -> &'static str {
        match self.target {
            Target::Stdout => "stdout",
            Target::Stderr => "stderr",
        }
    }

    fn drops(&self) -> &Drops {
        match self.target {
            Target::Stdout => &self.stats.stdout,
            Target::Stderr => &self.stats.stderr,
        }
    }

    /// A thread that panicked here has left whole records behind: there is nothing to repair.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(record: &Record) -> usize {
    record.line.len() + RECORD_BYTES
}

/// Up to here a line of this level is let in.
fn room(level: Level) -> usize {
    let eighths = match level {
        Level::Trace | Level::Debug => 4,
        Level::Info => 6,
        Level::Warn => 7,
        Level::Error | Level::Fatal => 8,
    };
    QUEUE_BYTES_MAX / 8 * eighths
}
