//! `plimsoll stop`: drain a running instance and wait until it is gone.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{instance, output};
use crate::observe::control::Haste;

pub(super) fn command() -> Command {
    Command::new("stop")
        .about("Drains a running instance and waits until it is gone")
        .after_help("Exits with the code that the instance exits with: 0 drained, 5 requests were cut.")
        .arg(instance::name_argument())
        .arg(
            Arg::new("now")
                .long("now")
                .action(ArgAction::SetTrue)
                .help("Do not wait for requests in flight, as a second SIGTERM"),
        )
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    let haste = if arguments.get_flag("now") { Haste::Now } else { Haste::Drain };
    let ended = instance::pick(instance::name(arguments)).and_then(|instance| instance.stop(haste));
    match ended {
        Ok(ended) => {
            // The instance is gone whether or not this can be said.
            let _ = output::print(&format!("{}\n", ended.message));
            ExitCode::from(ended.exit_code)
        }
        Err(error) => instance::fail(&error),
    }
}
