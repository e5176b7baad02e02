//! Ending and reaping processes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, test_kill_process_group,
    waitpid,
};

/// A process that has ended and was reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    pub pid: u32,
    pub status: ExitStatus,
}

/// Orphans of our children become ours, not those of a far-away init: a worker started by npm stays known.
///
/// # Errors
/// As `prctl(2)` gives them.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// From now on this thread runs when nothing else wants to.
pub fn yield_to_others() {
    // Of a kernel that refuses, it runs as any other.
    let _as_before = rustix::process::nice(19);
}

/// Reaps the next child or adopted orphan that has ended, if there is one.
#[must_use]
pub fn reap_any() -> Option<Reaped> {
    rustix::process::wait(WaitOptions::NOHANG).ok()?.map(reaped)
}

/// Reaps this child if it has ended.
#[must_use]
pub fn reap_child(pid: u32) -> Option<Reaped> {
    waitpid(Some(to_pid(pid)?), WaitOptions::NOHANG).ok()?.map(reaped)
}

fn reaped((pid, status): (Pid, WaitStatus)) -> Reaped {
    Reaped { pid: pid.as_raw_nonzero().get().unsigned_abs(), status: ExitStatus::from_raw(status.as_raw()) }
}

/// Asks one process to end. That it is gone already is no error worth telling.
pub fn terminate(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        let _gone = kill_process(pid, Signal::TERM);
    }
}

/// Asks a process group to end.
pub fn terminate_group(leader: u32) {
    if let Some(pid) = to_pid(leader) {
        let _gone = kill_process_group(pid, Signal::TERM);
    }
}

/// Whether a process group has members; who has ended and was not reaped is one.
#[must_use]
pub fn has_members(leader: u32) -> bool {
    to_pid(leader).is_some_and(|pid| test_kill_process_group(pid).is_ok())
}

/// Kills a process group.
pub fn kill_group(leader: u32) {
    if let Some(pid) = to_pid(leader) {
        let _gone = kill_process_group(pid, Signal::KILL);
    }
}

/// Kills one process.
pub fn kill(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        let _gone = kill_process(pid, Signal::KILL);
    }
}

/// Never 0 (our own group) nor 1 (init, and as a group: everything): those are no workers.
fn to_pid(pid: u32) -> Option<Pid> {
    let raw = i32::try_from(pid).ok().filter(|raw| *raw > 1)?;
    Pid::from_raw(raw)
}
