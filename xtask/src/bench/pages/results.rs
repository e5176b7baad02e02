//! The latest result of a bench.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::process::root;

const FOLDER: &str = "bench/results";

pub(super) struct Kept {
    /// Without its ending: the table for people and the raw figures have the same.
    pub(super) file: String,
    pub(super) json: Value,
}

impl Kept {
    pub(super) fn text(&self, key: &str) -> &str {
        self.json.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn results(&self) -> &Value {
        self.json.get("results").unwrap_or(&Value::Null)
    }
}

/// `None`: it has not been run yet.
pub(super) fn latest(verb: &str) -> anyhow::Result<Option<Kept>> {
    latest_in(&root().join(FOLDER), verb)
}

fn latest_in(folder: &Path, verb: &str) -> anyhow::Result<Option<Kept>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().to_str().map(str::to_owned));
    }
    let Some(name) = newest(&names, verb) else { return Ok(None) };
    let text = fs::read_to_string(folder.join(format!("{name}.json")))?;
    let json = serde_json::from_str(&text).with_context(|| format!("{name}.json is not JSON"))?;
    Ok(Some(Kept { file: format!("{FOLDER}/{name}"), json }))
}

/// Names begin with their date, which is as long as `2026-01-01-`, and sort by it.
fn newest<'a>(names: &'a [String], verb: &str) -> Option<&'a str> {
    let stems = names.iter().filter_map(|name| name.strip_suffix(".json"));
    stems.filter(|stem| stem.get(11..) == Some(verb)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_a_verb_is_not_that_of_another() {
        let names = [
            "2026-01-02-pools.json",
            "2026-03-01-pools.json",
            "2026-02-01-pools.json",
            "2026-04-01-pools.md",
            "2026-05-01-scenario-pools.json",
        ];
        let names: Vec<String> = names.map(str::to_owned).into();
        assert_eq!(newest(&names, "pools"), Some("2026-03-01-pools"));
        assert_eq!(newest(&names, "logs"), None);
    }
}
