//! `plimsoll config`: the settings in force, and where each came from.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::{output, settings};
use crate::config::{Format, render_effective};

pub(super) fn command() -> Command {
    let command = Command::new("config").about("Prints the settings in force, and where each came from");
    settings::with_flags(command).arg(output::json_argument())
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let format = if output::wants_json(matches) { Format::Json } else { Format::Toml };
    match settings::read(matches) {
        Err(problems) => output::fail(&problems),
        Ok(effective) => output::print(&render_effective(&effective, format)),
    }
}
