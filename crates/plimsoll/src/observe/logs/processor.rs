//! The thread that makes records of bytes, decides which stay, and hands them on.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::access::Line;

use super::fullness::Fullness;
use super::outcomes::Heard;
use super::recent::Recent;
use super::ring::{Item, Ring, Taken};
use super::sinks::Standard;
use super::source::Source;
use super::stats::Stats;
use crate::concerns::logs::record::{Level, Record, RequestId, Shape, Sink, Stream};
use crate::concerns::logs::{Candidate, Change, Gap, Joined, Joiner, Keeper, Rules, Splitter, understand};
use crate::observe;
use crate::sys::proc;

/// A stack trace is written in one piece, or almost: what has not come by then is no part of it.
const JOIN_WITHIN: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(500);
/// Who is asked to deliver the last records without having been told by when.
const USUAL_DEADLINE: Duration = Duration::from_secs(2);

pub(super) struct Parts {
    pub(super) rules: Rules,
    pub(super) line_max: usize,
    pub(super) ring: Arc<Ring>,
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) standard: Standard,
    pub(super) recent: Arc<Recent>,
    pub(super) stats: Arc<Stats>,
    pub(super) heard: Heard,
}

pub(super) struct Processor {
    parts: Parts,
    keeper: Keeper,
    readers: HashMap<u64, Reader>,
    /// Of the current batch.
    kept: Vec<Arc<Record>>,
    rates: Rates,
    fullness: Fullness,
    /// Lines that found the ring full and were told of: those of the app, and those of the access log.
    lost_told: (u64, u64),
}

/// What is known of a pipe between two chunks.
struct Reader {
    source: Arc<Source>,
    splitter: Splitter,
    joiner: Joiner,
    clock: Clock,
    /// When the last line came that another may belong to.
    since: Instant,
    /// Items of this source that came so far.
    seen: u64,
    is_ended: bool,
}

/// When lines came. No two of a pipe came at the same time: what sorts and compares by it (Loki drops what has the time
/// and the text of another line) has them all, in their order.
#[derive(Debug, Default)]
struct Clock {
    /// When the last chunk was read, in nanoseconds since the epoch.
    read: u64,
    last: u64,
}

impl Clock {
    fn next(&mut self) -> u64 {
        self.last = self.read.max(self.last + 1);
        self.last
    }
}

