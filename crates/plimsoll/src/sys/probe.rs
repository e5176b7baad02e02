//! Asks a program a short question before anything else is started.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// A program that has more to say than this is not answering the question.
const ANSWER_MAX: u64 = 256;

/// The first line that `program argument` prints; `None`: it cannot be started, says nothing, or takes longer than
/// `patience`.
#[must_use]
pub fn first_line(program: &OsStr, argument: &str, patience: Duration) -> Option<String> {
    let mut command = Command::new(program);
    command.arg(argument);
    ask(command, patience, |_| true)
}

/// The first line that `command` prints before it ends by itself, while the instance runs.
///
/// Whoever reaps orphans may have reaped it by then, and its number may be another's: it is killed only where it is
/// silent, and so still there.
#[must_use]
pub fn answer(command: Command, patience: Duration) -> Option<String> {
    ask(command, patience, |line| line.is_none())
}

fn ask(
    mut command: Command,
    patience: Duration,
    is_killed: impl FnOnce(Option<&String>) -> bool,
) -> Option<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (told, answer) = sync_channel(1);
    let stdout = child.stdout.take()?;
    let reader = thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let mut line = String::new();
        let _broken = BufReader::new(stdout.take(ANSWER_MAX)).read_line(&mut line);
        let _nobody_waits = told.send(line);
    });
    let line = reader.ok().and_then(|_reader| answer.recv_timeout(patience).ok());
    if is_killed(line.as_ref()) {
        let _gone = child.kill();
    }
    let _reaped = child.wait();
    line.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_that_answers_in_time_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let ask = |name: &str, script: &str, patience| {
            use std::os::unix::fs::PermissionsExt;
            let path = directory.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
            first_line(path.as_os_str(), "--version", patience)
        };
        let long = Duration::from_secs(20);
        assert_eq!(ask("good", "echo v1.2 $1; echo more", long).as_deref(), Some("v1.2 --version"));
        assert_eq!(ask("silent", "exit 0", long), None);
        assert_eq!(ask("hangs", "exec sleep 60", Duration::from_millis(20)), None);
        assert_eq!(first_line("/nowhere/node".as_ref(), "--version", long), None);
    }
}
