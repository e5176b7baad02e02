//! What an instance says of itself: the one shape behind `/status`, `plimsoll ps` and the metrics of workers.
//!
//! The app loop fills it in from what it owns. Scripts read it as JSON, so a field is never renamed or
//! removed, and an enum's spelling is part of the contract; fields are only added. Readers ignore what they
//! do not know: a client may be older than the instance that it asks.

mod context;
mod counted;
pub mod downstream;
mod event_loop;
mod logs;
mod memory;
pub mod pools;
mod setup;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use self::context::{Author, Context, Tax};
pub use self::counted::Counted;
pub use self::downstream::Downstream;
pub use self::event_loop::{EventLoop, HeavyRoute};
pub use self::logs::Logs;
pub use self::memory::{Churn, Collections, GcKind, Leak, Memory, Recycled, Saving, Suspect, WorkerMemory};
pub use self::setup::{Failure, Setup, Stops};
use super::logs::{SinkFigures, WorkerFigures};
use super::traces;
use crate::concerns::event_loop::incident;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub version: String,
    pub pid: u32,
    pub state: State,
    /// Where the admin server listens; absent when it is off or its port was taken.
    #[serde(default)]
    pub admin: Option<SocketAddr>,
    /// Since the instance started.
    #[serde(default)]
    pub uptime_s: u64,
    pub listeners: Vec<Listener>,
    pub workers: Vec<Worker>,
    /// Processes that finish what they have while another stands in their place, or none any more. Their `requests`
    /// are their own, and are counted in those of their place as well.
    #[serde(default)]
    pub leaving: Vec<Worker>,
    pub requests: Requests,
    /// Requests that the gateway had to answer by itself, or cut, by the code of `x-plimsoll-error`.
    #[serde(default)]
    pub failures: Vec<Failure>,
    /// The routes that are asked for most.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Routes that only the workers of the heavy lane serve, because of what they cost; the costliest first.
    #[serde(default)]
    pub heavy_routes: Vec<HeavyRoute>,
    /// Event loops that stood still.
    #[serde(default)]
    pub incidents: Incidents,
    /// Raised by each reload.
    #[serde(default)]
    pub generation: u32,
    /// Present while a reload is under way.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// Where the log goes: our own streams, and each `[[logs.sink]]`.
    #[serde(default)]
    pub log_sinks: Vec<SinkFigures>,
    #[serde(default)]
    pub logs: Logs,
    /// Workers that were asked to end.
    #[serde(default)]
    pub stops: Stops,
    /// What was found and chosen at the start.
    #[serde(default)]
    pub setup: Setup,
    /// What the app calls over HTTP, by name.
    #[serde(default)]
    pub downstreams: Vec<Downstream>,
    #[serde(default)]
    pub memory: Memory,
    /// What the app pays for async context.
    #[serde(default)]
    pub context: Context,
    /// The pools in which it keeps its connections to databases, by name.
    #[serde(default)]
    pub pools: Vec<pools::Pool>,
    /// When requests waited for a connection; those that last first, then the latest.
    #[serde(default)]
    pub pool_queues: Vec<pools::Queue>,
    /// Absent where requests are not traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<traces::Figures>,
}

/// How far a reload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Workers of the newest generation that serve.
    pub renewed: usize,
    pub of: usize,
}

/// The life of an instance. It is never seen as stopped: then nobody is there to say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No worker has listened yet.
    Starting,
    /// At least one worker has listened since the start.
    Ready,
    /// Finishing what is in flight; the end is decided.
    Draining,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: SocketAddr,
    pub protocol: Protocol,
    /// Connections of clients that are open now.
    pub connections: u64,
    /// Requests since the start; always 0 where connections are passed through.
    pub requests: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Http,
    /// Passed through connection by connection.
    Tcp,
}

