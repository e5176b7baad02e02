//! Limits on what is built in: every package is code that somebody must trust.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Finding;

const LOCKED_MAX: usize = 200;
const ADDON: &str = "plimsoll-agent";
const ADDON_MAX: usize = 20;
/// Built for the models of `plimsoll-wire` alone; the lock file does not tell what is needed for tests.
const OF_TESTS: &str = "loom";

/// How many packages are locked, and how many of them the addon is built from (itself included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    locked: usize,
    addon: usize,
}

impl Counts {
    /// `lock` is the text of Cargo.lock.
    pub(super) fn of(lock: &str) -> Self {
        let locked = lock.lines().filter(|line| *line == "[[package]]").count();
        Self { locked, addon: closure(&dependencies(lock), ADDON).len() }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { locked, addon } = self;
        write!(
            f,
            "{locked} locked packages (at most {LOCKED_MAX}), {addon} in the addon (at most {ADDON_MAX})"
        )
    }
}

pub(super) fn check(lock: &str) -> Vec<Finding> {
    let Counts { locked, addon } = Counts::of(lock);
    let finding = |what, why| Finding { path: "Cargo.lock".to_owned(), line: 1, what, why };
    let mut findings = Vec::new();
    if locked > LOCKED_MAX {
        let what = format!("{locked} locked packages, more than {LOCKED_MAX}");
        findings.push(finding(what, "every package is code that somebody must trust"));
    }
    if addon > ADDON_MAX {
        let what = format!("the addon is built from {addon} packages, more than {ADDON_MAX}");
        findings.push(finding(what, "the addon lives in other people's processes"));
    }
    findings
}

/// Package name to the names it depends on. Versions are not told apart: the count is a limit, not a bill.
fn dependencies(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let name =
            package.lines().find_map(|line| line.strip_prefix("name = ")).map(|name| name.trim_matches('"'));
        let listed = package.lines().filter_map(|line| line.strip_prefix(" \""));
        let names = listed.filter_map(|line| line.split([' ', '"']).next()).filter(|name| *name != OF_TESTS);
        packages.entry(name.unwrap_or_default()).or_default().extend(names);
    }
    packages
}

fn closure<'a>(packages: &BTreeMap<&'a str, Vec<&'a str>>, root: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![root];
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(packages.get(name).into_iter().flatten());
        }
    }
    reached
}
