//! Runs tests of `plimsoll` by their names. One that is not there any more is one that did not pass.

use std::collections::BTreeMap;
use std::path::Path;

use crate::process::cargo;

pub(super) type Outcomes = BTreeMap<String, bool>;

/// The end-to-end tests wait for states with deadlines that mean nothing where many run on two CPUs.
const AT_ONCE: &str = "--test-threads=2";

pub(super) fn run(names: &[&str], node: &Path) -> anyhow::Result<Outcomes> {
    // Without a name all would run.
    if names.is_empty() {
        return Ok(Outcomes::new());
    }
    let mut test = cargo(&[
        "test",
        "--package",
        "plimsoll",
        "--lib",
        "--test",
        "it",
        "--no-fail-fast",
        "--",
        AT_ONCE,
        "--exact",
    ]);
    test.args(names).env("PLIMSOLL_TEST_NODE", node);
    // That one failed is seen in what it says.
    let output = test.output()?;
    let outcomes = parse(&String::from_utf8_lossy(&output.stdout));
    if outcomes.is_empty() {
        anyhow::bail!("the tests did not run: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(outcomes)
}

fn parse(text: &str) -> Outcomes {
    let line = |line: &str| {
        let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        Some((name.to_owned(), outcome == "ok"))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_to_be_ok_has_passed() {
        let text =
            "running 2 tests\ntest a::one ... ok\ntest a::two ... FAILED\n\ntest result: FAILED. 1 passed";
        let expected = [("a::one".to_owned(), true), ("a::two".to_owned(), false)];
        assert_eq!(parse(text), Outcomes::from(expected));
    }
}
