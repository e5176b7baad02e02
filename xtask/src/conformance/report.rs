//! `bench/results/conformance-PART.json`, and `docs/conformance.md` from all of them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::item::{Found, Item, Verdict};
use super::{Ground, Part, reliability};
use crate::bench::report::{revision, today};
use crate::process::root;

const HEAD: &str = "\
# Conformance

What breaks proxies, supervisors and agents, tried on Plimsoll. `cargo xtask conformance` writes this page; a part can be run again
by its name (`cargo xtask conformance soak --soak-minutes 30`), and some items alone; the last command is told. *not run* says why; *–* is what does not apply. What was found and
is not good enough stands here like the rest.
";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    date: String,
    command: String,
    revision: Option<String>,
    versions: Vec<(String, String)>,
    items: Vec<Item>,
    notes: Vec<String>,
}

/// Writes down what was found. Where nothing could be tried, what was found at another time stays, with its date.
pub(super) fn keep(part: Part, ground: &Ground, command: &str, found: Found) -> anyhow::Result<()> {
    if found.is_not_run() && read(part).is_some() {
        return Ok(());
    }
    let kept = Kept {
        date: today()?,
        command: without_places(command),
        revision: revision(),
        versions: [ground.versions(), found.versions].concat(),
        items: merged(before(part, ground), found.items),
        notes: found.notes,
    };
    let path = place(part);
    // What programs say of themselves may name folders of this machine.
    let text = without_places(&serde_json::to_string_pretty(&kept)?) + "\n";
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What stays, where only some of it was tried now; without what is tried in another way by now.
fn before(part: Part, ground: &Ground) -> Option<Kept> {
    let mut kept = read(part).filter(|_| ground.options.is_in_part())?;
    if part == Part::Reliability {
        kept.items.retain(reliability::knows);
    }
    Some(kept)
}

/// What was tried now, in the place of what was found for the same before; the rest stays.
fn merged(before: Option<Kept>, now: Vec<Item>) -> Vec<Item> {
    let Some(before) = before else { return now };
    let is_same = |one: &Item, other: &Item| one.name == other.name && one.how == other.how;
    let (mut items, mut added) = (before.items, Vec::new());
    for item in now {
        match items.iter_mut().find(|old| is_same(old, &item)) {
            Some(old) => *old = item,
            None => added.push(item),
        }
    }
    items.extend(added);
    items.sort_by_key(|item| number(&item.name));
    items
}

/// That a name begins with.
fn number(name: &str) -> u32 {
    name.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(u32::MAX)
}

/// The page, from the parts that were ever run.
pub(super) fn write() -> anyhow::Result<()> {
    let mut text = HEAD.to_owned();
    let kept: Vec<(Part, Kept)> =
        Part::ALL.into_iter().filter_map(|part| Some((part, read(part)?))).collect();
    text.push_str(&summary(&kept));
    for (part, kept) in &kept {
        text.push_str(&section(part.title(), kept));
    }
    let path = root().join("docs/conformance.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn summary(parts: &[(Part, Kept)]) -> String {
    let mut text =
        "\n| part | date | passed | failed | not run |\n|------|------|-------:|-------:|--------:|\n"
            .to_owned();
    for (part, kept) in parts {
        let count = |verdict| kept.items.iter().filter(|item| item.verdict == verdict).count();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            part.title(),
            kept.date,
            count(Verdict::Passed),
            count(Verdict::Failed),
            count(Verdict::NotRun)
        );
    }
    text
}

fn section(title: &str, kept: &Kept) -> String {
    let mut text = format!("\n## {title}\n\n");
    text.push_str("| what | how | found | |\n|------|-----|-------|---|\n");
    for item in &kept.items {
        let cells = [&item.name, &item.how, &item.figure].map(|cell| cell_of(cell));
        let _ = writeln!(text, "| {} | {} |", cells.join(" | "), item.verdict.word());
    }
    text.push('\n');
    for note in &kept.notes {
        let _ = writeln!(text, "- {}", note.replace('\n', " "));
    }
    let versions: Vec<String> =
        kept.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let revision = kept.revision.as_deref().unwrap_or("unknown");
    let _ =
        writeln!(text, "- {}, revision {revision}; {}; `{}`", kept.date, versions.join(", "), kept.command);
    text
}

fn cell_of(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn read(part: Part) -> Option<Kept> {
    serde_json::from_str(&fs::read_to_string(place(part)).ok()?).ok()
}

fn place(part: Part) -> PathBuf {
    root().join(format!("bench/results/conformance-{}.json", part.name()))
}

/// Without folders that exist on this machine only.
fn without_places(text: &str) -> String {
    let temporary = std::env::temp_dir();
    let text = text.replace(&root().display().to_string(), ".");
    text.replace(&format!("{}/", temporary.display()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_again_takes_the_place_of_what_was_found() {
        let kept = |items: Vec<Item>| Kept {
            date: String::new(),
            command: String::new(),
            revision: None,
            versions: Vec::new(),
            items,
            notes: Vec::new(),
        };
        let before =
            kept(vec![Item::new("2 b", "x").found("old", true), Item::new("10 c", "x").found("kept", true)]);
        let now = vec![Item::new("2 b", "x").found("new", false), Item::new("1 a", "x").found("added", true)];
        let figures = |items: Vec<Item>| items.into_iter().map(|item| item.figure).collect::<Vec<_>>();
        assert_eq!(figures(merged(Some(before), now.clone())), ["added", "new", "kept"]);
        assert_eq!(figures(merged(None, now)), ["new", "added"]);
    }

    #[test]
    fn what_is_found_stands_in_one_cell() {
        let item = Item::new("a|b", "two\nlines").found("1 %", false);
        let kept = Kept {
            date: "today".to_owned(),
            command: "c".to_owned(),
            revision: None,
            versions: vec![("node".to_owned(), "v1".to_owned())],
            items: vec![item],
            notes: vec!["careful".to_owned()],
        };
        let text = section("T", &kept);
        assert!(text.contains("| a\\|b | two lines | 1 % | **failed** |\n"), "{text}");
        assert!(text.contains("- careful\n- today, revision unknown; node v1; `c`"), "{text}");
    }
}
