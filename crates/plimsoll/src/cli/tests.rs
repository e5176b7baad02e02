//! Command lines in, what was understood out.

use std::ffi::OsString;

use clap::ArgMatches;

use super::{command, mistakes, reference, settings};
use crate::config::{AgentMode, Sources, WorkerCount, load};

fn parse(line: &str) -> Result<ArgMatches, clap::Error> {
    command().try_get_matches_from(line.split_whitespace())
}

fn of_verb(line: &str) -> ArgMatches {
    parse(line).unwrap().remove_subcommand().unwrap().1
}

#[test]
fn the_definitions_hold_together() {
    command().debug_assert();
}

#[test]
fn what_follows_the_command_belongs_to_the_command() {
    for (line, expected) in [
        ("plimsoll run -- node server.js", "node server.js"),
        ("plimsoll run node server.js", "node server.js"),
        ("plimsoll run --workers 2 -- node --import tsx server.ts", "node --import tsx server.ts"),
        ("plimsoll run --workers 2 node --workers 3", "node --workers 3"),
        ("plimsoll run npm start -- --port 1", "npm start -- --port 1"),
        ("plimsoll run -- --odd", "--odd"),
        ("plimsoll run", ""),
    ] {
        let matches = of_verb(line);
        let command: Vec<&OsString> = matches.get_many("command").unwrap_or_default().collect();
        let words: Vec<_> = command.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words.join(" "), expected, "{line}");
    }
}

#[test]
fn a_flag_that_is_not_known_is_never_taken_for_the_command() {
    for line in ["plimsoll run --wrkers 2 -- node x", "plimsoll run -w node", "plimsoll --workers 2 node x"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn flags_become_settings_and_the_last_one_counts() {
    let matches = of_verb("plimsoll run --workers 2 --workers 3 --no-agent --admin off x");
    let effective = load(&settings::with_given(Sources::default(), &matches)).unwrap();
    assert_eq!(effective.config.workers.count, WorkerCount::Exactly(3));
    assert_eq!(effective.config.workers.agent, AgentMode::Off);
    assert_eq!(effective.config.admin.listen, None);
}

#[test]
fn a_nearly_right_command_line_is_answered_with_the_right_one() {
    for (line, expected) in [
        ("plimsoll node server.js", "plimsoll run -- node server.js"),
        ("plimsoll node -e it's", r"plimsoll run -- node -e 'it'\''s'"),
        ("plimsoll ./server", "plimsoll run -- ./server"),
        ("plimsoll chekc", "plimsoll check"),
        ("plimsoll versions", "plimsoll version"),
    ] {
        let matches = parse(line).unwrap();
        let (name, of_verb) = matches.subcommand().unwrap();
        let answer = mistakes::unknown_verb(name, of_verb, &command());
        assert!(answer.ends_with(&format!("did you mean `{expected}`?")), "{answer}");
    }
}

#[test]
fn the_reference_page_is_made_from_the_verbs() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page == reference::render_command_line(),
        "docs/reference/cli.md is stale: run `cargo xtask docs`"
    );
}
