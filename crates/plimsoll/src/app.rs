//! The wiring of the parts. To be replaced: this build has the command line and the settings only.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::config::Config;
use crate::exit::Exit;

/// Runs `command` behind the gateway until it is stopped.
pub fn run(config: Config, command: Vec<OsString>) -> ExitCode {
    tracing::error!(?command, workers = ?config.workers.count, "this build cannot run a command yet");
    Exit::Failure.into()
}
