//! Everything that can fail before the first worker starts.

use std::ffi::OsString;
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Rlimit;
use tokio::net::{TcpListener, UnixListener};

use super::notice::{self, Found};
use super::questions::Identity;
use super::{GatewayFront, context, memory};
use crate::concerns::event_loop::profile::Origin;
use crate::concerns::{downstream, pools, shutdown};
use crate::config::{AgentMode, Config, CpuScheduling, NAME_MAX, WorkerCount};
use crate::exit::Exit;
use crate::gateway::Gateway;
use crate::observe::incidents::Incidents;
use crate::observe::logs::{self, Pipeline};
use crate::observe::metrics::{Apps, export};
use crate::observe::slow::Slow;
use crate::observe::traces::Traces;
use crate::observe::{admin, socket, status};
use crate::sys::runtime_dir::{self, RuntimeDir};
use crate::sys::signals::Signals;
use crate::sys::{cgroup, child, limits, proc, process};
use crate::workers::{Settings, Supervisor};

/// The parts, ready to run.
pub(super) struct Parts {
    pub identity: Identity,
    pub gateway: Gateway,
    pub front: GatewayFront,
    pub admin: Option<TcpListener>,
    pub control: UnixListener,
    pub signals: Signals,
    pub supervisor: Supervisor<GatewayFront>,
    pub logs: Pipeline,
    pub traces: Option<Traces>,
    pub apps: Arc<Apps>,
    /// Where metrics are sent to.
    pub export: Option<export::Settings>,
}

/// Why nothing was started.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub message: String,
}

pub(super) fn failure(exit: Exit, what: &str, error: impl Display) -> Failure {
    Failure { exit, message: format!("{what}: {error}") }
}

/// Builds all parts. The signals come first: from then on a stop is never lost.
///
/// # Errors
/// What could not be made, and the exit code for it.
pub(super) async fn prepare(config: &Config, command: Vec<OsString>) -> Result<Parts, Failure> {
    let system = |what: &'static str| move |error| failure(Exit::Failure, what, error);
    let port = port(config)?;
    let signals = Signals::install().map_err(system("the signal handlers could not be installed"))?;
    process::adopt_orphans().map_err(system("orphans could not be adopted"))?;
    let open_files = limits::raise_open_files();
    let directory = RuntimeDir::create(&wanted_name(config))
        .map_err(|error| failure(Exit::Failure, "the instance has no home", error))?;
    let control = socket::bind(&directory.path).map_err(system("the control socket could not be made"))?;
    let admin = admin::bind(&config.admin)
        .await
        .map_err(|error| failure(Exit::Usage, "the admin address cannot be used", describe(&error)))?;
    let slow = Slow::default();
    let (outcomes, heard) = logs::Outcomes::channel(&slow);
    let told = logs::Told { outcomes, access: logs::AccessLog::new(&config.logs) };
    let who = logs::Identity { service: directory.name.clone(), host: proc::host_name() };
    context::unmet(config).iter().for_each(|line| tracing::warn!("{line}"));
    let context = context::prepare(config, &who, &slow)?;
    let gateway = Gateway::start(&config.gateway, &config.event_loop, &told, &context.given)
        .map_err(system("the gateway could not be started"))?;
    slow.watch(gateway.stats(), gateway.routes());

    let logs = Pipeline::start(&config.logs, &who, heard)
        .map_err(system("the log pipeline could not be started"))?;
    logs.take_access(&told.access);

    let workers = count_workers(config);
    let address = admin.as_ref().and_then(|listener| listener.local_addr().ok());
    let identity = identity(config, directory.name.clone(), address);
    say_start(config, &identity, workers);
    let origin = Origin {
        directory: std::env::current_dir().unwrap_or_default(),
        agent: Some(directory.path.clone()),
    };
    let facts = Facts {
        workers,
        admin: address,
        port,
        open_files,
        logs: logs.capture().clone(),
        spans: context.watch,
        origin: origin.clone(),
    };
    let settings = settings(config, command, facts);
    let incidents =
        Incidents::start(origin).map_err(system("the thread of incidents could not be started"))?;
    let front = GatewayFront::new(gateway.clone(), Arc::new(incidents), config.shutdown.upgraded)
        .with_tracer(context.given.tracer.clone());
    let supervisor = Supervisor::new(settings, front.clone(), directory)
        .map_err(|error| failure(Exit::Failure, "the workers could not be prepared", describe(&error)))?;
    Ok(Parts {
        identity,
        gateway,
        front,
        admin,
        control,
        signals,
        supervisor,
        logs,
        traces: context.traces,
        apps: Arc::new(Apps::new(config.metrics.app)),
        export: exported(config, who),
    })
}

