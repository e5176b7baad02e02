//! Doing what the fleet decides.

use std::time::{Duration, Instant};

use plimsoll_wire::names::{CHANNEL_SOCKET, PRESENCE_FILE};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::{Nature, Supervisor};
use crate::concerns::memory::seen::Seen;
use crate::concerns::memory::trend::Trend;
use crate::concerns::shutdown::{Action, Input};
use crate::ids::WorkerId;
use crate::sys::output::Target;
use crate::workers::environment::{Colour, Environment};
use crate::workers::front::Front;
use crate::workers::process::{Asked, Process};
use crate::workers::watch::{self, Watch};
use crate::workers::{channel, page, report, spawn};

impl<F: Front> Supervisor<F> {
    /// Does one thing; returns what happened at once because of it.
    pub(super) fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Start(worker) => return self.start(worker),
            Action::Terminate(worker) => self.terminate(worker),
            Action::Kill(worker) => self.kill(worker),
            Action::Admit(worker) => self.admit(worker),
            Action::Retire(worker) => {
                self.memory.note_retired(worker);
                self.endpoints.retire(worker, &self.front);
            }
            Action::Announce => self.announce(),
            Action::DrainGateway => self.begin_drain(),
            Action::AbortGateway => self.cut(),
            Action::WarnSilent(worker) => self.warn_silent(worker),
            Action::Replace { dead, delay } => say_replaced(dead, delay),
            Action::Failing(worker) => tracing::error!(
                %worker,
                "the worker dies again and again before it listens; the others serve, it is tried ever more rarely"
            ),
            Action::ReloadBegins => {
                self.memory.note_reload();
                self.begin_reload();
            }
            Action::ReloadEnds(verdict) => self.end_reload(verdict),
            Action::ScaleEnds(verdict) => self.end_scale(verdict),
            Action::Finish(outcome) => self.ending.decide(outcome),
        }
        None
    }

    fn with(&mut self, worker: WorkerId, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.processes.get_mut(&worker) {
            change(process);
        }
    }

    fn terminate(&mut self, worker: WorkerId) {
        self.stops.asked += 1;
        self.with(worker, Process::terminate);
    }

    /// Who was asked and is still there does not end by itself; who was not is killed for another reason.
    fn kill(&mut self, worker: WorkerId) {
        let was_asked = self.processes.get(&worker).is_some_and(|process| process.asked != Asked::No);
        if was_asked && self.fleet.is_serving() {
            self.stops.killed += 1;
            let grace = report::describe_time(self.settings.fleet.worker_grace);
            tracing::warn!(
                %worker,
                "the worker was asked to end and still runs after {grace}: it is killed; hint: let its SIGTERM handler call \
                 process.exit, or raise shutdown.worker_grace"
            );
        }
        self.with(worker, |process| process.kill());
    }

    fn start(&mut self, worker: WorkerId) -> Option<Input> {
        if self.fleet.predecessor(worker).is_some() {
            self.endpoints.hold(worker);
        }
        match self.try_start(worker) {
            Ok(process) => {
                tracing::debug!(%worker, pid = process.pid, "worker started");
                self.orders.say(&format!("worker {worker}: a new process starts (pid {})", process.pid));
                self.processes.insert(worker, process);
                None
            }
            Err(error) => {
                self.endpoints.lose_worker(worker, &self.front);
                self.directory.remove(&self.directory.path.join(directory_name(worker)));
                self.ending.remember(format!("{error:#}"));
                if self.fleet.was_ever_ready() {
                    tracing::error!(%worker, "a worker could not be started: {error:#}");
                }
                Some(Input::Exited(worker))
            }
        }
    }

    fn try_start(&mut self, worker: WorkerId) -> anyhow::Result<Process> {
        let mut tasks = JoinSet::new();
        let directory = match &self.preload {
            Some(_) => Some(self.directory.subdirectory(&directory_name(worker))?),
            None => None,
        };
        if let Some(directory) = &directory {
            let listener = UnixListener::bind(directory.join(CHANNEL_SOCKET))?;
            tasks.spawn(channel::serve(listener, worker, self.events.clone()));
        }
        let heap = self.plan_heap();
        let thresholds = self.settings.thresholds(self.growth(heap));
        let page = directory.as_deref().and_then(|directory| page::create(worker, directory, &thresholds));
        let environment = Environment {
            worker,
            workers: self.workers(),
            agent: self.preload.as_deref().zip(directory.as_deref()),
            overrides: self.orders.environment(),
            node_options: std::env::var_os("NODE_OPTIONS"),
            heap,
            has_context_frame: self.settings.has_context_frame,
            colour: colour(),
        };
        let (command, terms) = (&self.settings.command, self.settings.terms);
        let started = spawn::spawn(worker, command, &environment.variables(), terms, &self.settings.logs)?;
        if self.nature != Nature::Node {
            let presence = directory.as_ref().map(|path| path.join(PRESENCE_FILE));
            tasks
                .spawn(watch::run(Watch { worker, presence, port: self.settings.port }, self.events.clone()));
        }
        Ok(Process {
            worker,
            pid: started.pid,
            started: Instant::now(),
            generation: self.fleet.generation(),
            directory,
            page,
            tail: started.tail,
            taps: started.taps,
            channels: std::collections::BTreeMap::new(),
            watchdogs: std::collections::BTreeMap::new(),
            memory: Seen::default(),
            trend: Trend::default(),
            heap_made: self.heap_made(heap),
            old_space: self.old_space(heap),
            reserve: self.reserve(heap),
            semi_space: self.semi_space(heap),
            has_context_frame: self.settings.has_context_frame,
            _tasks: tasks,
            end: None,
            asked: Asked::No,
            node: None,
        })
    }

    fn announce(&mut self) {
        self.ending.begin_drain(self.front.requests_ended(), Instant::now());
        let delay = self.settings.fleet.delay;
        if !delay.is_zero() {
            let delay = report::describe_time(delay);
            tracing::info!("stopping: not ready from now on, everything is served for another {delay}");
        }
    }

    fn begin_drain(&mut self) {
        tracing::info!("draining: requests in flight finish, nothing new is taken");
        self.front.drain();
    }

    fn cut(&mut self) {
        self.ending.cut(self.front.requests_ended(), self.front.in_flight());
        self.front.abort();
    }

    fn warn_silent(&self, worker: WorkerId) {
        let timeout = report::describe_time(self.settings.fleet.listen_timeout);
        match self.nature {
            Nature::Node => tracing::warn!(
                %worker,
                "the app has not listened within {timeout}; it still runs and is waited for (--listen-timeout)"
            ),
            Nature::Unknown | Nature::Plain if self.settings.port.is_none() => tracing::warn!(
                %worker,
                "nothing is known of the app after {timeout}: it loads no agent and PORT does not tell where it \
                 listens; set PORT, or check that nothing else listens there"
            ),
            Nature::Unknown | Nature::Plain => tracing::warn!(
                %worker,
                "the app does not answer at PORT after {timeout}; it still runs and is waited for"
            ),
        }
    }
}

/// Inside that of the instance.
fn directory_name(worker: WorkerId) -> String {
    format!("w{}.{}", worker.index, worker.incarnation)
}

/// A worker sees a pipe where there may be a terminal in the end.
fn colour() -> Colour {
    let is_unset = |name| std::env::var_os(name).is_none();
    let is_wanted = Target::Stdout.is_terminal() && is_unset("NO_COLOR") && is_unset("FORCE_COLOR");
    if is_wanted { Colour::Force } else { Colour::AsIs }
}

fn say_replaced(dead: WorkerId, delay: Duration) {
    if delay.is_zero() {
        tracing::info!(worker = %dead, "the worker is replaced now");
    } else {
        tracing::info!(worker = %dead, "the worker is replaced in {}", report::describe_time(delay));
    }
}
