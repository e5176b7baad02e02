//! One incarnation of a worker: its process, its pipes, its channels and the tasks that watch it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_wire::message::ToAgent;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::supervisor::Watchdog;
use crate::concerns::memory::heap::Made;
use crate::concerns::memory::seen::Seen;
use crate::concerns::memory::trend::Trend;
use crate::ids::WorkerId;
use crate::observe::logs::{Tail, Tap};
use crate::sys::page::Page;
use crate::sys::process;

/// How long what a dead worker printed may take to be passed on before its end is reported all the same.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long npm (or whatever started the server) may take to end by itself after the server has.
const PARENT_GRACE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Process {
    pub worker: WorkerId,
    /// The process that we started, and leader of its group.
    pub pid: u32,
    pub started: Instant,
    /// Of the fleet, when it was started.
    pub generation: u32,
    /// The private directory; `None`: without agent.
    pub directory: Option<PathBuf>,
    /// Where its requests are claimed.
    pub page: Option<Arc<Page>>,
    pub tail: Tail,
    pub taps: Vec<Tap>,
    /// The processes that serve.
    pub channels: BTreeMap<u32, Channel>,
    /// Those of them whose loop is watched.
    pub watchdogs: BTreeMap<u32, Watchdog>,
    /// What it uses.
    pub memory: Seen,
    /// Whether that grows.
    pub trend: Trend,
    pub heap_made: Made,
    /// The most that the old space of one of its heaps may have, where that is known.
    pub old_space: Option<u64>,
    /// What of that nothing that lives may fill.
    pub reserve: u64,
    /// Its semi-space, as well.
    pub semi_space: Option<u64>,
    /// It was started with `--experimental-async-context-frame`.
    pub has_context_frame: bool,
    /// Tasks that end with the worker.
    pub _tasks: JoinSet<()>,
    /// How and when the leader ended.
    pub end: Option<(ExitStatus, Instant)>,
    /// `process.version`, as its agent has told.
    pub node: Option<String>,
    /// It was asked to end; then, when what is left of its group is asked as well.
    pub asked: Asked,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub pid: u32,
    /// It has mapped the page, and claims in it.
    pub claims: bool,
    pub replies: mpsc::Sender<ToAgent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    Servers,
    /// The servers are gone; the rest of the group is asked at this time.
    GroupAt(Instant),
    Group,
}

impl Process {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Asks the worker to end: the processes that serve, so that a signal arrives there once and not a second
    /// time through npm; the whole group where none serves.
    pub(super) fn terminate(&mut self) {
        if self.channels.is_empty() {
            return self.terminate_group();
        }
        self.asked = Asked::Servers;
        let mut pids: Vec<u32> = self.channels.values().map(|channel| channel.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().for_each(process::terminate);
    }

    pub(super) fn terminate_group(&mut self) {
        self.asked = Asked::Group;
        process::terminate_group(self.pid);
    }

    /// Kills everything of the worker, also servers that left its group.
    pub(super) fn kill(&self) {
        process::kill_group(self.pid);
        self.channels.values().for_each(|channel| process::kill(channel.pid));
    }

    /// A process has ended and was reaped.
    pub(super) fn reaped(&mut self, reaped: &process::Reaped, now: Instant) {
        if reaped.pid == self.pid {
            self.end = Some((reaped.status, now));
        }
    }

    /// A channel was lost.
    pub(super) fn lose_channel(&mut self, channel: u32, now: Instant) {
        self.channels.remove(&channel);
        self.watchdogs.remove(&channel);
        self.memory.lose(channel, now);
        if self.asked == Asked::Servers && self.channels.is_empty() && self.end.is_none() {
            self.asked = Asked::GroupAt(now + PARENT_GRACE);
        }
    }

    pub(super) fn pass_deadline(&mut self, now: Instant) {
        if matches!(self.asked, Asked::GroupAt(due) if due <= now) {
            self.terminate_group();
        }
    }

    /// The worker has ended and everything it printed has been passed on.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let Some((_, at)) = self.end else { return false };
        let waited_enough = now.saturating_duration_since(at) >= SETTLE_TIMEOUT;
        self.channels.is_empty() && (waited_enough || self.taps.iter().all(Tap::is_settled))
    }

    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let group = match self.asked {
            Asked::GroupAt(due) => Some(due),
            Asked::No | Asked::Servers | Asked::Group => None,
        };
        let settled = self.end.map(|_| now + Duration::from_millis(5));
        [group, settled].into_iter().flatten().min()
    }
}
