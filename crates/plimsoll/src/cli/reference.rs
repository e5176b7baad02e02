//! `plimsoll reference`, hidden: the pages of `docs/reference`, made from the definitions themselves.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};

use super::output;
use crate::config::render_reference;

/// Columns of the help in the page; a fixed number, as the page must not depend on a terminal.
const COLUMNS: usize = 100;

const INTRODUCTION: &str = "\
# Command line

<!-- Made by `cargo xtask docs` from the verbs of `src/cli`. Change them, not this page. -->

What `plimsoll` and each of its verbs print with `--help`.
";

pub(super) fn command() -> Command {
    Command::new("reference")
        .about("Prints a page of docs/reference")
        .hide(true)
        .arg(Arg::new("page").required(true).value_parser(["config", "metrics", "cli"]))
}

pub(super) fn run(matches: &ArgMatches) -> ExitCode {
    match matches.get_one::<String>("page").map(String::as_str) {
        Some("metrics") => output::print(&crate::observe::metrics::reference()),
        Some("config") => output::print(&render_reference()),
        _ => output::print(&render_command_line()),
    }
}

pub(super) fn render_command_line() -> String {
    let command = super::command().term_width(COLUMNS).max_term_width(COLUMNS);
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&section("plimsoll", command.clone()));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("plimsoll {}", verb.get_name());
        let verb = verb.clone().term_width(COLUMNS).max_term_width(COLUMNS).bin_name(&name);
        page.push_str(&section(&name, verb));
    }
    page
}

fn section(name: &str, mut command: Command) -> String {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!("\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end())
}
