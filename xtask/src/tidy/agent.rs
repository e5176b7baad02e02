//! The agent's JavaScript: timers and the clock are Node's own, taken before the app could put others in their place.

use super::Finding;

const FOLDER: &str = "crates/plimsoll-agent/js/";
/// The file that takes them.
const HOME: &str = "crates/plimsoll-agent/js/apart.js";
const TAKEN: &str = "= require('./apart.js')";

/// What apps replace, as it is used: a function is called, an object is asked.
const REPLACED: [&str; 9] = [
    "setTimeout(",
    "setInterval(",
    "setImmediate(",
    "clearTimeout(",
    "clearInterval(",
    "clearImmediate(",
    "queueMicrotask(",
    "nextTick(",
    "performance.",
];

pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if !path.starts_with(FOLDER) || path == HOME {
        return Vec::new();
    }
    let taken = taken(text);
    let is_foreign = |used: &&str| !taken.contains(&used.trim_end_matches(['(', '.']));
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !is_comment(line));
    let found = lines.flat_map(|(number, line)| {
        let used = REPLACED.into_iter().filter(is_foreign).filter(|used| is_used(line, used));
        used.map(move |used| (number, used.trim_end_matches(['(', '.'])))
    });
    let finding = |(line, name): (usize, &str)| Finding {
        path: path.to_owned(),
        line,
        what: format!("the app's `{name}`"),
        why: "an app may replace it, and would wait for what is ours: take it from apart.js",
    };
    found.map(finding).collect()
}

/// The names that the file takes from apart.js.
fn taken(text: &str) -> Vec<&str> {
    let Some((before, _)) = text.split_once(TAKEN) else { return Vec::new() };
    let names = before.rsplit_once('{').map_or("", |(_, names)| names);
    names.split([',', '}']).map(str::trim).collect()
}

fn is_comment(line: &str) -> bool {
    ["//", "/*", "*"].iter().any(|start| line.trim_start().starts_with(start))
}

/// As the global one, and not as a property of something else; but `process` has only one `nextTick`.
fn is_used(line: &str, used: &str) -> bool {
    line.match_indices(used).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        before.ends_with("process.") || !before.ends_with(|c: char| c.is_alphanumeric() || "._$#".contains(c))
    })
}
