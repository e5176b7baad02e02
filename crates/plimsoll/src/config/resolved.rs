//! The settings as the program uses them: parsed once, checked once, then immutable.
//!
//! What each one means, its unit and when to change it is said once, in the table of `settings`.

use std::net::SocketAddr;
use std::time::Duration;

use super::context::Context;
mod downstream;

pub use self::downstream::*;
use super::lane::Lane;
use super::metrics::Metrics;
use super::otel::Otel;
use super::sinks::{LogSink, Standard};

/// Everything that can be set.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Name of this instance; `None`: the name of the working directory, as much of it as a name may have.
    pub name: Option<String>,
    pub workers: Workers,
    pub gateway: Gateway,
    pub event_loop: EventLoop,
    pub downstream: Downstream,
    pub memory: Memory,
    /// The engine is told to carry the context of `AsyncLocalStorage`, on the versions of Node that must be told.
    pub context_frame: bool,
    pub pools: Pools,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
    pub admin: Admin,
    pub log: Log,
    pub logs: Logs,
    pub context: Context,
    /// What the environment says of OpenTelemetry.
    pub otel: Otel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerCount {
    /// As many as the cgroup's CPU quota allows, at least 1.
    Auto,
    Exactly(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentMode {
    /// Load it; go on without it where it cannot be loaded.
    Auto,
    Off,
}

/// Whether workers interrupt others when they wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuScheduling {
    /// As all threads do.
    Other,
    /// They do not (`SCHED_BATCH`).
    Batch,
}

/// The least important lines that are still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone)]
pub struct Workers {
    pub count: WorkerCount,
    pub agent: AgentMode,
    /// How long a worker may take to listen before that is said.
    pub listen_timeout: Duration,
    /// Processes above the number of workers during a reload.
    pub surge: usize,
    /// Requests after which a worker is renewed; `None`: it is not.
    pub max_requests: Option<usize>,
    pub cpu_scheduling: CpuScheduling,
}

/// Whether a busy gateway thread lets events gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    Auto,
    Off,
}

/// Whether links to workers go through shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trunks {
    /// Where both sides can.
    Auto,
    Off,
}

/// What becomes of requests whose worker died after it had begun them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryStarted {
    /// They are answered 502.
    Off,
    /// Those that may run twice by their method do.
    Idempotent,
}

/// What becomes of upgraded connections in a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgraded {
    /// They are closed when the drain begins.
    Close,
    /// They may go on until the deadline.
    Wait,
}

/// More header lines than this are never parsed, of a request or an answer: the table is on the stack.
pub const HEADERS_MAX: usize = 512;

#[derive(Debug, Clone)]
pub struct Gateway {
    /// Overrides the address that the app passes to `listen`.
    pub listen: Option<SocketAddr>,
    pub threads: usize,
    pub head_bytes_max: usize,
    pub headers_max: usize,
    pub target_bytes_max: usize,
    /// From the first moment of a request to the end of its head.
    pub header_timeout: Duration,
    /// A kept-alive connection without a request.
    pub idle_timeout: Duration,
    /// A link to a worker that no request needs.
    pub link_idle_timeout: Duration,
    /// A request body of which no byte arrives.
    pub body_timeout: Duration,
    /// Bytes per second.
    pub body_rate: Option<u64>,
    /// A response of which the client takes no byte.
    pub write_timeout: Duration,
    /// From the head being sent to the worker until the head of its answer; `None`: no limit.
    pub request_timeout: Option<Duration>,
    pub body_bytes_max: Option<u64>,
    pub connections_max: usize,
    /// How long a request waits for a worker when none listens.
    pub hold: Duration,
    pub retry_started: RetryStarted,
    pub gather: Gather,
    pub trunks: Trunks,
}

#[derive(Debug, Clone)]
pub struct EventLoop {
    /// How long a request may be unclaimed before another worker is offered it.
    pub rescue_after: Duration,
    /// How long a request may wait in an overload before it is refused; `None`: it never is.
    pub shed_after: Option<Duration>,
    /// How long a worker's loop may stand still before that is a stall.
    pub stall_threshold: Duration,
    /// How long a worker's loop may not turn, or its process be stopped, before it is replaced.
    pub dead_after: Duration,
    pub lanes: LanesMode,
    /// A route whose requests keep the loop for so long is heavy.
    pub heavy_threshold: Duration,
    /// Workers that serve heavy routes; `None`: a quarter.
    pub heavy_workers: Option<usize>,
    pub lanes_by_hand: Vec<Lane>,
}

/// Whether it is learned which routes need workers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanesMode {
    Auto,
    Off,
}

/// How large the heap of each worker is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heap {
    /// As the memory of the container allows.
    Auto,
    /// V8 decides.
    Off,
    /// Old space of so many bytes.
    Bytes(u64),
}