/// One place in the fleet and the process that stands in it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// What the app sees as `PLIMSOLL_WORKER`.
    pub id: u16,
    /// Absent while the place waits for its next process.
    pub pid: Option<u32>,
    /// Its version of Node, `v24.1.0`; absent where it has no agent.
    #[serde(default)]
    pub node: Option<String>,
    pub state: WorkerState,
    pub lane: Lane,
    pub in_flight: u32,
    /// Requests that this place has served since the start, over all its processes.
    pub requests: u64,
    /// Processes that were started in this place after its first.
    pub restarts: u32,
    /// The instance's generation when its process was started.
    #[serde(default)]
    pub generation: u32,
    /// Age of the process that stands there now.
    pub uptime_s: u64,
    pub rss_bytes: u64,
    /// Its heap and what collecting costs it; absent before its process has told.
    #[serde(default)]
    pub memory: Option<WorkerMemory>,
    #[serde(default)]
    pub event_loop: EventLoop,
    /// Of the time that its loops did not wait: what promises cost more because somebody follows them; absent: nothing, or
    /// it is not known.
    #[serde(default)]
    pub context_tax_per_mille: Option<u32>,
    /// What it logs; absent before its first process.
    #[serde(default)]
    pub logs: Option<WorkerFigures>,
    /// How the last process ended here that was not asked to.
    #[serde(default)]
    pub last_death: Option<Death>,
}

/// The end of a worker's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// In words: how, after how long, and why where that can be known.
    pub reason: String,
    pub age_s: u64,
    /// Requests that it had begun: they were answered 502, or were cut.
    pub running: u32,
    /// Requests that it had been sent and had not begun: they went to another worker, or their client had gone.
    pub not_begun: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Its process runs and has not listened yet.
    Starting,
    Ready,
    Draining,
    /// No process: waiting for the back-off to pass, or for good.
    Stopped,
    /// It died again and again before it listened. It is still tried, ever more rarely.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Main,
    Heavy,
}

/// Requests since the start, over all listeners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    pub total: u64,
    /// The gateway itself answered with an error, or cut the transfer.
    pub failed: u64,
    /// Sent to a worker a second time.
    pub retried: u64,
    /// Taken back from a worker that was late to begin them, and sent to another.
    pub rescued: u64,
    /// Waited in the gateway because every worker was late.
    pub queued: u64,
    /// Waited in the gateway for a worker of their lane.
    #[serde(default)]
    pub queued_in_lane: u64,
    /// How long those that are `queued` waited together.
    #[serde(default)]
    pub queued_ms: u64,
    /// How long all that are over took together, from their first byte to the last of their answers.
    #[serde(default)]
    pub took_ms: u64,
}

/// Requests of one route since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `GET /users/:id`, or `other` for all without a row of their own.
    pub route: String,
    pub requests: u64,
    /// Answered with a status from 500.
    pub failed: u64,
    /// From the first byte of a request to the last of its answer.
    pub p50_us: u64,
    pub p99_us: u64,
    /// For how long its requests keep the loop, in the mean of the latest; 0: not worth telling.
    #[serde(default)]
    pub loop_us: u64,
}

/// What is known of event loops that stood still.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incidents {
    /// Newest first; those that last are the first.
    pub recent: Vec<Incident>,
    /// By route and function, what cost most first.
    pub groups: Vec<incident::book::Group>,
    /// Groups that gave way to others.
    pub groups_forgotten: u64,
    /// All since the start.
    pub kinds: Vec<Stalls>,
    /// Routes that write over 1 MB in one go.
    pub large_bodies: Vec<incident::large::Large>,
    /// What could not be looked at.
    pub dropped: u64,
}

/// One event loop that stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Since it was over.
    pub age_s: u64,
    #[serde(flatten)]
    pub incident: incident::Incident,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalls {
    pub kind: incident::Kind,
    pub count: u64,
    pub total_ms: u64,
}

/// Whether new traffic should be routed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    NotReady(&'static str),
}

impl Status {
    /// Ready as soon as a worker listens, and no longer once the drain has begun or no worker is left.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match self.state {
            State::Starting => Readiness::NotReady("no worker has listened yet"),
            State::Draining => Readiness::NotReady("draining"),
            State::Ready if self.workers_in(WorkerState::Ready) == 0 => {
                Readiness::NotReady("no worker is ready")
            }
            State::Ready => Readiness::Ready,
        }
    }

    /// Processes in this state, also those that leave.
    #[must_use]
    pub fn workers_in(&self, state: WorkerState) -> usize {
        self.processes().filter(|worker| worker.state == state).count()
    }

    /// All rows: a place, and right behind it who leaves it.
    pub fn processes(&self) -> impl Iterator<Item = &Worker> {
        let mut rows: Vec<&Worker> = self.workers.iter().chain(&self.leaving).collect();
        rows.sort_by_key(|worker| worker.id);
        rows.into_iter()
    }
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

impl Protocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

impl WorkerState {
    /// In the order in which a worker walks through them.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped, Self::Failed];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Lane {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Heavy => "heavy",
        }
    }
}

