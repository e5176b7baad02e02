//! ws's own tests, from Debian's source package (the npm package has none), run by mocha.

use std::fs;
use std::path::PathBuf;

use super::{Suite, Way, debian, npm};
use crate::conformance::ground::Ground;
use crate::conformance::item::Found;

const NAME: &str = "ws";
const PATTERNS: [&str; 1] = ["*"];
const MOCHA: &str = "node_modules/mocha/bin/_mocha";

const EXPECTED: &[(&str, &str)] = &[
    (
        "does not re-emit `net.Socket` errors",
        "the app resets its connection; the link is a Unix socket, which has no reset, so the client sees an end",
    ),
    (
        "emits the 'close' event after the server closes",
        "it waits for the event `connection` of a client that sends nothing; such a client has no link to a worker, which is opened with \
     a request",
    ),
];

pub(in super::super) fn run(ground: &Ground) -> anyhow::Result<Found> {
    let folder = match &ground.options.ws_sources {
        Some(folder) => folder.canonicalize()?,
        None => match debian::source("node-ws", &PATTERNS) {
            Ok(folder) => folder,
            Err(error) => {
                return Ok(Found::not_run(NAME, format!("the sources of ws cannot be had here: {error:#}")));
            }
        },
    };
    if !folder.join(MOCHA).exists() {
        npm::install(&folder, &["mocha@8".to_owned()])?;
    }
    let is_test = |path: &PathBuf| path.to_string_lossy().ends_with(".test.js");
    let files = fs::read_dir(folder.join("test"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = files.filter(is_test).collect();
    files.sort();
    let suite = Suite {
        name: NAME,
        node: ground.workshop.node.clone(),
        arguments: [MOCHA, "--reporter", "tap", "--timeout", "10000", "--exit"].map(str::to_owned).to_vec(),
        folder,
        files,
        environment: Vec::new(),
        ways: &[Way::Agent, Way::Gateway],
        expected: EXPECTED,
    };
    let items = suite.run(ground)?;
    let versions = vec![("ws".to_owned(), npm::version(&suite.folder)?)];
    Ok(Found { items, versions, notes: suite.notes() })
}
