//! Processes that a bench starts and surely ends.
//!
//! A child is started on a CPU of its own and is ended by its process id: SIGTERM, and SIGKILL when it does not
//! go. `setpriv` ties its life to ours, so that an interrupted bench leaves nothing running.

use std::fs::File;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid as RawPid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::procfs::Pid;
use super::wait;

/// Plimsoll drains before it goes; with no request in flight that is quick.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Child(std::process::Child);

impl Child {
    /// Starts `program`, its output going to `log`.
    pub(crate) fn start(
        program: &Path,
        cpu: Option<usize>,
        log: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self> {
        let output = create(log)?;
        Self::spawn(program, cpu, |command| {
            configure(command);
            command.stdout(output.try_clone()?).stderr(output);
            Ok(())
        })
    }

    /// As [`Self::start`], with a pipe for its standard output.
    pub(crate) fn start_piped(
        program: &Path,
        cpu: Option<usize>,
        log: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> anyhow::Result<(Self, ChildStdout)> {
        let output = create(log)?;
        let mut child = Self::spawn(program, cpu, |command| {
            configure(command);
            command.stdout(Stdio::piped()).stderr(output);
            Ok(())
        })?;
        let stdout = child.0.stdout.take().context("the child has no pipe")?;
        Ok((child, stdout))
    }

    fn spawn(
        program: &Path,
        cpu: Option<usize>,
        configure: impl FnOnce(&mut Command) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program);
        configure(&mut command)?;
        command.stdin(Stdio::null());
        on_cpu(cpu, || Ok(Self(command.spawn()?)))
            .with_context(|| format!("cannot start {}", program.display()))
    }

    pub(crate) fn pid(&self) -> Pid {
        self.0.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)) | Err(_))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(RawPid::from_raw);
        // The process may just have gone by itself: then there is nothing to do.
        pid.map(|pid| kill_process(pid, signal));
    }

    pub(crate) fn wait(&mut self, limit: Duration, what: &str) -> anyhow::Result<()> {
        wait::until(limit, what, || self.has_ended().then_some(()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        self.signal(Signal::TERM);
        if self.wait(STOP_WITHIN, "the end of a child").is_err() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn create(log: &Path) -> anyhow::Result<File> {
    File::create(log).with_context(|| format!("cannot write {}", log.display()))
}

/// A child inherits the CPUs of the thread that starts it: so this thread goes there for a moment. (Setting them
/// afterwards would miss threads that the child has started by then.)
pub(crate) fn on_cpu<T>(cpu: Option<usize>, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let Some(cpu) = cpu else { return work() };
    let before = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).with_context(|| format!("cannot run on CPU {cpu}"))?;
    let result = work();
    sched_setaffinity(None, &before)?;
    result
}
