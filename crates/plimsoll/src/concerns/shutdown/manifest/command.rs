//! The command line of a container: where Plimsoll is in it, and what a shell around it does.

use super::node::At;

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
        let command = container.texts_of("command");
        let words: Vec<&str> = command.iter().copied().chain(container.texts_of("args")).collect();
        if let Some(script) = script(&words) {
            return Self::of_script(script);
        }
        let plain = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let arguments = match words.iter().position(|word| is_plimsoll(word)) {
            Some(at) => words.get(at + 1..).map(plain),
            // `args: [run, …]` for an image whose entry point is plimsoll.
            None => (command.is_empty() && words.first() == Some(&"run")).then(|| plain(&words)),
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
        for statement in statements(script) {
            if let Some(at) = statement.iter().position(|word| is_plimsoll(word)) {
                let replaces = statement.iter().take(at).any(|word| word == "exec");
                let arguments = statement.get(at + 1..).map(<[String]>::to_vec);
                return Self { arguments, shell: if replaces { Shell::None } else { Shell::Around } };
            }
        }
        Self::default()
    }
}

/// The text after `-c` when the command is a shell: `sh -c …`, `/bin/bash -ec …`.
fn script<'a>(words: &[&'a str]) -> Option<&'a str> {
    let shell = words.iter().position(|word| SHELLS.contains(&file_name(word)))?;
    let option = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    // An init such as tini may come before the shell; anything further behind is an argument of something else.
    let at = (shell <= 2).then(|| words.iter().skip(shell).position(option))??;
    words.get(shell + at + 1).copied()
}

fn is_plimsoll(word: &str) -> bool {
    file_name(word) == "plimsoll"
}

fn file_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The words of each statement of a shell script: quotes are taken off, nothing is expanded. Enough to find a
/// command and its flags; not a shell.
#[must_use]
pub(super) fn statements(script: &str) -> Vec<Vec<String>> {
    let mut statements: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut characters = script.chars();
    while let Some(c) = characters.next() {
        match c {
            '\'' | '"' => word.get_or_insert_default().push_str(&quoted(c, &mut characters)),
            // A line that ends in a backslash goes on.
            '\\' => match characters.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            ';' | '&' | '|' | '\n' | '(' | ')' => {
                finish(&mut statements, &mut word);
                statements.push(Vec::new());
            }
            c if c.is_whitespace() => finish(&mut statements, &mut word),
            c => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut statements, &mut word);
    statements.retain(|statement| !statement.is_empty());
    statements
}

fn quoted(quote: char, characters: &mut impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    while let Some(c) = characters.next().filter(|c| *c != quote) {
        let escaped = (c == '\\' && quote == '"').then(|| characters.next()).flatten();
        text.push(escaped.unwrap_or(c));
    }
    text
}

fn finish(statements: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(statement), Some(word)) = (statements.last_mut(), word.take()) {
        statement.push(word);
    }
}
