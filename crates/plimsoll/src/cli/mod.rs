//! The command line: one file per verb, each with its `command()` and its `run()`; this file chooses.

mod check;
mod config;
mod doctor;
mod heap_snapshot;
mod incidents;
mod instance;
mod logging;
mod logs;
mod mistakes;
mod output;
mod profile;
mod ps;
mod reference;
mod reload;
mod run;
mod scale;
mod settings;
mod stop;
#[cfg(test)]
mod tests;
mod top;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::exit::Exit;

/// A verb: what it takes, and what it does.
struct Verb {
    command: fn() -> Command,
    run: fn(&ArgMatches) -> ExitCode,
}

/// In the order of the help.
const VERBS: [Verb; 15] = [
    Verb { command: run::command, run: run::run },
    Verb { command: ps::command, run: ps::run },
    Verb { command: logs::command, run: logs::run },
    Verb { command: reload::command, run: reload::run },
    Verb { command: scale::command, run: scale::run },
    Verb { command: stop::command, run: stop::run },
    Verb { command: top::command, run: top::run },
    Verb { command: incidents::command, run: incidents::run },
    Verb { command: profile::command, run: profile::run },
    Verb { command: heap_snapshot::command, run: heap_snapshot::run },
    Verb { command: check::command, run: check::run },
    Verb { command: config::command, run: config::run },
    Verb { command: doctor::command, run: doctor::run },
    Verb { command: version::command, run: version::run },
    Verb { command: reference::command, run: reference::run },
];

/// Does what the arguments ask for.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match command().try_get_matches_from(&arguments) {
        Ok(matches) => dispatch(&matches),
        Err(error) => refuse(&error, &arguments),
    }
}

fn dispatch(matches: &ArgMatches) -> ExitCode {
    let Some((name, of_verb)) = matches.subcommand() else {
        return output::print(&command().render_help().to_string());
    };
    match VERBS.iter().find(|verb| (verb.command)().get_name() == name) {
        Some(verb) => (verb.run)(of_verb),
        None => output::fail(&mistakes::unknown_verb(name, of_verb, &command())),
    }
}

/// The whole command line. External verbs are let through, so that `plimsoll node server.js` can be answered
/// better than with "unrecognized subcommand".
fn command() -> Command {
    Command::new("plimsoll")
        .about(
            "Runs an unchanged Node.js API under real traffic: supervisor, gateway and agent in one program",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .after_help("Start with:  plimsoll run -- node server.js")
        .allow_external_subcommands(true)
        .subcommands(VERBS.iter().map(|verb| (verb.command)()))
}

/// Clap's own errors: help and version are answers, all else is bad usage.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Clap knows whether colours are wanted; a reader who has left is nobody to tell.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Drained.into();
    }
    if let Some(hint) = mistakes::misplaced_flag(error, arguments) {
        eprintln!("\n hint: {hint}");
    }
    Exit::Usage.into()
}
