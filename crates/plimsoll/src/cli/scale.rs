//! `plimsoll scale`: another number of workers.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::instance;
use crate::observe::socket;

pub(super) fn command() -> Command {
    Command::new("scale")
        .about("Changes the number of workers of a running instance, without losing a request")
        .arg(
            Arg::new("workers")
                .value_name("N")
                .required(true)
                .value_parser(value_parser!(u16).range(1..=1024))
                .help("How many workers there are to be"),
        )
        .arg(instance::name_argument())
        .arg(instance::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    let workers = arguments.get_one::<u16>("workers").copied().unwrap_or(1);
    instance::order(arguments, &format!("{}?workers={workers}", socket::SCALE_PATH))
}
