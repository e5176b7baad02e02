//! The environment of a worker: what the app would have had, and a few variables of ours.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use plimsoll_wire::names::{ENV_DIRECTORY, ENV_HEAP};

use crate::concerns::memory::heap::Plan;
use crate::ids::WorkerId;

/// What a worker's variables depend on.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    pub worker: WorkerId,
    pub workers: u16,
    /// The preload and the private directory of this incarnation; `None`: without agent.
    pub agent: Option<(&'a Path, &'a Path)>,
    /// Variables that were given to a reload.
    pub overrides: &'a [(String, String)],
    /// `NODE_OPTIONS` as we were started with.
    pub node_options: Option<OsString>,
    /// The sizes of its heap; `None`: somebody else decides.
    pub heap: Option<Plan>,
    /// The engine carries the context of `AsyncLocalStorage`.
    pub has_context_frame: bool,
    /// What the worker prints ends on a terminal, though it sees a pipe.
    pub colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Force,
    AsIs,
}

/// Known to Node 22.7 to 23, and refused by all others.
pub(super) const CONTEXT_FRAME: &str = "--experimental-async-context-frame";

impl Environment<'_> {
    /// The variables to set on top of our own environment.
    #[must_use]
    pub(super) fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> =
            self.overrides.iter().map(|(name, value)| (name.into(), value.into())).collect();
        variables.push(("PLIMSOLL_WORKER".into(), self.worker.index.to_string().into()));
        variables.push(("PLIMSOLL_WORKERS".into(), self.workers.to_string().into()));
        if let Some((preload, directory)) = self.agent {
            let given = self.overrides.iter().rfind(|(name, _)| name == "NODE_OPTIONS");
            let options = given.map(|(_, value)| OsStr::new(value)).or(self.node_options.as_deref());
            variables.push((ENV_DIRECTORY.into(), directory.into()));
            if let Some(heap) = self.heap {
                variables.push((ENV_HEAP.into(), heap.options().into()));
            }
            variables.push(("NODE_OPTIONS".into(), self.node_options(options, preload)));
        }
        if self.colour == Colour::Force {
            variables.push(("FORCE_COLOR".into(), "1".into()));
        }
        variables
    }

    fn node_options(&self, given: Option<&OsStr>, preload: &Path) -> OsString {
        let mut value = with_preload(given, self.heap, preload);
        let is_there = given.is_some_and(|given| given.to_string_lossy().contains(CONTEXT_FRAME));
        if self.has_context_frame && !is_there {
            value.push(" ");
            value.push(CONTEXT_FRAME);
        }
        value
    }
}

/// Appends the sizes of the heap and `--require "<preload>"` to what is there.
fn with_preload(options: Option<&OsStr>, heap: Option<Plan>, preload: &Path) -> OsString {
    let mut value = options.unwrap_or_default().to_owned();
    if !value.is_empty() {
        value.push(" ");
    }
    if let Some(heap) = heap {
        value.push(heap.options());
        value.push(" ");
    }
    value.push("--require ");
    value.push(quote(preload.as_os_str()));
    value
}

/// Quotes as Node reads `NODE_OPTIONS`: spaces separate unless inside double quotes, and inside them, only
/// there, a backslash takes the next byte as it is.
fn quote(text: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut quoted = vec![b'"'];
    for byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    OsString::from_vec(quoted)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_preload_is_appended_and_quoted() {
        let table = [
            (None, "/a/agent.cjs", r#"--require "/a/agent.cjs""#),
            (Some(""), "/a b", r#"--require "/a b""#),
            (Some("--max-old-space-size=99"), "/a", r#"--max-old-space-size=99 --require "/a""#),
            (Some("-r x"), r#"/a\b"c"#, r#"-r x --require "/a\\b\"c""#),
        ];
        for (options, preload, expected) in table {
            assert_eq!(with_preload(options.map(OsStr::new), None, Path::new(preload)), expected);
        }
    }

    #[test]
    fn sizes_are_appended() {
        let plan = Plan { share_bytes: 0, old_mb: 42, semi_mb: 4, is_tight: false };
        let table = [
            (None, "--max-old-space-size=42 --max-semi-space-size=4 --require \"/a\""),
            (Some("-r x"), "-r x --max-old-space-size=42 --max-semi-space-size=4 --require \"/a\""),
        ];
        for (options, expected) in table {
            assert_eq!(with_preload(options.map(OsStr::new), Some(plan), Path::new("/a")), expected);
        }
    }

    #[test]
    fn the_agent_is_told_which_sizes_are_ours() {
        let plan = Plan { share_bytes: 0, old_mb: 42, semi_mb: 4, is_tight: false };
        let table = [(Some(plan), Some("--max-old-space-size=42 --max-semi-space-size=4")), (None, None)];
        for (heap, expected) in table {
            let environment = Environment {
                worker: WorkerId { index: 0, incarnation: 0 },
                workers: 1,
                agent: Some((Path::new("/a"), Path::new("/b"))),
                overrides: &[],
                node_options: None,
                heap,
                has_context_frame: false,
                colour: Colour::AsIs,
            };
            let told = environment.variables().into_iter().find(|(name, _)| name == ENV_HEAP);
            assert_eq!(told.map(|(_, sizes)| sizes), expected.map(OsString::from), "{heap:?}");
        }
    }

    #[test]
    fn node_reads_a_hostile_path_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let hostile = directory.path().join(r#"a "b" \c\ 'd'"#);
        std::fs::create_dir(&hostile).unwrap();
        let preload = hostile.join("p.cjs");
        std::fs::write(&preload, "process.stdout.write('loaded ')").unwrap();
        let output = Command::new("node")
            .args(["-e", "console.log(process.env.X)"])
            .env("NODE_OPTIONS", with_preload(Some(OsStr::new("--no-warnings")), None, &preload))
            .env("X", "1")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "loaded 1\n", "{output:?}");
    }

    #[test]
    fn a_worker_without_agent_keeps_its_node_options() {
        let environment = Environment {
            worker: WorkerId { index: 1, incarnation: 7 },
            workers: 3,
            agent: None,
            overrides: &[],
            node_options: Some("-r x".into()),
            heap: None,
            has_context_frame: true,
            colour: Colour::Force,
        };
        let names: Vec<_> = environment.variables().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PLIMSOLL_WORKER", "PLIMSOLL_WORKERS", "FORCE_COLOR"]);
    }
}
