//! fastify's own tests, which its npm package brings along.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::{Suite, Way, npm};
use crate::conformance::ground::Ground;
use crate::conformance::item::Found;

const PACKAGE: &str = "fastify@5";

const EXPECTED: &[(&str, &str)] = &[];

pub(in super::super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let folder = npm::package(PACKAGE, "fastify")?;
    let tests = files(&folder.join("test"))?;
    install_needs(&folder, &tests)?;
    let suite = Suite {
        name: "fastify",
        node: ground.workshop.node.clone(),
        files: tests,
        arguments: vec!["--test-reporter=tap".to_owned()],
        folder: folder.clone(),
        environment: Vec::new(),
        ways: &[Way::Agent, Way::Gateway],
        expected: EXPECTED,
    };
    let items = suite.run(ground)?;
    let version = npm::version(&folder)?;
    Ok(Found { items, versions: vec![("fastify".to_owned(), version)], notes: suite.notes() })
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if path.to_string_lossy().ends_with(".test.js") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The dependencies, and of the development ones those that tests ask for: not the linters and compilers.
fn install_needs(folder: &Path, tests: &[PathBuf]) -> anyhow::Result<()> {
    let stamp = folder.join("node_modules/.conformance");
    if stamp.exists() {
        return Ok(());
    }
    let manifest = npm::manifest(folder)?;
    let development =
        manifest.get("devDependencies").and_then(Value::as_object).context("no devDependencies")?;
    let asked: BTreeSet<String> =
        tests.iter().flat_map(|test| asked_for(&fs::read_to_string(test).unwrap_or_default())).collect();
    let needed: Vec<String> = development
        .iter()
        .filter(|(name, _)| asked.contains(*name))
        .map(|(name, range)| format!("{name}@{}", range.as_str().unwrap_or("*")))
        .collect();
    npm::install(folder, &needed)?;
    Ok(fs::write(&stamp, "")?)
}

/// Packages that the text requires: `require('name/…')`, `require('@scope/name')`.
fn asked_for(text: &str) -> BTreeSet<String> {
    let names = text.split("require('").skip(1).filter_map(|rest| rest.split('\'').next());
    let package = |path: &str| {
        let segments = if path.starts_with('@') { 2 } else { 1 };
        path.split('/').take(segments).collect::<Vec<_>>().join("/")
    };
    names.filter(|path| !path.starts_with('.') && !path.starts_with("node:")).map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_whatever_is_taken_of_them() {
        let text = "require('node:fs'); require('../..'); require('ajv/dist/2019'); require('@a/b/c')";
        assert_eq!(asked_for(text), BTreeSet::from(["ajv".to_owned(), "@a/b".to_owned()]));
    }
}
