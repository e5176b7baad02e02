//! One test file, run once in one of the ways, and what its cases came to.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Cases, Suite};
use crate::bench::child::Child;
use crate::bench::wait;
use crate::conformance::ground::{Ground, file as file_of};

const WITHIN: Duration = Duration::from_secs(60);
/// The app is the test and, when that is over, somebody who waits: Plimsoll would start a test that has ended again.
const SCRIPT: &str = "\"$@\" > \"$OUTCOME.out\" 2> \"$OUTCOME.err\"; echo $? > \"$OUTCOME.part\"; mv \"$OUTCOME.part\" \"$OUTCOME.code\"; exec sleep 600";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Plain,
    /// With a numbered port, and without Plimsoll: what is to be compared with [`How::Gateway`].
    Numbered,
    Agent,
    Gateway,
}

impl How {
    pub(super) fn baseline(self) -> Self {
        match self {
            Self::Plain | Self::Agent => Self::Plain,
            Self::Numbered | Self::Gateway => Self::Numbered,
        }
    }

    fn is_plain(self) -> bool {
        self == self.baseline()
    }
}

/// Instances have names of their own.
static STARTED: AtomicU64 = AtomicU64::new(0);

pub(super) struct Attempt<'a> {
    pub(super) ground: &'a Ground,
    pub(super) suite: &'a Suite,
    pub(super) how: How,
    pub(super) file: &'a Path,
}

impl Attempt<'_> {
    /// What the file's cases came to; its exit code is a case of its own, without a name.
    pub(super) fn run(&self) -> anyhow::Result<Cases> {
        // Files in several folders may have the same name.
        let name = self.file.strip_prefix(&self.suite.folder).unwrap_or(self.file);
        let name = name.to_string_lossy().replace('/', "-");
        let outcome = self.ground.workshop.directory.join(format!("{:?}-{name}", self.how));
        for end in ["out", "err", "code"] {
            let _none_left = fs::remove_file(with(&outcome, end));
        }
        let child = self.start(&outcome)?;
        let code =
            wait::until(WITHIN, "the end of a test", || fs::read_to_string(with(&outcome, "code")).ok());
        drop(child);
        let said = fs::read(with(&outcome, "out")).unwrap_or_default();
        let mut cases = cases_of(&String::from_utf8_lossy(&said));
        cases.insert(String::new(), code.is_ok_and(|code| code.trim() == "0"));
        Ok(cases)
    }

    fn start(&self, outcome: &Path) -> anyhow::Result<Child> {
        let program = if self.how.is_plain() { Path::new("sh") } else { &self.ground.programs.plimsoll };
        Child::start(program, None, &with(outcome, "log"), |command| {
            if !self.how.is_plain() {
                let name = format!("conformance-{}", STARTED.fetch_add(1, Ordering::Relaxed));
                command.args([
                    "run",
                    "--workers",
                    "1",
                    "--admin",
                    "off",
                    "--grace",
                    "1s",
                    "--name",
                    &name,
                    "--",
                    "sh",
                ]);
            }
            command.args(["-c", SCRIPT, "test"]).arg(&self.suite.node);
            if self.how.baseline() == How::Numbered {
                command.arg("--require").arg(file_of("apps/through.cjs"));
            }
            command.args(self.flags()).args(&self.suite.arguments).arg(self.file);
            command
                .current_dir(&self.suite.folder)
                .env("OUTCOME", outcome)
                .envs(self.suite.environment.iter().copied())
                .env_remove("NODE_OPTIONS");
            command.env("XDG_RUNTIME_DIR", &self.ground.workshop.directory);
        })
    }

    /// Node's tests say in a comment which options of Node they need.
    fn flags(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file).unwrap_or_default();
        let line = text.lines().take(40).find_map(|line| line.strip_prefix("// Flags:"));
        line.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
    }
}

fn with(outcome: &Path, end: &str) -> std::path::PathBuf {
    std::path::PathBuf::from(format!("{}.{end}", outcome.display()))
}

/// Lines of TAP, of whatever depth: `ok 3 - name`. A name that comes twice has passed when it did both times.
fn cases_of(text: &str) -> Cases {
    let mut cases = Cases::new();
    for line in text.lines().map(str::trim_start) {
        let (passed, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let name = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches([' ', '-']);
        let Some(name) = name.split(" # ").next().filter(|name| !name.is_empty()) else { continue };
        cases.entry(name.to_owned()).and_modify(|all| *all &= passed).or_insert(passed);
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_from_tap() {
        let text = "TAP version 13\n# Subtest: a\n    ok 1 - inner\n    not ok 2 - worse\nok 1 - a # time=3ms\nok 2 inner\nnot ok 3 - inner\n";
        let expected = [("a", true), ("inner", false), ("worse", false)];
        assert_eq!(cases_of(text), expected.map(|(name, passed)| (name.to_owned(), passed)).into());
    }
}
