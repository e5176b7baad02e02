//! Incidents of the event loops: what the watchdogs say, put together, written down, and told.
//!
//! ```text
//!   supervisor (main thread) ── Event, bounded ──► thread `incidents` ── reads sources and maps, cgroup
//!                                                    │ concerns::event_loop::incident decides
//!                                                    ├──► the log, at `warn`
//!                                                    └──► Book ◄── /status, /metrics, `plimsoll incidents`
//! ```
//!
//! A thread of its own, because it reads files of the app, on disks that may hang. When it does, events are dropped and
//! counted.

mod source;
mod track;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use self::track::Track;
use super::status;
use crate::concerns::event_loop::incident::book::Book;
use crate::concerns::event_loop::incident::glimpses::{Glimpses, Usual};
use crate::concerns::event_loop::incident::large::LargeBodies;
use crate::concerns::event_loop::incident::{Body, Hit, Incident, Ordered};
use crate::concerns::event_loop::profile::Origin;
use crate::ids::WorkerId;

/// Events that wait for the thread.
const EVENTS_MAX: usize = 1024;
const FAR_AWAY: Duration = Duration::from_secs(3600);

/// One process of a worker: the worker, and the channel of its watchdog.
pub type ProcessKey = (WorkerId, u32);

/// What is heard of the workers' loops.
#[derive(Debug)]
pub enum Event {
    Stalled {
        process: ProcessKey,
        stall: u32,
        at_ms: u32,
        route: Option<String>,
        /// Where no request is known to run: the route of the one that is in flight, if it is one.
        alone: Option<String>,
        body: Option<Body>,
        stack: String,
        late: bool,
        /// It stands still because it was told to.
        ordered: Option<Ordered>,
        /// Requests that it has kept waiting so far.
        waited: u32,
    },
    Resumed(Resumed),
    /// The process is stopped, and has been since then.
    Stopped {
        worker: WorkerId,
        since: Instant,
        waited: u32,
    },
    /// It is not stopped any more.
    Runs {
        worker: WorkerId,
        waited: u32,
        rescued: u32,
    },
    /// All processes of the worker have ended.
    Ended {
        worker: WorkerId,
    },
    /// A request wrote so large a body in one go.
    Large {
        worker: WorkerId,
        slot: u16,
        word: u32,
        route: Option<String>,
        bytes: u64,
    },
    /// A part of a request has kept the loop busy.
    Busy {
        worker: WorkerId,
        slot: u16,
        word: u32,
        ms: u32,
    },
    /// A look at a part of a request of the route that is long, and no stall.
    Glimpsed {
        route: String,
        stack: String,
        late: bool,
    },
}

/// A loop turned again.
#[derive(Debug)]
pub struct Resumed {
    pub process: ProcessKey,
    pub stall: u32,
    pub total_ms: u32,
    pub gc_ms: u32,
    pub cpu_ms: u32,
    /// For how long it waited for a CPU.
    pub delayed_ms: u32,
    /// The route of who was answered first, where no request was known to run.
    pub answered: Option<String>,
    /// Requests that it has kept waiting, and those of them that were taken back from it.
    pub waited: u32,
    pub rescued: u32,
    /// Those that are in flight now.
    pub hit: Vec<Hit>,
}

/// The handle: what is heard goes in, what is known comes out.
#[derive(Debug)]
pub struct Incidents {
    events: SyncSender<Event>,
    known: Arc<Mutex<Known>>,
    dropped: AtomicU64,
}

/// What is known at one moment.
#[derive(Debug, Default)]
struct Known {
    book: Book,
    /// Stalls that last.
    lasting: Vec<Incident>,
    /// When those lasted for as long as they say.
    looked: Option<Instant>,
    large: LargeBodies,
    glimpses: Glimpses,
}

impl Incidents {
    /// Starts the thread; it ends with the handle. `origin`: what paths are told relative to.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(origin: Origin) -> io::Result<Self> {
        let (events, heard) = sync_channel(EVENTS_MAX);
        let known = Arc::<Mutex<Known>>::default();
        let shared = Arc::clone(&known);
        let track = Track::new(origin);
        thread::Builder::new().name("incidents".to_owned()).spawn(move || run(track, &heard, &shared))?;
        Ok(Self { events, known, dropped: AtomicU64::new(0) })
    }

    pub fn hear(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[must_use]
    pub fn status(&self) -> status::Incidents {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = known.lasting.iter().map(|incident| (0, incident));
        let past = known.book.recent().map(|entry| (entry.at.elapsed().as_secs(), &entry.incident));
        status::Incidents {
            recent: lasting
                .chain(past)
                .map(|(age_s, incident)| status::Incident { age_s, incident: incident.clone() })
                .collect(),
            groups: known.book.groups(),
            groups_forgotten: known.book.forgotten(),
            kinds: known
                .book
                .kinds()
                .into_iter()
                .map(|(kind, count, total_ms)| status::Stalls { kind, count, total_ms })
                .collect(),
            large_bodies: known.large.all(),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

impl Incidents {
    /// What the requests of a route do that keep the loop for long.
    #[must_use]
    pub fn usual(&self, route: &str) -> Option<Usual> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).glimpses.usual(route)
    }

    /// How often and for how long the loop of each worker has stood still; with those that last.
    #[must_use]
    pub fn by_worker(&self) -> BTreeMap<u16, (u64, u64)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workers = known.book.workers().clone();
        let since = known.looked.map_or(0, |at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX));
        for incident in &known.lasting {
            let (count, total_ms) = workers.entry(incident.worker).or_default();
            *count += 1;
            *total_ms += u64::from(incident.duration_ms).saturating_add(since);
        }
        workers
    }
}

fn run(mut track: Track, heard: &Receiver<Event>, known: &Mutex<Known>) {
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let mut next_line = None;
    loop {
        let rest = next_line.map_or(FAR_AWAY, |at: Instant| at.saturating_duration_since(Instant::now()));
        let outcome = match heard.recv_timeout(rest) {
            Ok(Event::Large { worker, slot, word, route, bytes }) => {
                lock().large.written((worker, slot, word), route, bytes);
                continue;
            }
            Ok(Event::Busy { worker, slot, word, ms }) => {
                lock().large.busy((worker, slot, word), ms);
                continue;
            }
            // Reads files: before the lock is taken.
            Ok(event) => track.take(event, Instant::now()),
            Err(RecvTimeoutError::Timeout) => track::Outcome::default(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = Instant::now();
        let mut known = lock();
        if let Some((route, look)) = outcome.glimpsed {
            known.glimpses.note(route, look);
            continue;
        }
        let mut lines = outcome.lines;
        for incident in outcome.over {
            let hint = incident.hint.clone();
            lines.extend(known.book.note(incident, now).map(|line| (line, hint)));
        }
        lines.extend(known.book.tell(now).into_iter().map(|line| (line, None)));
        known.lasting = track.lasting(now);
        known.looked = Some(now);
        next_line = known.book.next_line();
        drop(known);
        lines.iter().for_each(|(line, hint)| say(line, hint.as_deref()));
    }
}

fn say(line: &str, hint: Option<&str>) {
    match hint {
        Some(hint) => tracing::warn!("{line}; hint: {hint}"),
        None => tracing::warn!("{line}"),
    }
}
