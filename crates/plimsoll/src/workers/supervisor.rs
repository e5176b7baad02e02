//! The owner of all workers: hears what happened, asks the fleet what it means, and does that.

mod actions;
mod agents;
mod deaths;
mod downstreams;
mod ending;
mod groups;
mod heaps;
mod liveness;
mod memory;
mod metrics;
mod orders;
mod plain;
mod pools;
mod profiles;
mod snapshot;
mod tax;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

pub use self::deaths::Death;
pub use self::ending::Ended;
pub(super) use self::liveness::Watchdog;
pub use self::memory::{LeakTold, Recycled};
pub use self::snapshot::{Snapshot, Stops, Worker};
use super::channel::Said;
use super::endpoints::Endpoints;
use super::front::Front;
use super::page::Thresholds;
use super::process::Process;
use super::watch::{self, Seen};
use crate::concerns::context::tax::{Class, Cost, Ledger};
use crate::concerns::downstream::{Desk, Rules};
use crate::concerns::event_loop::profile::Origin;
use crate::concerns::memory::heap::{Limit, Policy};
use crate::concerns::memory::recycle;
use crate::concerns::pools as connections;
use crate::concerns::shutdown::{self, Echo, Fleet, Input, Phase};
use crate::config::AgentMode;
use crate::ids::WorkerId;
use crate::observe::control::{Profile, Readings, Reload, Teller};
use crate::observe::logs::Capture;
use crate::sys::child;
use crate::sys::process;
use crate::sys::runtime_dir::RuntimeDir;
use crate::sys::signals::{Signal, Signals};

/// Events that wait for the supervisor; whoever sends one more waits.
const EVENTS_MAX: usize = 256;
/// How often it is looked whether requests are done and clients are gone.
const QUIET_EVERY: Duration = Duration::from_millis(10);
const FAR_AWAY: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub struct Settings {
    pub command: Vec<OsString>,
    pub fleet: shutdown::Config,
    pub agent: AgentMode,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// Where our own admin server listens.
    pub admin: Option<SocketAddr>,
    /// `PORT`, where a command without agent is looked for.
    pub port: Option<u16>,
    /// How long a loop may stand still.
    pub stall_threshold: Duration,
    /// After how long without a turn a worker is replaced.
    pub dead_after: Duration,
    /// What a worker's process is given on its way.
    pub terms: child::Terms,
    /// What holds for the calls that the app makes.
    pub downstream: Rules,
    /// What holds for the pools in which it keeps connections.
    pub pools: connections::Rules,
    /// Where what workers print goes.
    pub logs: Capture,
    /// Agents tell what traced requests wait for; `None`: they are not traced.
    pub spans: Option<plimsoll_wire::spans::Watch>,
    /// How large heaps are made; `None`: as V8 makes them.
    pub heap: Option<Policy>,
    /// How much memory there is; `None`: nobody knows.
    pub memory_limit: Option<Limit>,
    /// How long a collection may take before it is told.
    pub pause_threshold: Duration,
    /// When workers are renewed because of what they hold.
    pub recycle: recycle::Rules,
    /// The major version of Node that most probably runs.
    pub node: Option<u32>,
    /// The engine is told to carry the context of `AsyncLocalStorage`.
    pub has_context_frame: bool,
    /// What paths of the app are told relative to.
    pub origin: Origin,
}

impl Settings {
    fn thresholds(&self, growth: Option<u32>) -> Thresholds {
        Thresholds { stall: self.stall_threshold, pause: self.pause_threshold, growth }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the agent could not be written to the private directory")]
    Agent(#[source] io::Error),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    Agent {
        worker: WorkerId,
        channel: u32,
        said: Said,
    },
    Seen {
        worker: WorkerId,
        seen: Seen,
    },
    /// What was measured in a process of its own; `None`: it could not be.
    Calibrated {
        class: Class,
        cost: Option<Cost>,
    },
}

/// What is asked of the supervisor.
#[derive(Debug)]
pub enum Request {
    Snapshot(oneshot::Sender<Snapshot>),
    /// As SIGTERM.
    Stop,
    /// As a second SIGTERM.
    StopNow,
    Reload {
        order: Reload,
        teller: Teller,
    },
    Scale {
        workers: u16,
        teller: Teller,
    },
    Profile {
        order: Profile,
        teller: Teller,
    },
    /// Ask all processes for what only they know of their metrics.
    Metrics {
        app: bool,
        reply: oneshot::Sender<Readings>,
    },
}

/// What is known of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Unknown,
    /// Node, with our agent.
    Node,
    /// No agent: it is reached at its port.
    Plain,
}

#[derive(Debug)]
pub struct Supervisor<F> {
    settings: Settings,
    front: F,
    directory: RuntimeDir,
    /// The preload; `None`: no worker gets one.
    preload: Option<PathBuf>,
    nature: Nature,
    fleet: Fleet,
    endpoints: Endpoints,
    processes: BTreeMap<WorkerId, Process>,
    events: mpsc::Sender<Event>,
    heard: mpsc::Receiver<Event>,
    ending: ending::Ending,
    groups: groups::Groups,
    deaths: deaths::Deaths,
    echo: Echo,
    orders: orders::Orders,
    profiles: profiles::Profiles,
    /// When it is looked who is dead; `None`: nobody is there whom a watchdog watches.
    next_look: Option<Instant>,
    desk: Desk,
    heaps: heaps::Heaps,
    memory: memory::Memory,
    pools: connections::Desk,
    metrics: metrics::Metrics,
    tax: Ledger,
    stops: Stops,
}