/// Where metrics are sent to, if they are.
fn exported(config: &Config, who: logs::Identity) -> Option<export::Settings> {
    Some(export::Settings {
        target: config.otel.metrics.target.clone()?,
        every: config.otel.metrics_every,
        resource: config.otel.resource.clone(),
        service: who.service,
        host: who.host,
    })
}

/// What the workers' settings depend on beside the configuration.
struct Facts {
    workers: u16,
    admin: Option<SocketAddr>,
    port: Option<u16>,
    open_files: Option<Rlimit>,
    logs: logs::Capture,
    spans: Option<plimsoll_wire::spans::Watch>,
    origin: Origin,
}

fn settings(config: &Config, command: Vec<OsString>, facts: Facts) -> Settings {
    let node = memory::wants_version(config).then(|| memory::node_version(&command)).flatten();
    Settings {
        fleet: shutdown::Config {
            workers: facts.workers,
            listen_timeout: config.workers.listen_timeout,
            delay: config.shutdown.delay,
            grace: config.shutdown.grace,
            worker_grace: config.shutdown.worker_grace,
            surge: u16::try_from(config.workers.surge).unwrap_or(u16::MAX),
            jitter: shutdown::Jitter::new(RandomState::new().hash_one(std::process::id())),
        },
        agent: config.workers.agent,
        listen: config.gateway.listen,
        admin: facts.admin,
        port: facts.port,
        stall_threshold: config.event_loop.stall_threshold,
        dead_after: config.event_loop.dead_after,
        terms: child::Terms {
            open_files: facts.open_files,
            wakes_in_turn: config.workers.cpu_scheduling == CpuScheduling::Batch,
        },
        downstream: downstream::Rules::new(&config.downstream),
        pools: pools::Rules::new(&config.pools, config.workers.surge),
        logs: facts.logs,
        spans: facts.spans,
        heap: memory::policy(config, &command, node),
        node: node.map(|(major, _)| major),
        has_context_frame: memory::has_context_frame(config, node),
        memory_limit: memory::limit(config),
        pause_threshold: config.memory.pause_threshold,
        recycle: memory::recycling(config),
        origin: facts.origin,
        command,
    }
}

/// `PORT`, by which a command without agent is found.
fn port(config: &Config) -> Result<Option<u16>, Failure> {
    let port = std::env::var("PORT").ok().and_then(|text| text.trim().parse().ok()).filter(|port| *port > 0);
    if port.is_none() && config.workers.agent == AgentMode::Off {
        return Err(Failure {
            exit: Exit::Usage,
            message: "without the agent, PORT must say where the app listens\n hint: set it, for \
                      example: PORT=3000 plimsoll run --no-agent --listen 0.0.0.0:8080 -- COMMAND"
                .to_owned(),
        });
    }
    Ok(port)
}

// What the settings take is never cut: a verb finds the instance by the name that was given.
const _: () = assert!(NAME_MAX <= runtime_dir::NAME_MAX);

fn wanted_name(config: &Config) -> String {
    let of_directory = || {
        let directory = std::env::current_dir().ok()?;
        Some(directory.file_name()?.to_string_lossy().into_owned())
    };
    config.name.clone().or_else(of_directory).unwrap_or_else(|| "app".to_owned())
}

fn count_workers(config: &Config) -> u16 {
    match config.workers.count {
        WorkerCount::Auto => cgroup::workers_auto(),
        WorkerCount::Exactly(count) => count.max(1),
    }
}

fn identity(config: &Config, name: String, admin: Option<SocketAddr>) -> Identity {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let setup = status::Setup {
        cpus: cgroup::workers_auto().into(),
        idle_timeout_ms: milliseconds(config.gateway.idle_timeout),
        worker_grace_ms: milliseconds(config.shutdown.worker_grace),
    };
    Identity { name, started: Instant::now(), admin, setup }
}

fn say_start(config: &Config, identity: &Identity, workers: u16) {
    let admin = identity.admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(name = identity.name, workers, admin, "starting");
    let cpus = cgroup::workers_auto();
    let found = Found { workers, cpus, in_kubernetes: notice::in_kubernetes() };
    notice::lines(config, found).iter().for_each(|line| tracing::info!("{line}"));
}

/// An error with its causes, in one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
