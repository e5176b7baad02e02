//! The command line of a container: where Plimsoll is in it, and what a shell around it does.

use super::node::At;
use super::script::{self, Statement};

/// `command` and `args` of a container, as Plimsoll would be started by them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invocation {
    /// Everything after `plimsoll`: `run`, its flags, and the app's command. `None`: Plimsoll is not seen.
    arguments: Option<Vec<String>>,
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shell {
    /// Plimsoll is started directly, or takes the place of the shell.
    #[default]
    None,
    /// `sh -c "plimsoll run …"`: signals go to the shell, which may or may not pass them on.
    Around,
}

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

impl Invocation {
    #[must_use]
    pub fn of(container: &At<'_>) -> Self {
        let line = Line::of(container);
        if let Some(shell) = line.in_shell() {
            return Self::of_script(shell.script);
        }
        let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let arguments = match line.words.iter().position(|word| is_plimsoll(word)) {
            Some(at) => line.words.get(at + 1..).map(plain),
            None => line.is_for_entry_point().then(|| plain(&line.words)),
        };
        Self { arguments, shell: Shell::None }
    }

    #[must_use]
    pub const fn is_visible(&self) -> bool {
        self.arguments.is_some()
    }

    /// What follows `plimsoll run`. Empty where that is not to be seen.
    #[must_use]
    pub fn run_arguments(&self) -> &[String] {
        match self.arguments.as_deref().and_then(<[String]>::split_first) {
            Some((verb, rest)) if verb == "run" => rest,
            _ => &[],
        }
    }

    /// Judges the statement of the script that starts Plimsoll, if one does.
    fn of_script(script: &str) -> Self {
        let statements = script::parse(script).statements;
        // Of `plimsoll check && plimsoll run …` the one that stays.
        let is_other = |call: &Call| call.arguments.first().is_none_or(|verb| verb != "run");
        let Some(call) = statements.iter().filter_map(Call::of).min_by_key(is_other) else {
            return Self::default();
        };
        let shell = if call.replaces_shell { Shell::None } else { Shell::Around };
        Self { arguments: Some(call.arguments), shell }
    }
}

/// A statement that names Plimsoll.
struct Call {
    arguments: Vec<String>,
    replaces_shell: bool,
}

impl Call {
    fn of(statement: &Statement) -> Option<Self> {
        let at = statement.words.iter().position(|word| is_plimsoll(&word.text))?;
        let (before, own) = statement.words.split_at_checked(at)?;
        Some(Self {
            arguments: own.iter().skip(1).map(|word| word.text.clone()).collect(),
            replaces_shell: before.iter().any(|word| word.text == "exec"),
        })
    }
}

/// `command` and `args`, as they stand there.
pub(super) struct Line<'a> {
    pub(super) words: Vec<&'a str>,
    /// How many of them are of `command`.
    pub(super) of_command: usize,
}

/// `sh -c SCRIPT` in a line.
pub(super) struct InShell<'a> {
    pub(super) at: usize,
    pub(super) script_at: usize,
    pub(super) script: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn of(container: &At<'a>) -> Self {
        let mut words = container.texts_of("command");
        let of_command = words.len();
        words.extend(container.texts_of("args"));
        Self { words, of_command }
    }

    /// `args: [run, …]` for an image whose entry point is plimsoll.
    fn is_for_entry_point(&self) -> bool {
        self.of_command == 0 && self.words.first() == Some(&"run")
    }

    /// The text after `-c` when the command is a shell: `sh -c …`, `/bin/bash -ec …`.
    pub(super) fn in_shell(&self) -> Option<InShell<'a>> {
        let at = self.words.iter().position(|word| SHELLS.contains(&file_name(word)))?;
        // An init such as tini may come before the shell; anything further behind is an argument of something else.
        // Behind `plimsoll run` it is the app.
        let is_app = self.is_for_entry_point() || self.words.iter().take(at).any(|word| is_plimsoll(word));
        if at > 2 || is_app {
            return None;
        }
        let option = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        let script_at = at + self.words.iter().skip(at).position(option)? + 1;
        Some(InShell { at, script_at, script: self.words.get(script_at).copied()? })
    }
}

pub(super) fn is_plimsoll(word: &str) -> bool {
    file_name(word) == "plimsoll"
}

fn file_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
