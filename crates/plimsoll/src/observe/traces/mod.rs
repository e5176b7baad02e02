//! Traces: from what the gateway and the agents tell to spans at a collector.
//!
//! ```text
//! gateway threads ── Finished ──┐
//! agents ── Call ───────────────┼─► one thread: joins ─► queue ─► shipper ─► collector (OTLP)
//! watchdogs ── Stalled, Resumed ┘   holds a moment        └─ observe::ship ─┘
//! ```
//!
//! A request is told when it is over, and only if it is to be recorded. It is held for a moment, in which what belongs to
//! it may still come. Whoever tells never waits: what finds no room is dropped and counted.

mod hold;
mod otlp;
mod stats;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use self::hold::Hold;
pub use self::hold::{Call, Finished, Moment};
use self::otlp::Otlp;
#[cfg(test)]
pub(in crate::observe) use self::stats::fixture;
pub use self::stats::{Count, Figures, Stats};
use super::ship::http::{Hints, ToHttp};
use super::ship::queue::Queue;
use super::ship::{Item, Shipper, Words};
use super::slow::Slow;
use crate::concerns::context::sample::Sampler;
use crate::concerns::context::tail::Why;
use crate::config::HttpTarget;
use crate::ids::{RouteId, WorkerId};

/// Told and not read yet.
const EVENTS_MAX: usize = 4096;
/// Between two looks at what is slow there are so many ticks of a gateway thread, of 100 ms each.
const TICKS: u32 = 10;

const HINTS: Hints = Hints {
    credentials: "see that OTEL_EXPORTER_OTLP_HEADERS has the right credentials",
    too_many: "it is given time; raise its limit, or lower context.sample",
    url: "see that it runs and that OTEL_EXPORTER_OTLP_ENDPOINT is right; `context.trace = \"off\"` sends nothing",
};

/// What is told.
#[derive(Debug)]
pub enum Event {
    /// A request that is recorded is over.
    Finished(Box<Finished>),
    /// A request's own call to another service, or wait for a connection, is over.
    Call(Box<Call>),
    /// A call is over of which nobody knows whose it was.
    Alone(Box<Alone>),
    /// The event loop of a process stands still, in this request.
    Stalled {
        process: (WorkerId, u32),
        stall: u32,
        at_ms: u32,
        running: (u16, u32),
        stack: String,
    },
    /// It turned again.
    Resumed {
        process: (WorkerId, u32),
        stall: u32,
        total_ms: u32,
    },
    /// The garbage collector of a worker stood in the way of whatever it had in flight.
    Paused {
        worker: WorkerId,
        /// As by [`ago`].
        began: u64,
        ms: u32,
    },
    Tick,
    /// What is there is sent; nothing more comes.
    End,
}

/// Where spans go, and who they are said to be of.
#[derive(Debug, Clone)]
pub struct Settings {
    pub target: HttpTarget,
    /// What the user says.
    pub resource: Vec<(String, String)>,
    pub service: String,
    pub host: String,
    pub share: f64,
    pub buffer_bytes: usize,
}

/// Takes in what is told. Cheap to clone; never waits.
#[derive(Debug, Clone)]
pub struct Tracer {
    sender: SyncSender<Event>,
    sampler: Sampler,
    slow: Slow,
    stats: Arc<Stats>,
}

/// The running thread; whoever holds it ends it.
#[derive(Debug)]
pub struct Traces {
    tracer: Tracer,
    queue: Arc<Queue<Recorded>>,
}

/// What is known of one request, whole: an item of the queue.
#[derive(Debug)]
pub(super) struct Trace {
    finished: Box<Finished>,
    calls: Vec<Call>,
    stall: Option<hold::Stall>,
    pauses: Vec<hold::Pause>,
    bytes: usize,
}

/// A call of a worker that belongs to no request for certain: it failed, or took long.
#[derive(Debug)]
pub struct Alone {
    pub worker: WorkerId,
    pub said: plimsoll_wire::spans::Span,
}

/// An item of the queue.
#[derive(Debug)]
pub(super) enum Recorded {
    Request(Trace),
    Alone(Alone),
}

impl Traces {
    /// # Errors
    /// A thread could not be made.
    pub fn start(settings: &Settings, slow: &Slow) -> io::Result<Self> {
        let stats = Arc::new(Stats::new(&settings.target.url.to_string()));
        let queue = Arc::new(Queue::new(Some(0), settings.buffer_bytes, Arc::clone(stats.sent())));
        let outlet = ToHttp::start(&settings.target, Box::new(Otlp::new(settings)), HINTS)?;
        let shipper = Shipper::new(Arc::clone(&queue), Box::new(outlet));
        super::logs::spawn("traces-send", move || shipper.run())?;

        let (sender, events) = sync_channel(EVENTS_MAX);
        let tracer = Tracer {
            sender,
            sampler: Sampler::new(settings.share),
            slow: slow.clone(),
            stats: Arc::clone(&stats),
        };
        let (own, slow) = (Arc::clone(&queue), slow.clone());
        super::logs::spawn("traces", move || run(&events, &own, &slow, &stats))?;
        Ok(Self { tracer, queue })
    }

    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// The end: what is there is delivered until `deadline`.
    pub fn close(&self, deadline: Instant) {
        // Where the thread does not keep up, its end is the end of the queue.
        let _full = self.tracer.sender.try_send(Event::End);
        self.queue.tell_what_is_lost(deadline);
    }
}

