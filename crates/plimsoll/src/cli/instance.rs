//! The instances that run, and asking one of them something: the client of the control socket.
//!
//! One blocking exchange per connection is all that a verb needs: HTTP/1.0 out, a head and a body until the end
//! back. The instance has [`ANSWER_TIMEOUT`] for what it can say at once; a hung one is told from a busy one.

use std::error::Error as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::output;
use crate::exit::Exit;
use crate::observe::control::{Ended, Haste};
use crate::observe::findings::{self, Findings};
use crate::observe::socket;
use crate::observe::status::Status;

mod directories;
mod order;
mod pick;

pub(super) use self::order::{json_argument, order};
pub(super) use self::pick::pick;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One running (or hanging) instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: String,
    socket: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no instance is running")]
    NoneRunning,
    #[error("no instance named {name} is running")]
    Unknown { name: String, running: Vec<String> },
    #[error("{} instances are running", .0.len())]
    Several(Vec<String>),
    #[error("instance {0} did not answer within {timeout}s", timeout = ANSWER_TIMEOUT.as_secs())]
    Silent(String),
    #[error("instance {name}: {reason}")]
    Refused { name: String, reason: String },
    #[error("instance {name} cannot be asked")]
    Failed { name: String, source: io::Error },
}

impl Error {
    /// What to do, as a line of its own.
    fn hint(&self) -> String {
        let hint = match self {
            Self::NoneRunning => "start one with: plimsoll run -- COMMAND".to_owned(),
            Self::Unknown { running, .. } if running.is_empty() => "none is running".to_owned(),
            Self::Unknown { running, .. } => format!("running: {}", running.join(", ")),
            Self::Several(names) => format!("choose one with --name: {}", names.join(", ")),
            Self::Silent(_) => "it hangs or is suspended; its process: pgrep -af 'plimsoll run'".to_owned(),
            Self::Refused { .. } | Self::Failed { .. } => return String::new(),
        };
        format!("\n hint: {hint}")
    }
}

impl Instance {
    pub(super) fn new(name: impl Into<String>, directory: &Path) -> Self {
        Self { name: name.into(), socket: directory.join(socket::FILE_NAME) }
    }

    /// Its private directory.
    pub(super) fn directory(&self) -> &Path {
        self.socket.parent().unwrap_or(&self.socket)
    }

    /// # Errors
    /// It did not answer in time, or not sensibly.
    pub(super) fn status(&self) -> Result<Status, Error> {
        self.ask(self.connect()?, "GET", socket::STATUS_PATH, Some(ANSWER_TIMEOUT))
    }

    /// # Errors
    /// It did not answer in time, or not sensibly.
    pub(super) fn findings(&self) -> Result<Findings, Error> {
        self.ask(self.connect()?, "GET", findings::PATH, Some(ANSWER_TIMEOUT))
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It did not answer at all, or ended without saying how.
    pub(super) fn stop(&self, haste: Haste) -> Result<Ended, Error> {
        // The answer comes at the end of the drain, so whether anyone is there is asked first.
        let status = self.status()?;
        let path = match haste {
            Haste::Drain => socket::STOP_PATH.to_owned(),
            Haste::Now => format!("{}?{}", socket::STOP_PATH, socket::HASTE_NOW),
        };
        let process = Process::open(status.pid);
        let ended = self.ask(self.connect()?, "POST", &path, None)?;
        process.wait();
        Ok(ended)
    }

    /// Whether somebody listens; a socket that was left behind by a crash refuses.
    fn is_running(&self) -> bool {
        !matches!(
            UnixStream::connect(&self.socket).map_err(|error| error.kind()),
            Err(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
        )
    }

    fn connect(&self) -> Result<UnixStream, Error> {
        UnixStream::connect(&self.socket).map_err(|source| self.failed(source))
    }

    fn ask<T: DeserializeOwned>(
        &self,
        stream: UnixStream,
        method: &str,
        path: &str,
        timeout: Option<Duration>,
    ) -> Result<T, Error> {
        let answer = exchange(stream, method, path, timeout).map_err(|source| self.failed(source))?;
        let (status, body) = split(&answer).ok_or_else(|| self.refused("it ended without an answer"))?;
        if status != 200 {
            return Err(self.refused(&reason(body).unwrap_or_else(|| format!("it answered {status}"))));
        }
        serde_json::from_str(body)
            .map_err(|error| self.refused(&format!("its answer is not understood: {error}")))
    }

    fn failed(&self, source: io::Error) -> Error {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Silent(self.name.clone()),
            _ => Error::Failed { name: self.name.clone(), source },
        }
    }

    fn refused(&self, reason: &str) -> Error {
        Error::Refused { name: self.name.clone(), reason: reason.to_owned() }
    }
}

/// `--name`, the same for every verb that speaks to a running instance.
pub(super) fn name_argument() -> Arg {
    Arg::new("name").long("name").value_name("NAME").help("Which instance; not needed when one is running")
}

pub(super) fn name(arguments: &ArgMatches) -> Option<&str> {
    arguments.get_one::<String>("name").map(String::as_str)
}

/// Prints a part of what the instance that the arguments name knows, for people or for scripts.
pub(super) fn show<T: Serialize>(
    arguments: &ArgMatches,
    part: impl FnOnce(Status) -> T,
    render: impl FnOnce(&T) -> String,
) -> ExitCode {
    match pick(name(arguments)).and_then(|instance| instance.status()).map(part) {
        Ok(part) if output::wants_json(arguments) => output::print(&output::json_line(&part)),
        Ok(part) => output::print(&render(&part)),
        Err(error) => fail(&error),
    }
}

/// Says why a verb could not be done.
pub(super) fn fail(error: &Error) -> ExitCode {
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    // Where standard error is closed, the exit code alone must do.
    let _ = writeln!(io::stderr().lock(), "error: {error}{cause}{}", error.hint());
    Exit::Failure.into()
}

fn exchange(
    mut stream: UnixStream,
    method: &str,
    path: &str,
    timeout: Option<Duration>,
) -> io::Result<String> {
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_read_timeout(timeout)?;
    let length = if method == "POST" { "content-length: 0\r\n" } else { "" };
    write!(stream, "{method} {path} HTTP/1.0\r\n{length}\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

/// The status and the body of an answer that ends with its connection.
fn split(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body))
}

fn reason(body: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(problem.get("error")?.as_str()?.to_owned())
}

/// The process of an instance, held so that its number cannot come to mean another one.
struct Process(Option<rustix::fd::OwnedFd>);

/// How long an instance that has said how it ended may take to be gone.
const GONE_TIMEOUT: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };

impl Process {
    /// In another PID namespace, or on a kernel without pidfd, there is nothing to hold.
    fn open(pid: u32) -> Self {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        Self(pid.and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()))
    }

    /// Whether it was seen to be gone.
    fn wait(self) -> bool {
        let Some(process) = self.0 else { return false };
        let mut ends = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
        // A failure to wait is not a failure to stop: the instance has said how it ended.
        rustix::event::poll(&mut ends, Some(&GONE_TIMEOUT)).is_ok_and(|ended| ended > 0)
    }
}

#[cfg(test)]
mod tests;
