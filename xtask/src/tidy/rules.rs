//! Rules that look at one line, or at the number of lines.

use super::Finding;

const LINES_MAX: usize = 500;

/// Where the words of the design are binding.
const WORDED: [&str; 5] = ["crates/", "docs/", "examples/", "README.md", "ARCHITECTURE.md"];
const BANNED_WORD: &str = "upstream";

/// Folders where `unsafe` may stand.
const UNSAFE: [&str; 2] = ["crates/plimsoll/src/sys/", "crates/plimsoll-agent/src/"];

/// Text of Rust code, and why it must not be there.
const BANNED_CODE: [(&str, &str); 6] = [
    ("#[allow", "use #[expect(lint, reason = \"…\")]: it goes away when its cause does"),
    ("#![allow", "use #[expect(lint, reason = \"…\")]: it goes away when its cause does"),
    ("#[ignore", "a test that is not run proves nothing"),
    ("#[should_panic", "assert on the error; any other panic would pass as well"),
    ("todo!", "what is not built is not merged"),
    ("unimplemented!", "what is not built is not merged"),
];

/// Starts of paths that exist on one machine only. Written in halves, so that this file passes its own rule.
const MACHINE_PATHS: [&str; 6] = [
    concat!("/wo", "rk/wt"),
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/ro", "ot/."),
    concat!("/Use", "rs/"),
    concat!("/ho", "me/"),
];
/// The home of the user in Node's own container images: in Dockerfiles, not on a machine.
const CONTAINER_HOME: &str = concat!("/ho", "me/node");

/// Rules for every text file.
pub(super) fn everywhere(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let worded = WORDED.iter().any(|start| path.starts_with(start)) && !path.ends_with("package-lock.json");
    for (number, line) in text.lines().enumerate() {
        let mut found = |what: String, why| {
            findings.push(Finding { path: path.to_owned(), line: number + 1, what, why });
        };
        if worded && line.to_ascii_lowercase().contains(BANNED_WORD) {
            found(format!("the word `{BANNED_WORD}`"), "it means both directions; say worker or downstream");
        }
        if let Some(start) = machine_path(line) {
            found(format!("the machine path `{start}`"), "it exists on one machine only");
        }
    }
    findings.extend(too_long(path, text));
    findings
}

/// Rules for Rust, on its code without comments and strings.
pub(super) fn rust(path: &str, code: &str) -> Vec<Finding> {
    let unsafe_here = UNSAFE.iter().any(|start| path.starts_with(start));
    let mut findings = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut found = |what: String, why| {
            findings.push(Finding { path: path.to_owned(), line: number + 1, what, why });
        };
        for (text, why) in BANNED_CODE.iter().filter(|(text, _)| line.contains(text)) {
            found(format!("`{text}`"), why);
        }
        if !unsafe_here && has_word(line, "unsafe") {
            found("`unsafe`".to_owned(), "it lives in sys/ and at the Node-API edge, behind safe wrappers");
        }
    }
    findings
}

fn too_long(path: &str, text: &str) -> Option<Finding> {
    let code = [".rs", ".js", ".cjs", ".mjs"].iter().any(|end| path.ends_with(end));
    let lines = text.lines().count();
    (code && lines > LINES_MAX).then(|| Finding {
        path: path.to_owned(),
        line: LINES_MAX + 1,
        what: format!("{lines} lines, more than {LINES_MAX}"),
        why: "a file is one idea, about 150 lines; this holds several",
    })
}

fn machine_path(line: &str) -> Option<&'static str> {
    let line = line.replace(CONTAINER_HOME, "");
    MACHINE_PATHS.into_iter().find(|start| line.contains(start))
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}