#[derive(Debug, Clone)]
pub struct Memory {
    pub heap: Heap,
    /// What the whole instance may have; `None`: what the container or the machine has.
    pub limit_bytes: Option<u64>,
    /// A collection that takes longer is told.
    pub pause_threshold: Duration,
    /// How full a worker may be before it is renewed; `None`: it is not.
    pub recycle_at: Option<f64>,
}

/// The pools in which the app keeps its connections to databases.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    /// For every server that none of the names fits.
    pub default: PoolLimits,
    /// `[pools."NAME"]`, in the order of their first key.
    pub named: Vec<(String, PoolLimits)>,
}

/// What holds for all pools that lead to one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    pub mode: PoolsMode,
    /// Connections that the server allows; `None`: not known.
    pub max_connections: Option<usize>,
    /// Instances of the app that share them.
    pub replicas: usize,
    /// Ask the server.
    pub inspect: bool,
    /// A pool may become larger than the app made it.
    pub allow_growth: bool,
    /// How long a connection may be waited for; `None`: as the app has it.
    pub wait_timeout: Option<Duration>,
    /// A connection that is held for longer was perhaps forgotten.
    pub leak_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolsMode {
    /// Pools are not even looked at.
    Off,
    Observe,
    /// Connections are shared out over the workers.
    Enforce,
}

#[derive(Debug, Clone)]
pub struct Shutdown {
    /// How long everything goes on after a stop was asked for.
    pub delay: Duration,
    /// How long requests in flight may take to finish.
    pub grace: Duration,
    /// How long a worker may take to exit after SIGTERM before SIGKILL.
    pub worker_grace: Duration,
    pub upgraded: Upgraded,
}

#[derive(Debug, Clone)]
pub struct Admin {
    /// `None`: off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub level: LogLevel,
}

/// What is done where more is logged than the budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogsMode {
    /// It is sampled.
    Enforce,
    /// It is counted what would be.
    Observe,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessMode {
    Off,
    /// Those that failed.
    Errors,
    /// All, sampled with the lines of the app.
    Sample,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    Json,
    Combined,
}

/// What the app logs, and what is logged of its requests.
#[derive(Debug, Clone)]
pub struct Logs {
    pub access: AccessMode,
    pub access_format: AccessFormat,
    pub mode: LogsMode,
    /// Lines per second; `None`: as many as come.
    pub rate: Option<usize>,
    /// The share of debug and info lines that stays, whatever their number.
    pub sample: Option<f64>,
    /// What may wait between the workers' pipes and being understood.
    pub buffer_bytes: usize,
    pub line_bytes_max: usize,
    /// What becomes of our own stdout and stderr.
    pub standard: Standard,
    /// Where lines go beside them.
    pub sinks: Vec<LogSink>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: WorkerCount::Exactly(1),
            agent: AgentMode::Auto,
            listen_timeout: Duration::from_secs(30),
            surge: 1,
            max_requests: None,
            cpu_scheduling: CpuScheduling::Other,
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: None,
            threads: 1,
            head_bytes_max: 64 * 1024,
            headers_max: 200,
            target_bytes_max: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            link_idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            body_rate: Some(16),
            write_timeout: Duration::from_secs(60),
            request_timeout: None,
            body_bytes_max: None,
            connections_max: 50_000,
            hold: Duration::from_secs(10),
            retry_started: RetryStarted::Off,
            gather: Gather::Auto,
            trunks: Trunks::Auto,
        }
    }
}

impl Default for EventLoop {
    fn default() -> Self {
        Self {
            rescue_after: Duration::from_millis(5),
            shed_after: Some(Duration::from_millis(90)),
            stall_threshold: Duration::from_millis(100),
            dead_after: Duration::from_secs(60),
            lanes: LanesMode::Auto,
            heavy_threshold: Duration::from_millis(50),
            heavy_workers: None,
            lanes_by_hand: Vec::new(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            heap: Heap::Auto,
            limit_bytes: None,
            pause_threshold: Duration::from_millis(50),
            recycle_at: Some(0.9),
        }
    }
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            mode: PoolsMode::Observe,
            max_connections: None,
            replicas: 1,
            inspect: false,
            allow_growth: false,
            wait_timeout: None,
            leak_after: Duration::from_secs(30),
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            grace: Duration::from_secs(25),
            worker_grace: Duration::from_secs(5),
            upgraded: Upgraded::Close,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9797))) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            access: AccessMode::Errors,
            access_format: AccessFormat::Json,
            mode: LogsMode::Enforce,
            rate: Some(1000),
            sample: None,
            buffer_bytes: 16 * 1024 * 1024,
            line_bytes_max: 256 * 1024,
            standard: Standard::default(),
            sinks: Vec::new(),
        }
    }
}
