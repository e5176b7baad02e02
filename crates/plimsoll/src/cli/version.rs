//! `plimsoll version`.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use super::output;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn command() -> Command {
    Command::new("version").about("Prints the version").arg(output::json_argument())
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    if !output::wants_json(matches) {
        return output::print(&format!("plimsoll {VERSION}\n"));
    }
    let version = serde_json::json!({
        "version": VERSION,
        "wire": plimsoll_wire::VERSION,
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
    });
    output::print(&format!("{version}\n"))
}
