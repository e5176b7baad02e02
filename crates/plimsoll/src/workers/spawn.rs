//! Starts the process of a worker.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, Stdio};

use crate::concerns::logs::record::Stream;
use crate::ids::WorkerId;
use crate::observe::logs::{self, Capture, Tail, Tap};
use crate::sys::{child, process};

/// A process that has been started.
#[derive(Debug)]
pub(super) struct Started {
    pub pid: u32,
    pub tail: Tail,
    pub taps: Vec<Tap>,
}

/// Why a command cannot be started, in words that help.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the command {command:?} does not exist\n hint: {hint}")]
    Missing { command: OsString, hint: &'static str },
    #[error(
        "the command {command:?} is not executable\n hint: put the interpreter in front, for example: node {}",
        command.display()
    )]
    NotExecutable { command: OsString },
    #[error("the command {command:?} could not be started")]
    Other { command: OsString, source: io::Error },
}

/// Starts `command` with `variables` on top of our own environment.
///
/// # Errors
/// The command does not exist, is not executable, or the system is out of something.
pub(super) fn spawn(
    worker: WorkerId,
    command: &[OsString],
    variables: &[(OsString, OsString)],
    terms: child::Terms,
    logs: &Capture,
) -> Result<Started, Error> {
    let (program, arguments) = command.split_first().ok_or(Error::Missing {
        command: OsString::new(),
        hint: "put the command after `--`, for example: plimsoll run -- node server.js",
    })?;
    let other = |source| Error::Other { command: program.clone(), source };
    let (stdout, their_stdout) = logs::pipe().map_err(other)?;
    let (stderr, their_stderr) = logs::pipe().map_err(other)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(their_stdout)
        .stderr(their_stderr);
    child::prepare(&mut command, terms);
    let mut child = command.spawn().map_err(|error| explain(program, error))?;
    // Our copies of the worker's ends: while they are open, its pipes have no end.
    drop(command);
    let tail = Tail::default();
    let pid = child.id();
    let adopt = |stream, pipe| logs.adopt(worker, pid, stream, pipe, tail.clone()).map_err(other);
    let adopted =
        adopt(Stream::Stdout, stdout).and_then(|first| Ok(vec![first, adopt(Stream::Stderr, stderr)?]));
    let taps = adopted.inspect_err(|_| {
        // Nobody would know of it. It is waited for, so that its number is not another's when it is reaped.
        process::kill_group(pid);
        let _reaped_elsewhere = child.wait();
    })?;
    Ok(Started { pid, tail, taps })
}

fn explain(program: &OsStr, error: io::Error) -> Error {
    let command = program.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing { command, hint: hint_for(program) },
        io::ErrorKind::PermissionDenied => Error::NotExecutable { command },
        _ => Error::Other { command, source: error },
    }
}

fn hint_for(program: &OsStr) -> &'static str {
    let is_path = program.as_encoded_bytes().contains(&b'/');
    let is_script = [".js", ".cjs", ".mjs", ".ts"]
        .iter()
        .any(|ending| program.as_encoded_bytes().ends_with(ending.as_bytes()));
    match (is_script, is_path) {
        (true, _) => "put `node` in front of the script: plimsoll run -- node server.js",
        (false, true) => "check the path; it is taken from the working directory",
        (false, false) => "check its spelling and PATH; a local package is started with npx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::observe::logs::Pipeline;
    use crate::sys::child::Terms;

    const WORKER: WorkerId = WorkerId { index: 0, incarnation: 1 };

    fn command(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    /// Runs a shell script as a worker to its end and returns what it printed.
    fn run(script: &str, variables: &[(OsString, OsString)]) -> Vec<String> {
        let pipeline = Pipeline::start_alone(&config::Logs::default(), Vec::new()).unwrap();
        let started =
            spawn(WORKER, &command(&["sh", "-c", script]), variables, Terms::default(), pipeline.capture())
                .unwrap();
        while process::reap_child(started.pid).is_none() {
            std::thread::yield_now();
        }
        while !started.taps.iter().all(Tap::is_settled) {
            std::thread::yield_now();
        }
        started.tail.last_lines(99)
    }

    #[test]
    fn a_command_that_cannot_be_started_is_explained() {
        let table = [
            (&["/nowhere/x"][..], "does not exist\n hint: check the path"),
            (&["no-such-command-here"], "does not exist\n hint: check its spelling"),
            (&["server.js"], "hint: put `node` in front"),
            (&["/etc/passwd"], "is not executable"),
            (&[], "hint: put the command after `--`"),
        ];
        let pipeline = Pipeline::start_alone(&config::Logs::default(), Vec::new()).unwrap();
        for (words, expected) in table {
            let error = spawn(WORKER, &command(words), &[], Terms::default(), pipeline.capture())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_worker_has_its_own_group_no_input_and_its_variables() {
        let script =
            "read x && echo input; ps -o pgid= -p $$ | tr -d ' '; echo $$; echo $PLIMSOLL_WORKER; echo e >&2";
        let printed = run(script, &[("PLIMSOLL_WORKER".into(), "7".into())]);
        // Two pipes: what came through one may stand before or after what came through the other.
        let (errors, output): (Vec<_>, Vec<_>) = printed.iter().partition(|line| *line == "e");
        let [group, pid, worker] = &output[..] else { panic!("{printed:?}") };
        assert_eq!((group, worker.as_str(), errors.len()), (pid, "7", 1));
    }

    #[test]
    fn a_broken_pipe_ends_a_worker_as_it_would_without_us() {
        assert_eq!(run("yes | head -n1", &[]), ["y"]);
    }
}