/// An instance with one worker that serves and one that waits to be started again.
#[cfg(test)]
pub(crate) fn fixture() -> Status {
    let worker = worker_fixture();
    let waiting = Worker {
        id: 1,
        pid: None,
        node: None,
        state: WorkerState::Stopped,
        in_flight: 0,
        requests: 7,
        restarts: 2,
        uptime_s: 0,
        rss_bytes: 0,
        memory: None,
        event_loop: EventLoop::default(),
        context_tax_per_mille: None,
        logs: None,
        last_death: Some(Death {
            reason: "was killed by SIGKILL after 3.2s; it was running 2 requests".into(),
            age_s: 75,
            running: 2,
            not_begun: 0,
        }),
        ..worker.clone()
    };
    Status {
        name: "shop".into(),
        version: "0.1.0".into(),
        pid: 4242,
        state: State::Ready,
        uptime_s: 3725,
        admin: Some(SocketAddr::from(([127, 0, 0, 1], 9797))),
        listeners: vec![Listener {
            address: SocketAddr::from(([0, 0, 0, 0], 3000)),
            protocol: Protocol::Http,
            connections: 12,
            requests: 1207,
        }],
        workers: vec![worker, waiting],
        leaving: Vec::new(),
        heavy_routes: Vec::new(),
        failures: vec![Failure { code: "worker_died".into(), count: 2 }],
        stops: Stops::default(),
        setup: Setup { cpus: 2, idle_timeout_ms: 75_000, worker_grace_ms: 5000 },
        requests: Requests { total: 1207, failed: 2, retried: 1, rescued: 3, ..Requests::default() },
        routes: vec![Route {
            route: "GET /users/:id".into(),
            requests: 1200,
            failed: 2,
            p50_us: 900,
            p99_us: 12_000,
            loop_us: 41_000,
        }],
        incidents: Incidents {
            kinds: vec![Stalls { kind: incident::Kind::JavaScript, count: 2, total_ms: 700 }],
            ..Incidents::default()
        },
        generation: 1,
        reload: None,
        log_sinks: Vec::new(),
        logs: Logs { kept: 60, sampled: 10, warnings: 4, errors: 1, ..Logs::default() },
        downstreams: vec![downstream::fixture()],
        memory: Memory {
            share_bytes: Some(89 << 20),
            recycled: Recycled { heap: 3, ..Recycled::default() },
            ..Memory::default()
        },
        context: context::fixture(),
        pools: vec![pools::fixture()],
        pool_queues: Vec::new(),
        traces: Some(traces::fixture()),
    }
}

#[cfg(test)]
fn worker_fixture() -> Worker {
    Worker {
        id: 0,
        pid: Some(4243),
        node: Some("v24.1.0".into()),
        state: WorkerState::Ready,
        lane: Lane::Main,
        in_flight: 3,
        requests: 1200,
        restarts: 0,
        generation: 1,
        uptime_s: 3720,
        rss_bytes: 50 * 1024 * 1024,
        memory: Some(memory_fixture()),
        context_tax_per_mille: Some(83),
        event_loop: EventLoop { busy_us: 9_000_000, late_ms: 120, stalls: 2, stalled_ms: 700 },
        logs: Some(WorkerFigures { lines: 70, bytes: 7000, lines_per_s: 7, ..WorkerFigures::default() }),
        last_death: None,
    }
}

#[cfg(test)]
fn memory_fixture() -> WorkerMemory {
    let collections = |kind, count, total_us, pauses: [u64; 8]| Collections {
        kind,
        count,
        total_us,
        pauses: pauses.to_vec(),
    };
    WorkerMemory {
        heap_used_bytes: 31 << 20,
        heap_total_bytes: 40 << 20,
        heap_limit_bytes: 54 << 20,
        heap_after_gc_bytes: 20 << 20,
        external_bytes: 3 << 20,
        array_buffers_bytes: 1 << 20,
        allocated_bytes_per_s: 64 << 20,
        allocated_bytes: 900 << 20,
        gc_per_mille: 32,
        scavenge_per_mille: 20,
        gc: vec![
            collections(GcKind::Minor, 120, 90_000, [100, 20, 0, 0, 0, 0, 0, 0]),
            collections(GcKind::Major, 3, 75_500, [0, 1, 2, 0, 0, 0, 0, 0]),
        ],
        growth: Some("its heap grows: major collections left 20 MB and, 270 s later, 44 MB".into()),
    }
}