impl Processor {
    pub(super) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            keeper: Keeper::new(parts.rules, now),
            parts,
            readers: HashMap::new(),
            kept: Vec::new(),
            rates: Rates::new(now),
            fullness: Fullness::default(),
            lost_told: (0, 0),
        }
    }

    /// Runs until the ring is closed and empty; `told` then says by when the sinks must be done.
    pub(super) fn run(mut self, told: &mpsc::Receiver<Instant>) {
        let mut taken = Vec::new();
        loop {
            let state = self.parts.ring.take(self.patience(), &mut taken);
            let now = Instant::now();
            self.hear(now);
            for item in &taken {
                self.read(item, now);
            }
            self.flush(now);
            self.tick(now);
            self.hand_over();
            self.parts.ring.release(&mut taken);
            let waiting = self.parts.ring.bytes();
            self.parts.stats.buffer_bytes.store(waiting as u64, Ordering::Relaxed);
            self.say_lost(waiting);
            if state == Taken::Closed {
                break;
            }
        }
        self.end(told);
    }

    /// When there is room again, what found none is told.
    fn say_lost(&mut self, waiting: usize) {
        if waiting > self.parts.ring.bytes_max() / 4 {
            return;
        }
        let lost = (self.parts.stats.lost_lines(), self.parts.stats.lost_access_lines());
        let told = std::mem::replace(&mut self.lost_told, lost);
        if lost.1 > told.1 {
            let missing = lost.1 - told.1;
            tracing::warn!(
                "there were more requests than could be logged: {missing} lines of the access log are missing; hint: \
                 --access-log sample"
            );
        }
        if lost.0 > told.0 {
            let missing = lost.0 - told.0;
            tracing::warn!(
                "the app logged faster than its lines could be read: {missing} lines of the app are missing (their \
                 level is not known); hint: log less, or raise logs.buffer"
            );
        }
    }

    /// How long nothing need be done if nothing comes.
    fn patience(&self) -> Option<Duration> {
        let is_joining = self.readers.values().any(|reader| !reader.joiner.is_empty());
        let is_counting = self.keeper.is_waiting() || self.rates.is_moving;
        is_joining.then_some(JOIN_WITHIN).or(is_counting.then_some(TICK))
    }

    fn hear(&mut self, now: Instant) {
        self.parts.heard.want(self.keeper.is_choosing(), now);
        while let Ok(outcome) = self.parts.heard.outcomes.try_recv() {
            self.keeper.hear(&outcome, now, &mut self.kept);
        }
    }

    fn read(&mut self, item: &Item, now: Instant) {
        match item {
            Item::Chunk { source, at, bytes, after } => {
                let lag = observe::now().saturating_sub(*at) / 1000;
                self.parts.stats.lag_us.store(lag, Ordering::Relaxed);
                let line_max = self.parts.line_max;
                let reader =
                    self.readers.entry(source.id).or_insert_with(|| Reader::new(source, line_max, now));
                reader.chunk(bytes, *at, *after, now, &mut |candidate| {
                    self.keeper.take(candidate, now, &mut self.kept);
                });
            }
            Item::End(source) => {
                let line_max = self.parts.line_max;
                let reader =
                    self.readers.entry(source.id).or_insert_with(|| Reader::new(source, line_max, now));
                reader.end(&mut |candidate| self.keeper.take(candidate, now, &mut self.kept));
                let origin = source.origin;
                self.keeper.last_words(Some(origin.worker), origin.stream, now, &mut self.kept);
            }
            Item::Access(chunk) => {
                for line in chunk.lines() {
                    let Line { record, message, is_traced } = line;
                    if chunk.is_all {
                        self.keeper.pass(record, &mut self.kept);
                    } else {
                        self.keeper.take(Candidate { record, message, is_traced }, now, &mut self.kept);
                    }
                }
            }
            Item::Own { level, at, line } => self.kept.push(Arc::new(own_record(*level, *at, line.clone()))),
        }
    }

    /// Lets go of lines to which nothing was added in time.
    fn flush(&mut self, now: Instant) {
        for reader in self.readers.values_mut() {
            if !reader.joiner.is_empty() && now.saturating_duration_since(reader.since) >= JOIN_WITHIN {
                let joined = reader.joiner.flush();
                reader.emit(joined, &mut |candidate| self.keeper.take(candidate, now, &mut self.kept));
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        match self.keeper.tick(now) {
            Some(Change::Begins { lines_per_second }) => say_sampling(self.parts.rules, lines_per_second),
            Some(Change::Ends) => tracing::info!("the app logs within its budget again: every line is kept"),
            None => {}
        }
        self.parts.stats.add(&self.keeper.take_tally());
        self.rates.tick(&self.parts.stats, now);
        self.say_full(now);
    }

    /// A worker whose pipe was full has a logger that holds it up.
    fn say_full(&mut self, now: Instant) {
        for reader in self.readers.values() {
            let (origin, stats) = (reader.source.origin, &self.parts.stats);
            let full = reader.source.stats.pipe_full.load(Ordering::Relaxed);
            let Some(figures) = (full > 0).then(|| stats.worker_figures(origin.worker.index)).flatten()
            else {
                continue;
            };
            let descriptor = if origin.stream == Stream::Stderr { 2 } else { 1 };
            let is_waiting = || proc::is_blocking(origin.pid, descriptor);
            if let Some(said) = self.fullness.judge(origin.worker.index, &figures, is_waiting, now) {
                tracing::warn!("{said}");
            }
        }
    }

    /// To the sinks, and then to those who wait until it has been handed over.
    fn hand_over(&mut self) {
        if !self.kept.is_empty() {
            for sink in &self.parts.sinks {
                sink.offer(&self.kept);
            }
            self.parts.recent.push(self.kept.drain(..).collect());
        }
        let standard = &self.parts.standard;
        self.readers.retain(|_, reader| {
            if reader.joiner.is_empty() {
                reader.settle(standard);
            }
            !reader.is_ended
        });
    }

    fn end(mut self, told: &mpsc::Receiver<Instant>) {
        let now = Instant::now();
        for reader in self.readers.values_mut() {
            reader.end(&mut |candidate| self.keeper.take(candidate, now, &mut self.kept));
            let origin = reader.source.origin;
            self.keeper.last_words(Some(origin.worker), origin.stream, now, &mut self.kept);
        }
        self.keeper.end();
        self.say_lost(0);
        self.parts.stats.add(&self.keeper.take_tally());
        self.hand_over();
        let deadline = told.try_recv().unwrap_or(now + USUAL_DEADLINE);
        for sink in &self.parts.sinks {
            sink.close(deadline);
        }
        for sink in &self.parts.sinks {
            sink.wait(deadline);
        }
        self.parts.recent.close();
    }
}

impl Reader {
    fn new(source: &Arc<Source>, line_max: usize, now: Instant) -> Self {
        Self {
            source: Arc::clone(source),
            splitter: Splitter::new(line_max),
            joiner: Joiner::new(line_max),
            clock: Clock::default(),
            since: now,
            seen: 0,
            is_ended: false,
        }
    }

    fn chunk(
        &mut self,
        bytes: &Bytes,
        at: u64,
        after: Option<Gap>,
        now: Instant,
        take: &mut impl FnMut(Candidate),
    ) {
        self.clock.read = at;
        self.since = now;
        self.seen += 1;
        if let Some(gap) = after {
            self.splitter.gap(gap);
        }
        let Self { source, splitter, joiner, clock, .. } = self;
        let mut lines = 0;
        splitter.feed(bytes, |line| {
            lines += 1;
            if let Err(line) = joiner.extend(line) {
                let understood = understand(&line, source.origin.stream);
                if let Some(before) = joiner.flush() {
                    take(candidate(source, clock.next(), before));
                }
                if let Some(alone) = joiner.begin(line, understood) {
                    take(candidate(source, clock.next(), alone));
                }
            }
        });
        self.source.stats.lines.fetch_add(lines, Ordering::Relaxed);
    }

    fn end(&mut self, take: &mut impl FnMut(Candidate)) {
        self.seen += 1;
        self.is_ended = true;
        if let Some(gap) = self.source.missing.take() {
            // What was dropped was the last: the line that is held has no end.
            self.splitter.gap(gap);
        }
        if let Some(line) = self.splitter.end()
            && let Err(line) = self.joiner.extend(line)
        {
            let understood = understand(&line, self.source.origin.stream);
            let before = self.joiner.flush();
            self.emit(before, take);
            let alone = self.joiner.begin(line, understood);
            self.emit(alone, take);
        }
        let last = self.joiner.flush();
        self.emit(last, take);
    }

    fn emit(&mut self, joined: Option<Joined>, take: &mut impl FnMut(Candidate)) {
        if let Some(joined) = joined {
            take(candidate(&self.source, self.clock.next(), joined));
        }
    }

    /// Everything that came has been handed over.
    fn settle(&self, standard: &Standard) {
        let source = &self.source;
        if source.handled.load(Ordering::SeqCst) < self.seen {
            source.mark.store(standard.offered(source.origin.stream), Ordering::SeqCst);
            source.handled.store(self.seen, Ordering::SeqCst);
        }
    }
}

fn candidate(source: &Source, at: u64, joined: Joined) -> Candidate {
    let Joined { line, understood, .. } = joined;
    let record = Record {
        worker: Some(source.origin.worker),
        pid: source.origin.pid,
        stream: source.origin.stream,
        level: understood.level,
        at,
        shape: understood.shape,
        of_request: understood.request.and_then(RequestId::within),
        trace: understood.trace,
        line,
        weight: 1,
    };
    Candidate { record, message: understood.message, is_traced: understood.is_traced }
}

fn own_record(level: Level, at: u64, line: Bytes) -> Record {
    Record {
        worker: None,
        pid: std::process::id(),
        stream: Stream::Plimsoll,
        level,
        at,
        shape: Shape::Plain,
        line,
        of_request: None,
        trace: None,
        weight: 1,
    }
}

fn say_sampling(rules: Rules, lines_per_second: f64) {
    let rate = rules.rate.unwrap_or_default();
    match rules.mode {
        crate::concerns::logs::Mode::Enforce => tracing::warn!(
            "the app logs {lines_per_second:.0} lines/s, its budget is {rate} (logs.rate): debug and info lines are \
             sampled by request, errors and requests that fail are kept"
        ),
        crate::concerns::logs::Mode::Observe => tracing::warn!(
            "the app logs {lines_per_second:.0} lines/s, its budget is {rate} (logs.rate); all pass (logs.mode)"
        ),
    }
}

/// Lines and bytes per second of each worker.
struct Rates {
    since: Instant,
    before: HashMap<u16, (u64, u64)>,
    /// The last figures were not all zero.
    is_moving: bool,
}

impl Rates {
    fn new(now: Instant) -> Self {
        Self { since: now, before: HashMap::new(), is_moving: false }
    }

    fn tick(&mut self, stats: &Stats, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < TICK * 2 {
            self.is_moving = true;
            return;
        }
        self.since = now;
        self.is_moving = false;
        let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
        for (index, worker) in stats.all_workers() {
            let (lines, bytes) = (worker.lines.load(Ordering::Relaxed), worker.bytes.load(Ordering::Relaxed));
            let before = self.before.insert(index, (lines, bytes)).unwrap_or_default();
            let per_second = |now: u64, before: u64| now.saturating_sub(before) * 1000 / milliseconds;
            worker.lines_per_second.store(per_second(lines, before.0), Ordering::Relaxed);
            worker.bytes_per_second.store(per_second(bytes, before.1), Ordering::Relaxed);
            self.is_moving |= bytes > before.1;
        }
    }
}
