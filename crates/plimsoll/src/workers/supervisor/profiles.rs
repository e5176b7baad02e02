//! CPU profiles and heap snapshots: who asked for one, which workers take it, and what came of it.
//!
//! An order waits for its worker with a deadline for the beginning (a blocked loop does not hear us) and one for the
//! end. It is given up when whoever asked is gone. What a worker writes lies in its private directory until whoever
//! asked has taken it away, at most one file per worker.

mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plimsoll_wire::message::{FromAgent, ToAgent};

use super::{Nature, Supervisor};
use crate::concerns::event_loop::incident::Ordered;
use crate::concerns::event_loop::incident::stack::{self, Frame};
use crate::exit::Exit;
use crate::ids::WorkerId;
use crate::observe::control::{Ended, Profile, Taken, Teller, What};
use crate::sys::room;
use crate::workers::front::Front;

/// Orders at the same time: one per worker at most, and hardly anyone has more than one person asking.
const ORDERS_MAX: usize = 8;
/// How long a worker may take to begin: longer than any stall that an app should have.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long V8 may take to put a profile together, beyond the time of the profile, and the worker to write it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A heap of many gigabytes takes minutes.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How often it is looked whether the one who asked is still there, and how far a snapshot has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A snapshot tells its size each time it has grown by so much.
const PROGRESS_STEP: u64 = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Profiles {
    last: u32,
    orders: BTreeMap<u32, Order>,
    /// The file of each worker that may still lie there.
    kept: BTreeMap<WorkerId, PathBuf>,
    /// What blocks the loop of a worker now.
    blocked: BTreeMap<WorkerId, String>,
}

#[derive(Debug)]
struct Order {
    asked: Profile,
    teller: Teller,
    takers: BTreeMap<WorkerId, Taker>,
    /// Workers that cannot, and need not be asked again.
    failed: BTreeMap<WorkerId, String>,
}

/// A worker that takes a profile.
#[derive(Debug)]
struct Taker {
    channel: u32,
    pid: u32,
    path: PathBuf,
    progress: Progress,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Asked,
    /// The loop has turned; so many bytes of a snapshot were told.
    Begun(u64),
}

impl Profiles {
    /// When it must be looked after them again; `None`: there are none.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        (!self.orders.is_empty()).then(|| now + LOOK_EVERY)
    }

    /// The watchdog of a worker says what blocks its loop, and when it turns again.
    pub(super) fn hear_stall(&mut self, worker: WorkerId, report: &FromAgent) {
        match report {
            FromAgent::Stalled { stack, .. } => {
                let directory = std::env::current_dir().unwrap_or_default();
                self.blocked.extend(words::culprit(stack, &directory).map(|culprit| (worker, culprit)));
            }
            FromAgent::Resumed { .. } => {
                self.blocked.remove(&worker);
            }
            _ => {}
        }
    }

    /// Why a worker stands still, if that is for an order: V8 tells nothing then, or only who of us called it.
    pub(super) fn ordered(&self, worker: WorkerId, report: &FromAgent, agent: &Path) -> Option<Ordered> {
        let FromAgent::Stalled { stack, .. } = report else { return None };
        let order = self.orders.values().find(|order| order.takers.contains_key(&worker))?;
        let has_begun = matches!(order.takers.get(&worker)?.progress, Progress::Begun(_));
        ordered(order.asked.what, has_begun, &stack::read(stack), agent)
    }

    fn is_busy(&self, worker: WorkerId) -> bool {
        self.orders.values().any(|order| order.takers.contains_key(&worker))
    }
}

impl<F: Front> Supervisor<F> {
    pub(super) fn profile(&mut self, asked: Profile, teller: Teller) {
        let workers = match self.candidates(&asked) {
            Ok(workers) => workers,
            Err(reason) => return refuse(teller, &reason),
        };
        if self.profiles.orders.len() >= ORDERS_MAX {
            return refuse(teller, "too many profiles are being taken");
        }
        self.profiles.last = self.profiles.last.wrapping_add(1);
        let id = self.profiles.last;
        let order = Order { asked, teller, takers: BTreeMap::new(), failed: BTreeMap::new() };
        self.profiles.orders.insert(id, order);
        // All are asked before it is told that one of them cannot: it may be the only one.
        let asked = workers.into_iter().map(|worker| (worker, self.order_from(id, worker)));
        let failed: Vec<_> = asked.filter_map(|(worker, asked)| Some((worker, asked.err()?))).collect();
        for (worker, reason) in failed {
            self.fail_profile(id, worker, reason);
        }
    }

