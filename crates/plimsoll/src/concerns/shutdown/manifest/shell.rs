//! What to write in the place of a shell that keeps the signals to itself: a list where the shell does nothing, else the
//! same script with `exec`. What else is in the script must not get lost.

use super::command::{InShell, Line, is_plimsoll};
use super::node::At;
use super::script::{self, Statement, Word};

const BY_HAND: &str = "# let `exec plimsoll run …` be the last command of the script: Plimsoll then takes the place of the shell";
/// What a shell makes something of; all else is passed on as it is written.
const FOR_A_SHELL: [char; 20] =
    ['$', '`', '\\', '<', '>', '|', '&', ';', '(', ')', '{', '}', '[', ']', '*', '?', '~', '#', '!', '\n'];

/// The fields of the container as they should be.
pub(super) fn advice(container: &At<'_>) -> String {
    let line = Line::of(container);
    let better =
        line.in_shell().and_then(|shell| as_list(&line, &shell).or_else(|| with_exec(&line, &shell)));
    better.unwrap_or_else(|| BY_HAND.to_owned())
}

/// Where the script is one plain command, and the shell has read nothing before it.
fn as_list(line: &Line<'_>, shell: &InShell<'_>) -> Option<String> {
    let options = line.words.get(shell.at + 1..shell.script_at)?;
    let text = shell.script.trim();
    if !matches!(options, ["-c" | "-ec"]) || text.contains(FOR_A_SHELL) {
        return None;
    }
    let statement = script::parse(text).statements.into_iter().next()?;
    let own: Vec<&str> = statement.words.iter().map(|word| word.text.as_str()).collect();
    own.first().filter(|word| is_plimsoll(word))?;
    let words = [line.words.get(..shell.at)?, own.as_slice()].concat();
    Some(match line.of_command {
        0 => field("args", &words),
        all if all == line.words.len() => field("command", &words),
        _ => format!("{}\n{}", field("command", &words), field("args", &[])),
    })
}

fn with_exec(line: &Line<'_>, shell: &InShell<'_>) -> Option<String> {
    let (before, after) = shell.script.split_at_checked(place_of_exec(shell.script)?)?;
    let script = format!("{before}exec {after}");
    let mut words = line.words.clone();
    *words.get_mut(shell.script_at)? = &script;
    let (command, args) = words.split_at_checked(line.of_command)?;
    let fields = [("command", command), ("args", args)].into_iter().filter(|(_, words)| !words.is_empty());
    let fields: Vec<String> = fields.map(|(key, words)| field(key, words)).collect();
    Some(format!("# exec, so that Plimsoll takes the place of the shell\n{}", fields.join("\n")))
}

/// Before the command that starts Plimsoll, where it is the last one, and the shell's own: no part of a pipe, a group or
/// a loop. All of these end in another command or with a bracket.
fn place_of_exec(text: &str) -> Option<usize> {
    let script = script::parse(text);
    let Statement { before, words } = script.statements.last()?;
    let (_, command) = words.split_at_checked(words.iter().take_while(|word| is_assignment(word)).count())?;
    let [program, verb, ..] = command else { return None };
    let starts = is_plimsoll(&program.text) && verb.text == "run";
    let is_own = before == "||" || before.chars().all(|c| "&;\n".contains(c));
    let is_last = script.after.chars().all(|c| ";\n".contains(c));
    (starts && is_own && is_last).then_some(program.at)
}

/// `NODE_ENV=production`
fn is_assignment(word: &Word) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    word.text.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// A text of JSON is one of YAML.
fn field(key: &str, words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| serde_json::Value::from(*word).to_string()).collect();
    format!("{key}: [{}]", words.join(", "))
}
