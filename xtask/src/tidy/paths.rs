//! A page that names a file which is not there leads a newcomer astray.

use super::Finding;

/// A name in backticks that starts like this is a path of the repository.
const FOLDERS: [&str; 9] =
    ["crates/", "docs/", "xtask/", "examples/", "bench/", "packaging/", ".ci/", ".config/", ".cargo/"];
const WHY: &str = "a page that names what is not there leads a newcomer astray";

pub(super) fn check(page: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let linked = links(line).into_iter().map(|link| resolve(folder, link));
        for path in in_backticks(line).into_iter().map(str::to_owned).chain(linked) {
            if !exists(&path) {
                let what = format!("`{path}` does not exist");
                findings.push(Finding { path: page.to_owned(), line: number + 1, what, why: WHY });
            }
        }
    }
    findings
}

/// Paths in backticks; patterns and placeholders (`examples/*`, `docs/<page>.md`) are not paths.
fn in_backticks(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .filter(|text| !text.contains(['*', '<', '{', ' ', '…', '$', ':']))
        .collect()
}

/// Targets of links to files.
fn links(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|after| after.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
        .collect()
}

fn resolve(folder: &str, link: &str) -> String {
    let start = if link.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(link.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