    /// The workers that are meant: one, or all that may stall.
    fn candidates(&self, asked: &Profile) -> Result<Vec<WorkerId>, String> {
        if self.nature == Nature::Plain {
            return Err("the app runs without the agent, which is what takes it".to_owned());
        }
        let places = self.fleet.places();
        let ready = places.iter().filter(|place| place.is_ready()).map(|place| place.id);
        let mut ready: Vec<WorkerId> = match asked.worker {
            None => ready.collect(),
            Some(index) if places.iter().all(|place| place.id.index != index) => {
                return Err(format!(
                    "there is no worker {index}: the last one is {}",
                    places.len().saturating_sub(1)
                ));
            }
            Some(index) => ready.filter(|worker| worker.index == index).collect(),
        };
        if ready.is_empty() {
            return Err(match asked.worker {
                Some(index) => format!("worker {index} does not serve now"),
                None => "no worker serves now".to_owned(),
            });
        }
        if !matches!(asked.what, What::Stall { .. }) {
            ready.truncate(1);
        }
        Ok(ready)
    }

    /// Asks one worker.
    fn order_from(&mut self, id: u32, worker: WorkerId) -> Result<(), String> {
        if self.profiles.is_busy(worker) {
            return Err("another profile or snapshot of it is being taken".to_owned());
        }
        let process = self.processes.get(&worker).ok_or("it is gone")?;
        // With node:cluster the primary is the first; it hands out connections, and each child has a share.
        let (&channel, open) = process.channels.iter().next().ok_or("its agent does not answer")?;
        let directory = process.directory.clone().ok_or("it has no private directory")?;
        let (path, pid) = (directory.join(file_name(id)), open.pid);
        if let Some(before) = self.profiles.kept.insert(worker, path.clone()) {
            remove(&before);
        }
        let Some(order) = self.profiles.orders.get_mut(&id) else { return Ok(()) };
        let message = message(id, order.asked.what, &directory, &path);
        let deadline = Some(Instant::now() + BEGIN_TIMEOUT);
        order.takers.insert(worker, Taker { channel, pid, path, progress: Progress::Asked, deadline });
        self.reply(worker, channel, message);
        Ok(())
    }

    pub(super) fn on_profile_began(&mut self, worker: WorkerId, channel: u32, id: u32, heap_bytes: u64) {
        let Some(order) = self.profiles.orders.get_mut(&id) else { return };
        let Some(taker) = order.takers.get_mut(&worker).filter(|taker| taker.channel == channel) else {
            return;
        };
        taker.progress = Progress::Begun(0);
        let now = Instant::now();
        taker.deadline = match order.asked.what {
            What::Cpu { seconds, .. } => Some(now + Duration::from_secs(seconds.into()) + WRITE_TIMEOUT),
            What::Stall { .. } => None,
            What::Heap => Some(now + SNAPSHOT_TIMEOUT),
        };
        tracing::info!(%worker, pid = taker.pid, "{}", words::log(order.asked.what));
        order.teller.say(&words::begun(order.asked.what, worker, taker.pid, heap_bytes));
    }

    pub(super) fn on_profiled(
        &mut self,
        worker: WorkerId,
        channel: u32,
        id: u32,
        result: Result<(), String>,
    ) {
        let orders = &mut self.profiles.orders;
        let is_awaited = orders
            .get(&id)
            .and_then(|order| order.takers.get(&worker))
            .is_some_and(|taker| taker.channel == channel);
        match result {
            Err(reason) if is_awaited => self.fail_profile(id, worker, words::clean(&reason)),
            Ok(()) if is_awaited => self.end_profile(id, worker),
            // It was given up, and the worker has not heard that in time.
            Ok(()) => {
                let process = self.processes.get(&worker);
                if let Some(directory) = process.and_then(|process| process.directory.as_ref()) {
                    remove(&directory.join(file_name(id)));
                }
            }
            Err(_) => {}
        }
    }

