//! What must happen in a child between `fork` and `exec`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit,
};

use super::scheduling;

/// The niceness of what gives way to everything.
const LAST: i32 = 19;

/// What a child is given on its way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The limit of open files that we were started with, where ours was raised.
    pub open_files: Option<Rlimit>,
    /// It interrupts nobody when it wakes.
    pub wakes_in_turn: bool,
}

/// Makes the child the leader of its own process group, ends it when we are killed, and gives it its terms.
///
/// The signal mask, and SIGPIPE (which Rust programs ignore), are reset by the standard library. The child is
/// asked to end (SIGTERM) when the *thread* that started it ends: start children from the main thread only.
pub fn prepare(command: &mut Command, terms: Terms) {
    let parent = getpid();
    command.process_group(0);
    let in_child = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        if getppid() != Some(parent) && !is_init(parent) {
            // The parent died before the line above: nobody would ever stop this child.
            return Err(std::io::Error::other("the supervisor is gone"));
        }
        if let Some(limit) = terms.open_files {
            setrlimit(Resource::Nofile, limit)?;
        }
        if terms.wakes_in_turn {
            scheduling::wake_in_turn();
        }
        Ok(())
    };
    // SAFETY: the closure makes only direct system calls, which are async-signal-safe; it takes no lock and
    // allocates nothing except on the error path, after which the child only reports and exits.
    #[expect(unsafe_code, reason = "code between fork and exec must keep to async-signal-safe calls")]
    unsafe {
        command.pre_exec(in_child);
    }
}

/// Lets everything else on the machine go first.
pub fn give_way(command: &mut Command) {
    let in_child = || Ok(rustix::process::setpriority_process(None, LAST).map(drop)?);
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    #[expect(unsafe_code, reason = "code between fork and exec must keep to async-signal-safe calls")]
    unsafe {
        command.pre_exec(in_child);
    }
}

/// The init process of a PID namespace has no parent to compare with.
fn is_init(parent: Pid) -> bool {
    parent == Pid::INIT
}
