//! `cargo xtask tidy`: the rules of the house that no compiler knows.
//!
//! Each rule is a function from the text of a file to findings, so that it is tested by strings. Only this file
//! reads the disk.

mod agent;
mod arrows;
mod code;
mod packages;
mod paths;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;

use anyhow::{Context as _, bail};

use crate::process::{command, output, root};

/// One breach: where, what, and why it matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    why: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    why: {}", self.path, self.line, self.what, self.why)
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let listed = output(command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    for path in listed.lines() {
        // A file may be listed and deleted, and not every file is text.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            findings.extend(check(path, &text, &|path| root().join(path).exists()));
        }
    }
    println!("   {} files; {}", listed.lines().count(), counts()?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("1 finding"),
        number => bail!("{number} findings"),
    }
}

fn counts() -> anyhow::Result<packages::Counts> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    Ok(packages::Counts::of(&lock))
}

/// All rules on one file. `exists` tells whether a path of the repository is there.
fn check(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = rules::everywhere(path, text);
    findings.extend(agent::check(path, text));
    if path.ends_with(".rs") {
        let code = code::without_comments_and_strings(text);
        findings.extend(rules::rust(path, &code));
        findings.extend(arrows::check(path, &code));
    }
    if path.ends_with(".md") {
        findings.extend(paths::check(path, text, exists));
    }
    if path == "Cargo.lock" {
        findings.extend(packages::check(text));
    }
    findings
}