fn run(events: &Receiver<Event>, queue: &Queue<Recorded>, slow: &Slow, stats: &Stats) {
    let mut hold = Hold::default();
    loop {
        let event = match hold.patience(Instant::now()) {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => events.recv_timeout(patience),
        };
        let now = Instant::now();
        match event {
            Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Event::Tick) => slow.look(now),
            Ok(event) => offer(take(event, &mut hold, now), queue, stats),
            Err(RecvTimeoutError::Timeout) => {}
        }
        offer(hold.release(now).into_iter().map(Recorded::Request), queue, stats);
        stats.drop_calls(hold.dropped());
    }
    offer(events.try_iter().filter_map(|event| take(event, &mut hold, Instant::now())), queue, stats);
    offer(hold.release_all().into_iter().map(Recorded::Request), queue, stats);
    queue.close(Instant::now() + Duration::from_secs(3600));
}

/// What is told is sent as it is, or held until all is there that belongs to it.
fn take(event: Event, hold: &mut Hold, now: Instant) -> Option<Recorded> {
    match event {
        Event::Alone(alone) => Some(Recorded::Alone(*alone)),
        event => {
            hold.take(event, now);
            None
        }
    }
}

fn offer(recorded: impl IntoIterator<Item = Recorded>, queue: &Queue<Recorded>, stats: &Stats) {
    let all: Vec<Arc<Recorded>> = recorded.into_iter().map(Arc::new).collect();
    for one in &all {
        match &**one {
            Recorded::Request(trace) => stats.record(trace.finished.why, 1 + trace.calls.len() as u64),
            Recorded::Alone(_) => stats.record_alone(),
        }
    }
    queue.offer(all.iter());
}

impl Tracer {
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        self.sampler
    }

    #[must_use]
    pub fn is_slow(&self, route: RouteId, duration: Duration) -> bool {
        self.slow.is_slow(route, duration)
    }

    pub fn tell(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.stats.overflow();
        }
    }

    /// One that would have been recorded, had there not been so many in this second.
    pub fn skip(&self, why: Why) {
        self.stats.skip(why);
    }

    /// Calls and waits that a worker has not told of, because there were too many in a second.
    pub fn untold(&self, calls: u32) {
        self.stats.untold(calls.into());
    }

    /// Every 100 ms while a gateway thread has connections.
    pub fn tick(&self) {
        if self.stats.tick().is_multiple_of(TICKS) {
            let _full = self.sender.try_send(Event::Tick);
        }
    }

    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// One that nobody listens to.
    #[cfg(test)]
    pub(crate) fn for_test(share: f64) -> Self {
        let (sender, _events) = sync_channel(1);
        Self {
            sender,
            sampler: Sampler::new(share),
            slow: Slow::default(),
            stats: Arc::new(Stats::new("test")),
        }
    }
}

impl Item for Recorded {
    const WORDS: &'static Words = &Words {
        what: "traces",
        one: "trace",
        many: "traces",
        ranks: ["sampled", "slow", "moved", "stalled", "failed", ""],
        dropped: "plimsoll_context_dropped_traces_total",
        settings: "OTEL_EXPORTER_OTLP_ENDPOINT",
    };

    fn rank(&self) -> usize {
        match self {
            Self::Request(trace) => trace.finished.why as usize,
            Self::Alone(alone) => alone.why() as usize,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Request(trace) => trace.bytes,
            Self::Alone(alone) => size_of::<Alone>() + alone.said.length(),
        }
    }

    fn at(&self) -> u64 {
        match self {
            Self::Request(trace) => trace.finished.started,
            Self::Alone(alone) => alone.said.start_us.saturating_mul(1000),
        }
    }
}

impl Alone {
    /// Why it is told at all.
    fn why(&self) -> Why {
        let is_failed = !self.said.error.is_empty() || self.said.status >= 500;
        if is_failed { Why::Failed } else { Why::Slow }
    }
}

/// Nanoseconds since the epoch.
#[must_use]
pub fn now() -> u64 {
    super::now()
}

/// When something began that has lasted for so long.
#[must_use]
pub fn ago(ms: u32) -> u64 {
    now().saturating_sub(u64::from(ms) * 1_000_000)
}
