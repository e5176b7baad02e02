//! `plimsoll reload`: new workers come up, then the old ones finish and go.

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::instance;
use crate::observe::{query, socket};
use crate::percent;

pub(super) fn command() -> Command {
    Command::new("reload")
        .about("Renews the workers of a running instance, without losing a request")
        .after_help(
            "A new process starts beside each old one and takes over when it listens; then the old one finishes \
             what it has. A new process that does not come up is given up, and the old ones go on: exit code 1.",
        )
        .arg(instance::name_argument())
        .arg(
            Arg::new("env")
                .long("env")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .value_parser(query::variable)
                .help("Sets a variable for the new workers and all that come after them; may be repeated"),
        )
        .arg(
            Arg::new("surge")
                .long("surge")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..))
                .help("How many workers are renewed at a time [default: the setting workers.surge]"),
        )
        .arg(instance::json_argument())
}

pub(super) fn run(arguments: &ArgMatches) -> ExitCode {
    let mut query: Vec<String> = Vec::new();
    query.extend(arguments.get_one::<u16>("surge").map(|surge| format!("surge={surge}")));
    for (name, value) in arguments.get_many::<(String, String)>("env").into_iter().flatten() {
        query.push(format!("env={}", percent::encode(&format!("{name}={value}"))));
    }
    instance::order(arguments, &format!("{}?{}", socket::RELOAD_PATH, query.join("&")))
}
