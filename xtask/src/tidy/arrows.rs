//! The arrows between the modules of `plimsoll`: `main → app → {gateway, workers} → observe → concerns →
//! {config, lease} → wire`. They are what makes a part understandable, and testable, without the others.

use super::Finding;

const SOURCE: &str = "crates/plimsoll/src/";

/// What a module may use of its crate, itself always included. `main`, `app` and `cli` wire: they may use all.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("gateway", &["concerns", "config", "exit", "ids", "observe", "routes", "sys"]),
    ("workers", &["concerns", "config", "exit", "ids", "observe", "routes", "sys"]),
    ("observe", &["concerns", "config", "exit", "ids", "percent", "routes", "sys"]),
    ("concerns", &["config", "ids", "lease", "percent", "routes"]),
    ("config", &["ids", "percent"]),
    ("routes", &["ids"]),
    ("sys", &["ids"]),
    ("ids", &[]),
    ("percent", &[]),
    ("lease", &[]),
    ("exit", &[]),
];
const WIRES: [&str; 4] = ["main", "lib", "app", "cli"];
const WHY: &str =
    "the arrows of ARCHITECTURE.md keep each part understandable without the others; let app join them";

pub(super) fn check(path: &str, code: &str) -> Vec<Finding> {
    let Some(module) = module_of(path) else { return Vec::new() };
    if WIRES.contains(&module) {
        return Vec::new();
    }
    let finding = |line, what| Finding { path: path.to_owned(), line, what, why: WHY };
    let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        return vec![finding(1, format!("module `{module}` has no row in the table of arrows in xtask"))];
    };
    let forbidden = |used: &str| used != module && is_module(used) && !may_use.contains(&used);
    let mut findings: Vec<_> = used_modules(code)
        .into_iter()
        .filter(|(_, used)| forbidden(used))
        .map(|(line, used)| finding(line, format!("`{module}` uses `{used}`")))
        .collect();
    if module == "sys"
        && let Some(at) = code.find("plimsoll_wire::")
    {
        findings.push(finding(line_of(code, at), "`sys` uses `plimsoll_wire`".to_owned()));
    }
    findings
}

fn module_of(path: &str) -> Option<&str> {
    path.strip_prefix(SOURCE)?.split('/').next().map(|name| name.trim_end_matches(".rs"))
}

fn is_module(name: &str) -> bool {
    WIRES.contains(&name) || MAY_USE.iter().any(|(module, _)| *module == name)
}

/// The first name after each `crate::`, or after a chain of `super::super::` that may leave the module. A name
/// that is not a module of the crate's root says nothing and is dropped by the caller.
fn used_modules(code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for anchor in ["crate::", "super::super::"] {
        for (at, _) in code.match_indices(anchor) {
            let before = code.get(..at).unwrap_or_default().chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let after = code.get(at + anchor.len()..).unwrap_or_default();
            used.extend(names(after).into_iter().map(|name| (line_of(code, at), name)));
        }
    }
    used
}

/// `config::Config` gives `config`; `{config::Config, ids::{A, B}}` gives `config` and `ids`.
fn names(after: &str) -> Vec<String> {
    let Some(group) = after.strip_prefix('{') else { return vec![word(after)] };
    let (mut names, mut depth, mut item) = (Vec::new(), 0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&std::mem::take(&mut item))),
            c => item.push(c),
        }
    }
    names.push(word(&item));
    names
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}