impl<F: Front> Supervisor<F> {
    /// # Errors
    /// The agent's files could not be written.
    pub fn new(settings: Settings, front: F, directory: RuntimeDir) -> Result<Self, Error> {
        let (preload, nature) = match settings.agent {
            AgentMode::Off => (None, Nature::Plain),
            AgentMode::Auto => {
                (Some(super::agent_files::write(&directory.path).map_err(Error::Agent)?), Nature::Unknown)
            }
        };
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let desk = Desk::new(settings.downstream.clone());
        let recycle = settings.recycle;
        let pools = connections::Desk::new(settings.pools.clone());
        let tax = Ledger::new(settings.origin.clone());
        Ok(Self {
            fleet: Fleet::new(settings.fleet),
            endpoints: Endpoints::new(settings.listen),
            settings,
            front,
            directory,
            preload,
            nature,
            processes: BTreeMap::new(),
            events,
            heard,
            ending: ending::Ending::default(),
            groups: groups::Groups::default(),
            deaths: deaths::Deaths::default(),
            echo: Echo::default(),
            orders: orders::Orders::default(),
            profiles: profiles::Profiles::default(),
            next_look: None,
            desk,
            heaps: heaps::Heaps::default(),
            memory: memory::Memory::new(recycle),
            pools,
            metrics: metrics::Metrics::default(),
            tax,
            stops: Stops::default(),
        })
    }

    /// Runs the workers until the end.
    pub async fn run(
        mut self,
        mut signals: Signals,
        mut requests: mpsc::Receiver<Request>,
    ) -> (Ended, Snapshot) {
        self.begin().await;
        while !self.ending.is_decided() {
            let deadline = self.next_deadline(Instant::now());
            tokio::select! {
                signal = signals.next() => self.on_signal(signal),
                Some(event) = self.heard.recv() => self.on_event(event),
                Some(request) = requests.recv() => self.on_request(request),
                () = self.front.work_came() => self.looks_again(),
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
            self.look_around(Instant::now());
        }
        self.see_groups_off(&mut signals).await;
        let last = self.snapshot(Instant::now());
        (self.end(), last)
    }

    async fn begin(&mut self) {
        self.ending.watch_memory();
        if watch::answers(self.settings.port).await {
            // Somebody else's: that it answers says nothing about our command.
            self.settings.port = None;
        }
        if self.nature == Nature::Plain {
            self.becomes_plain("it is switched off");
        }
        self.apply(Input::Begin);
    }

    /// Hands what happened to the fleet and does what it decides.
    fn apply(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in self.fleet.handle(input, Instant::now()) {
                inputs.extend(self.act(action));
            }
        }
    }

    fn on_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                if !self.echo.hears(Instant::now()) {
                    self.stop_or_hurry();
                }
            }
            Signal::Hangup => self.reload(Reload::default(), None),
            Signal::Child => self.reap(),
        }
    }

    /// The first time: drain. From the second on: at once.
    fn stop_or_hurry(&mut self) {
        if self.fleet.phase() == Phase::Running {
            self.apply(Input::Stop);
        } else {
            self.stop_now();
        }
    }

    fn stop_now(&mut self) {
        self.groups.hurry(Instant::now());
        self.apply(Input::StopNow);
    }

    fn reap(&mut self) {
        let now = Instant::now();
        while let Some(reaped) = process::reap_any() {
            // Anything else is an orphan that we adopted: reaping it was all it needed.
            for process in self.processes.values_mut() {
                process.reaped(&reaped, now);
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Agent { worker, channel, said } => self.on_agent(worker, channel, said),
            Event::Seen { worker, seen } => self.on_seen(worker, seen),
            Event::Calibrated { class, cost } => self.tax.measured(class, cost),
        }
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Snapshot(reply) => {
                let _asker_left = reply.send(self.snapshot(Instant::now()));
            }
            Request::Stop => self.apply(Input::Stop),
            Request::StopNow => self.stop_now(),
            Request::Reload { order, teller } => self.reload(order, Some(teller)),
            Request::Scale { workers, teller } => self.scale(workers, teller),
            Request::Profile { order, teller } => self.profile(order, teller),
            Request::Metrics { app, reply } => self.read_metrics(app, reply, Instant::now()),
        }
    }

    /// What is not told by an event: time, and ends that are complete by now.
    fn look_around(&mut self, now: Instant) {
        let over: Vec<WorkerId> = self
            .processes
            .values_mut()
            .filter_map(|process| {
                process.pass_deadline(now);
                process.is_over(now).then_some(process.worker)
            })
            .collect();
        for worker in over {
            self.bury(worker);
        }
        self.look_after_groups(now);
        self.look_after_profiles(now);
        self.look_for_dead(now);
        self.look_after_memory(now);
        self.look_after_calls(now);
        self.look_after_pools(now);
        self.look_after_metrics(now);
        for worker in self.fleet.finishing() {
            if self.front.is_idle(worker) {
                self.apply(Input::Idle(worker));
            }
        }
        if matches!(self.fleet.phase(), Phase::Draining { .. }) && self.front.connections_open() == 0 {
            self.apply(Input::Quiet);
        }
        if self.fleet.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.apply(Input::Tick);
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let waits =
            matches!(self.fleet.phase(), Phase::Draining { .. }) || !self.fleet.finishing().is_empty();
        let quiet = waits.then(|| now + QUIET_EVERY);
        let processes = self.processes.values().filter_map(|process| process.deadline(now));
        let profiles = self.profiles.deadline(now);
        processes
            .chain(self.fleet.next_deadline())
            .chain(self.groups.deadline())
            .chain(quiet)
            .chain(profiles)
            .chain(self.next_look)
            .chain(self.desk.deadline())
            .chain(self.pools.deadline())
            .chain(self.metrics.deadline())
            .min()
            .unwrap_or(now + FAR_AWAY)
    }
}
