//! The settings on the command line: flags made from the table of settings, and the sources read back.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::config::{Effective, FlagDefinition, Problems, Sources, flags, load};

const FILE: &str = "config";

/// Adds `--config` and the flag of each setting that has one.
pub(super) fn with_flags(command: Command) -> Command {
    // A flag given twice is the usual result of a script that passes more arguments on: the last one counts.
    let command = command.args_override_self(true).arg(
        Arg::new(FILE)
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Settings file in place of ./plimsoll.toml"),
    );
    flags().fold(command, |command, (key, flag, manual)| command.args(argument(key, flag, &manual)))
}

/// Reads flags, environment and file.
pub(super) fn read(matches: &ArgMatches) -> Result<Effective, Problems> {
    load(&with_given(Sources::of_process(), matches))
}

/// Adds what the command line says.
pub(super) fn with_given(sources: Sources, matches: &ArgMatches) -> Sources {
    Sources {
        flags: flags().filter_map(|(key, flag, _)| given(matches, key, flag)).collect(),
        file: matches.get_one::<PathBuf>(FILE).cloned(),
        ..sources
    }
}

fn argument(key: &'static str, flag: FlagDefinition, manual: &str) -> Option<Arg> {
    let short = manual.split_once(". ").map_or(manual, |(first, _)| first).trim_end_matches('.').to_owned();
    let argument = Arg::new(key).help(short).long_help(manual.to_owned());
    match flag {
        FlagDefinition::None => None,
        FlagDefinition::Value { long, value_name } => Some(argument.long(long).value_name(value_name)),
        FlagDefinition::Switch { long, .. } => Some(argument.long(long).action(ArgAction::SetTrue)),
    }
}

fn given(
    matches: &ArgMatches,
    key: &'static str,
    flag: FlagDefinition,
) -> Option<(&'static str, String, String)> {
    match flag {
        FlagDefinition::None => None,
        FlagDefinition::Value { long, .. } => {
            matches.get_one::<String>(key).map(|text| (key, text.clone(), format!("--{long}")))
        }
        FlagDefinition::Switch { long, means } => {
            matches.get_flag(key).then(|| (key, means.to_owned(), format!("--{long}")))
        }
    }
}
