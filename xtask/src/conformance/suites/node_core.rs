//! Node's own `test/parallel/test-http-*.js`, of the version that they belong to.
//!
//! Not through the gateway: many assert what Node's own parser answers to what the gateway refuses by itself (malformed heads,
//! a missing `Host`, `CONNECT`), byte by byte, or which of the test's own sockets carries which request.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Suite, Way, debian};
use crate::conformance::ground::Ground;
use crate::conformance::item::Found;
use crate::nodes;

const NAME: &str = "Node's test/parallel/test-http-*.js";
/// Debian's package is of this release line.
const DEBIANS: u32 = 18;
const PATTERNS: [&str; 3] = ["*/test/common/*", "*/test/fixtures/*", "*/test/parallel/test-http-*"];

pub(in super::super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let (sources, node, version) = match &ground.options.node_sources {
        Some(folder) => (folder.canonicalize()?, ground.workshop.node.clone(), "as given".to_owned()),
        None => match debian::source("nodejs", &PATTERNS) {
            Ok(folder) => (folder, nodes::install(DEBIANS)?.binary, debian::version("nodejs")),
            Err(error) => {
                return Ok(Found::not_run(NAME, format!("Node's sources cannot be had here: {error:#}")));
            }
        },
    };
    let suite = Suite {
        name: NAME,
        node: node.clone(),
        folder: sources.clone(),
        files: files(&sources.join("test/parallel"))?,
        arguments: Vec::new(),
        // They take each other function under the name of a global for a leak, and the agent waits in `fetch` for its first call.
        environment: vec![("NODE_TEST_KNOWN_GLOBALS", "0")],
        ways: &[Way::Agent],
        expected: &[],
    };
    let items = suite.run(ground)?;
    let notes = vec![
        "`NODE_TEST_KNOWN_GLOBALS=0` for all ways: from the moment when a server listens until the first call of it, `globalThis.fetch` \
         is a function of the agent, which loads nothing before. The tests' own check of globals, which goes by identity, calls that a leak."
            .to_owned(),
    ];
    let versions = vec![
        ("tests".to_owned(), version),
        ("run by node".to_owned(), crate::bench::machine::version(&node, "--version")),
    ];
    Ok(Found { items, versions, notes })
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_test = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("test-http-") && (name.ends_with(".js") || name.ends_with(".mjs"))
    };
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_test).collect();
    files.sort();
    Ok(files)
}
