//! Printing that survives a reader who leaves: `plimsoll config | head -1` is not a failure.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches};
use serde::Serialize;

use crate::exit::Exit;

/// For verbs that print a table: the same for scripts.
pub(super) fn json_argument() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON for scripts")
}

pub(super) fn wants_json(arguments: &ArgMatches) -> bool {
    arguments.get_flag("json")
}

/// One line of JSON, of what consists of strings and numbers: there is nothing in it that JSON could not say.
pub(super) fn json_line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
}

/// Prints an answer on stdout.
pub(super) fn print(text: &str) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("error: cannot write to stdout: {error}"));
            Exit::Failure.into()
        }
        _ => Exit::Drained.into(),
    }
}

/// Prints bad usage or bad settings on stderr.
pub(super) fn fail(problem: &impl std::fmt::Display) -> ExitCode {
    say(&problem.to_string());
    Exit::Usage.into()
}

/// Tells how something goes on, on stderr.
pub(super) fn say(text: &str) {
    // There is nobody left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
