//! `plimsoll config`: the settings in force, and where each came from.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{output, settings};
use crate::config::{Format, render_effective};

pub(super) fn command() -> Command {
    let command = Command::new("config").about("Prints the settings in force, and where each came from");
    settings::with_flags(command)
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON for scripts"))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    let format = if matches.get_flag("json") { Format::Json } else { Format::Toml };
    match settings::read(matches) {
        Err(problems) => output::fail(&problems),
        Ok(effective) => output::print(&render_effective(&effective, format)),
    }
}
