//! `plimsoll run`: the command line becomes settings and a command.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::{logging, output, settings};
use crate::app;
use crate::config::Config;
use crate::exit::Exit;
use crate::observe::logs::Mirror;

const COMMAND: &str = "command";
const NO_COMMAND: &str = "error: `plimsoll run` needs the command that starts the app
   at: the end of the command line
 hint: put it after `--`, for example: plimsoll run -- node server.js";

pub(super) fn command() -> Command {
    let command = Command::new("run")
        .about("Starts the app as workers behind the gateway")
        .override_usage("plimsoll run [OPTIONS] -- COMMAND...")
        .after_help("Example:  plimsoll run --workers 2 -- node server.js");
    settings::with_flags(command).arg(
        Arg::new(COMMAND)
            .value_name("COMMAND")
            .value_parser(value_parser!(OsString))
            .num_args(0..)
            // Whatever follows the command's name belongs to the command, with or without `--` before it.
            .trailing_var_arg(true)
            .help("The command that starts the app, and its arguments, as without Plimsoll"),
    )
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let command: Vec<OsString> = matches.get_many(COMMAND).unwrap_or_default().cloned().collect();
    if command.iter().all(|part| part.is_empty()) {
        return output::fail(&NO_COMMAND);
    }
    match settings::read(matches) {
        Err(problems) => output::fail(&problems),
        Ok(effective) => start(effective.config, command),
    }
}

fn start(config: Config, command: Vec<OsString>) -> ExitCode {
    let mirror = Mirror::default();
    match logging::start(config.log.level, mirror.clone()) {
        Ok(log) => {
            let exit = app::run(config, command, &mirror);
            // Now, and not while values are dropped in some order: the last line must have come out.
            drop(log);
            exit.into()
        }
        Err(error) => {
            let _usage = output::fail(&format!("error: the log cannot be started: {error}"));
            Exit::Failure.into()
        }
    }
}