    /// The file is there: the others need not go on.
    fn end_profile(&mut self, id: u32, worker: WorkerId) {
        let Some(mut order) = self.profiles.orders.remove(&id) else { return };
        let Some(taker) = order.takers.remove(&worker) else { return };
        self.stop_takers(id, &order);
        let taken = Taken {
            worker: worker.index,
            pid: taker.pid,
            file: taker.path.strip_prefix(&self.directory.path).unwrap_or(&taker.path).to_owned(),
            directory: std::env::current_dir().unwrap_or_default(),
        };
        let message = words::ended(order.asked.what, worker, taker.pid);
        tracing::info!(%worker, pid = taker.pid, "{message}");
        order.teller.end(Ended::new(Exit::Drained, message).with(taken));
    }

    /// One worker cannot; where no other is left, that is the end of the order.
    fn fail_profile(&mut self, id: u32, worker: WorkerId, reason: String) {
        let Some(order) = self.profiles.orders.get_mut(&id) else { return };
        order.takers.remove(&worker);
        order.failed.insert(worker, reason);
        if !order.takers.is_empty() {
            return;
        }
        let Some(order) = self.profiles.orders.remove(&id) else { return };
        refuse(order.teller, &words::failures(&order.failed));
    }

    fn stop_takers(&mut self, id: u32, order: &Order) {
        for (&worker, taker) in &order.takers {
            self.reply(worker, taker.channel, ToAgent::StopProfile { id });
        }
    }

    /// The process that took a profile is gone.
    pub(super) fn lose_profile(&mut self, worker: WorkerId, channel: u32) {
        self.profiles.kept.remove(&worker);
        self.profiles.blocked.remove(&worker);
        let orders = self.profiles.orders.iter();
        let taken = |order: &Order| order.takers.get(&worker).is_some_and(|taker| taker.channel == channel);
        let lost: Vec<u32> = orders.filter(|(_, order)| taken(order)).map(|(&id, _)| id).collect();
        for id in lost {
            self.fail_profile(id, worker, "its process ended before it was done".to_owned());
        }
    }

    /// What no message tells: that nobody waits any more, that it takes too long, how far it is.
    pub(super) fn look_after_profiles(&mut self, now: Instant) {
        let ids: Vec<u32> = self.profiles.orders.keys().copied().collect();
        for id in ids {
            if self.profiles.orders.get(&id).is_some_and(|order| !order.teller.is_heard()) {
                if let Some(order) = self.profiles.orders.remove(&id) {
                    self.stop_takers(id, &order);
                }
                continue;
            }
            self.arm_newcomers(id);
            self.give_up_late(id, now);
            if let Some(order) = self.profiles.orders.get_mut(&id) {
                order.tell_progress();
            }
        }
    }

    /// A worker that came up since is watched for stalls as well.
    fn arm_newcomers(&mut self, id: u32) {
        let Some(order) = self.profiles.orders.get(&id) else { return };
        if !matches!(order.asked.what, What::Stall { .. }) {
            return;
        }
        let workers = self.candidates(&order.asked.clone()).unwrap_or_default();
        for worker in workers {
            let is_known =
                self.profiles.orders.get(&id).is_none_or(|order| {
                    order.takers.contains_key(&worker) || order.failed.contains_key(&worker)
                });
            if !is_known && let Err(reason) = self.order_from(id, worker) {
                self.fail_profile(id, worker, reason);
            }
        }
    }

    fn give_up_late(&mut self, id: u32, now: Instant) {
        let Some(order) = self.profiles.orders.get(&id) else { return };
        let is_late = |taker: &Taker| taker.deadline.is_some_and(|deadline| deadline <= now);
        let late: Vec<(WorkerId, u32, Progress)> = order
            .takers
            .iter()
            .filter(|(_, taker)| is_late(taker))
            .map(|(&worker, taker)| (worker, taker.channel, taker.progress))
            .collect();
        for (worker, channel, progress) in late {
            self.reply(worker, channel, ToAgent::StopProfile { id });
            let reason = match progress {
                Progress::Asked => {
                    words::blocked(BEGIN_TIMEOUT, self.profiles.blocked.get(&worker).map(String::as_str))
                }
                Progress::Begun(_) => "it did not come to an end in time".to_owned(),
            };
            self.fail_profile(id, worker, reason);
        }
    }
}

