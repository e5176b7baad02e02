//! `plimsoll check`: are file and environment fine? For a build pipeline, before a deploy.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::{output, settings};

pub(super) fn command() -> Command {
    settings::with_flags(
        Command::new("check").about("Says whether the settings are fine, without starting anything"),
    )
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    match settings::read(matches) {
        Err(problems) => output::fail(&problems),
        Ok(effective) => {
            let file = effective.file.map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            output::print(&format!("settings are fine ({file})\n"))
        }
    }
}
