//! Command lines that are nearly right, and what was probably meant.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

/// From here on, a word is taken for a misspelt verb and not for the start of a command.
const LIKENESS_MIN: f64 = 0.84;

/// `plimsoll node server.js`, or `plimsoll chekc`.
pub(super) fn unknown_verb(name: &str, matches: &ArgMatches, command: &Command) -> String {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(Command::get_name);
    let near = verbs
        .map(|verb| (strsim::jaro_winkler(name, verb), verb))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let meant = match near {
        Some((_, verb)) => format!("plimsoll {verb}"),
        None => {
            let rest = matches.get_many::<OsString>("").unwrap_or_default();
            let words = std::iter::once(OsStr::new(name)).chain(rest.map(OsString::as_os_str));
            let words: Vec<_> = words.map(|word| quoted(&word.to_string_lossy())).collect();
            format!("plimsoll run -- {}", words.join(" "))
        }
    };
    format!(
        "error: `{name}` is not a verb of plimsoll\n   at: the first argument\n hint: did you mean `{meant}`?"
    )
}

/// `plimsoll --workers 2 node server.js`: a flag of `run` before the verb.
pub(super) fn misplaced_flag(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let first = arguments.get(1)?.to_str()?;
    (error.kind() == ErrorKind::UnknownArgument && first.starts_with('-'))
        .then(|| "flags come after the verb: plimsoll run --workers 2 -- node server.js".to_owned())
}

/// As a shell needs it, so that the hint can be copied.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
