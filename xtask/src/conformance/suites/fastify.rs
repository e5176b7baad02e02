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

const EXPECTED: &[(&str, &str)] = &[
    (
        "requestTimeout should return 408",
        "a head that does not come is waited for, and answered, by the gateway (`gateway.header_timeout`)",
    ),
    (
        "Should return 503 while closing - pipelining",
        "pipelined requests are handed on one after the other, so that the second one comes when the app closes already",
    ),
    (
        "Current opened connection should not accept new incoming connections",
        "the app has closed its server: the gateway answers what is in flight with `Connection: close`, and takes nothing more",
    ),
    ("rejected incoming connections should be logged", "as the one before"),
    (
        "onTimeout",
        "the app closes its connection without an answer, which is the link; the client is told `502 worker_closed` and does not see a \
         connection break",
    ),
    (
        "max-requests-per-socket.test: ",
        "the app closes a link after so many requests, and the gateway opens another; the client keeps its connection, whose end the test waits for, and with it what stands behind it in the file",
    ),
    (
        "Should reply 400 on client error",
        "what is no HTTP is refused by the gateway, and the app's `clientError` does not see it",
    ),
    ("Should set the response from client error handler", "as the one before"),
    (
        "non-numeric content-length is rejected before Fastify body parsing",
        "as the one before: 400 by the gateway",
    ),
    (
        "fallback error handler aborts the response",
        "nothing has left the app when it destroys the connection: `502 worker_closed`. What had left is cut for the client as well",
    ),
    ("customErrorHandler should not call handler for in-stream error", "as the one before"),
    ("url-rewriting.test: Should throw an error", "as the one before"),
    (
        "request-header-host.test: Return 200",
        "it waits until the app's `keepAliveTimeout` of 10 ms closes the connection; clients' connections are kept by the gateway \
         (`gateway.idle_timeout`)",
    ),
];

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