impl Order {
    fn tell_progress(&mut self) {
        if self.asked.what != What::Heap {
            return;
        }
        for (worker, taker) in &mut self.takers {
            let Progress::Begun(told) = taker.progress else { continue };
            let written = std::fs::metadata(&taker.path).map_or(0, |metadata| metadata.len());
            if written >= told + PROGRESS_STEP {
                taker.progress = Progress::Begun(written);
                self.teller.say(&words::progress(*worker, written));
            }
        }
    }
}

fn ordered(what: What, has_begun: bool, stack: &[Frame], agent: &Path) -> Option<Ordered> {
    let is_agents = |frame: &Frame| Path::new(&frame.script).starts_with(agent);
    let is_ours = |frame: &Frame| frame.script.starts_with("node:") || is_agents(frame);
    // Node and the agent stand below much of what the app does.
    let orders = |frame: &Frame| {
        frame.script == "node:inspector" || (is_agents(frame) && frame.script.ends_with("/profile.js"))
    };
    let is_snapshot = what == What::Heap;
    // Before it has begun the loop may stand still for anything; a profile goes on while the app runs.
    let is_told = if stack.is_empty() {
        is_snapshot && has_begun
    } else {
        stack.iter().all(is_ours) && stack.iter().any(orders)
    };
    let why = if is_snapshot { Ordered::Snapshot } else { Ordered::Profile };
    is_told.then_some(why)
}

fn message(id: u32, what: What, directory: &Path, path: &Path) -> ToAgent {
    let path = path.to_string_lossy().into_owned();
    match what {
        What::Cpu { seconds, interval_us } => {
            ToAgent::Profile { id, seconds, interval_us, stall_ms: 0, path }
        }
        What::Stall { seconds, interval_us, threshold_ms } => {
            ToAgent::Profile { id, seconds, interval_us, stall_ms: threshold_ms, path }
        }
        What::Heap => ToAgent::HeapSnapshot { id, heap_bytes_max: room::for_heap_snapshot(directory), path },
    }
}

fn file_name(id: u32) -> String {
    format!("profile-{id}")
}

fn remove(path: &Path) {
    let _taken_away = std::fs::remove_file(path);
}

fn refuse(teller: Teller, reason: &str) {
    teller.end(Ended::new(Exit::Failure, format!("nothing was taken: {reason}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_app_does_while_an_order_waits_or_runs_is_the_apps() {
        let cpu = What::Cpu { seconds: 1, interval_us: 1000 };
        let inspector = "    at node:inspector:66:39";
        let agent =
            "    at Session.post (node:inspector:9:1)\n    at record (/run/shop/agent/profile.js:90:3)";
        let app =
            "    at Object.pbkdf2Sync (node:internal/crypto/pbkdf2:62:22)\n    at hash (/srv/shop/a.js:3:1)";
        let request =
            "    at Server.emit (node:events:519:28)\n    at onIncoming (/run/shop/agent/link.js:70:9)";
        let (profile, snapshot) = (Some(Ordered::Profile), Some(Ordered::Snapshot));
        for (what, has_begun, stack, expected) in [
            (What::Heap, true, "", snapshot),
            (What::Heap, true, inspector, snapshot),
            (What::Heap, false, "", None),
            (What::Heap, true, app, None),
            (cpu, false, "", None),
            (cpu, true, "", None),
            (cpu, false, inspector, profile),
            (cpu, true, agent, profile),
            (cpu, true, app, None),
            (cpu, true, request, None),
            (What::Heap, true, request, None),
        ] {
            let found = ordered(what, has_begun, &stack::read(stack), Path::new("/run/shop"));
            assert_eq!(found, expected, "{what:?} {has_begun} {stack}");
        }
    }
}
