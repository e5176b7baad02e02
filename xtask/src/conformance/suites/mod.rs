//! Other people's tests of HTTP, three times: by plain Node, with the agent preloaded, and through the gateway.
//!
//! A test file is a command like any other: `plimsoll run -- node test.js`. Tests listen on port 0, which Plimsoll leaves
//! to the kernel and the app: so that shows what the agent changes by being there. For the third time
//! `conformance/apps/through.cjs` gives them a free port by its number instead, which is then served by the gateway.
//! What counts is that each case which plain Node passes is passed each time; a case that differs is tried again twice.

mod attempt;
mod debian;
pub(super) mod fastify;
pub(super) mod node_core;
mod npm;
pub(super) mod ws;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::attempt::{Attempt, How};
use super::ground::Ground;
use super::item::Item;

/// On two CPUs; tests with timeouts of their own fail where more run at once.
const AT_ONCE: usize = 2;
const TRIES: usize = 3;
const NAMED: usize = 40;

/// Beside plain Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Way {
    Agent,
    Gateway,
}

struct Suite {
    name: &'static str,
    node: PathBuf,
    /// Where the tests are started.
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Words before the file, of Node and of what runs tests.
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    ways: &'static [Way],
    /// Cases that cannot be the same through a gateway, each with the reason.
    expected: &'static [(&'static str, &'static str)],
}

/// Cases of a file that passed, and those that did not.
type Cases = BTreeMap<String, bool>;
/// A file and one of its cases.
type Case = (PathBuf, String);
/// By file.
type Outcome = BTreeMap<PathBuf, Cases>;

impl Suite {
    fn run(&self, ground: &Ground) -> anyhow::Result<Vec<Item>> {
        let mut items = Vec::new();
        for (way, how, words) in [
            (Way::Agent, How::Agent, "with the agent: what plain Node passes"),
            (Way::Gateway, How::Gateway, "through the gateway: what plain Node passes by a numbered port"),
        ] {
            if !self.ways.contains(&way) || ground.options.way.is_some_and(|only| only != way) {
                continue;
            }
            println!("{}: {words}", self.name);
            let item = Item::new(self.name, words).measured(self.compare(ground, how));
            item.print();
            items.push(item);
        }
        Ok(items)
    }

    fn compare(&self, ground: &Ground, how: How) -> anyhow::Result<(String, bool)> {
        let plain = self.attempt(ground, how.baseline(), &self.files)?;
        let mut missing = missing(&plain, &self.attempt(ground, how, &self.files)?);
        for _ in 1..TRIES {
            let files: BTreeSet<PathBuf> = missing.iter().map(|(file, _)| file.clone()).collect();
            let files: Vec<PathBuf> = files.into_iter().collect();
            if files.is_empty() {
                break;
            }
            // Also with plain Node: what it does not pass each time says nothing of us.
            let again = self.attempt(ground, how, &files)?;
            let plain_again = self.attempt(ground, how.baseline(), &files)?;
            missing.retain(|case| !has(&again, case) && has(&plain_again, case));
        }
        let total: usize = plain.values().flat_map(BTreeMap::values).filter(|passed| **passed).count();
        let (known, new): (Vec<&Case>, Vec<&Case>) =
            missing.iter().partition(|case| how == How::Gateway && self.is_expected(case));
        // The exit code says it once more.
        let is_known = |file: &PathBuf| known.iter().any(|(other, _)| other == file);
        let says_no_more = |(file, case): &Case| case.is_empty() && is_known(file) && !has_named(&new, file);
        let new: Vec<&Case> = new.iter().copied().filter(|case| !says_no_more(case)).collect();
        let all: usize = plain.values().map(BTreeMap::len).sum();
        let mut figure = format!(
            "{} of {total} (plain Node: {total} of {all} cases, {} files)",
            total - missing.len(),
            self.files.len()
        );
        anyhow::ensure!(total > 0, "plain Node passes nothing: the tests do not run here");
        if !known.is_empty() {
            figure.push_str(&format!("; {} cannot (see below)", known.len()));
        }
        if !new.is_empty() {
            let names: Vec<String> = new.iter().take(NAMED).map(|(file, case)| shown(file, case)).collect();
            figure.push_str(&format!("; {} differ: {}", new.len(), names.join(", ")));
        }
        Ok((figure, new.is_empty()))
    }

    fn is_expected(&self, (file, case): &Case) -> bool {
        let shown = shown(file, case);
        self.expected.iter().any(|(name, _)| shown.contains(name))
    }

    /// Why what cannot be the same cannot.
    fn notes(&self) -> Vec<String> {
        self.expected.iter().map(|(name, why)| format!("`{name}` through the gateway: {why}")).collect()
    }

    fn attempt(&self, ground: &Ground, how: How, files: &[PathBuf]) -> anyhow::Result<Outcome> {
        let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::new()));
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    scope.spawn(|| -> anyhow::Result<()> {
                        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let cases = Attempt { ground, suite: self, how, file }.run()?;
                            if let Ok(mut outcome) = outcome.lock() {
                                outcome.insert(file.clone(), cases);
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked"))))
        })?;
        outcome.into_inner().map_err(|_| anyhow::anyhow!("an attempt panicked"))
    }
}

/// What passes there and not here.
fn missing(plain: &Outcome, other: &Outcome) -> Vec<Case> {
    let passed = plain.iter().flat_map(|(file, cases)| {
        cases.iter().filter(|(_, passed)| **passed).map(move |(case, _)| (file.clone(), case.clone()))
    });
    passed.filter(|case| !has(other, case)).collect()
}

fn has(outcome: &Outcome, (file, case): &Case) -> bool {
    outcome.get(file).and_then(|cases| cases.get(case)) == Some(&true)
}

fn has_named(cases: &[&Case], file: &Path) -> bool {
    cases.iter().any(|(other, case)| other == file && !case.is_empty())
}

fn shown(file: &Path, case: &str) -> String {
    let file = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if case.is_empty() { file.to_owned() } else { format!("{file}: {case}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_node_does_not_pass_is_not_missed() {
        let file = PathBuf::from("a.js");
        let cases = |cases: &[(&str, bool)]| {
            Outcome::from([(
                file.clone(),
                cases.iter().map(|(name, passed)| ((*name).to_owned(), *passed)).collect(),
            )])
        };
        let plain = cases(&[("one", true), ("two", false), ("three", true)]);
        let other = cases(&[("one", true), ("two", false), ("three", false)]);
        assert_eq!(missing(&plain, &other), [(file.clone(), "three".to_owned())]);
        assert_eq!(missing(&plain, &Outcome::new()).len(), 2);
    }
}
