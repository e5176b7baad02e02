//! A strict reader of Prometheus' text format: what it does not accept, a scraper may refuse.

use std::collections::{BTreeMap, BTreeSet};

/// What `/metrics` says.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Type of each metric.
    pub(crate) types: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
    /// Names of the labels of each metric.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
}

impl Exposition {
    pub(crate) fn read(text: &str) -> Self {
        let mut all = Self::default();
        let mut current: Option<(String, String)> = None;
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
                let before = all.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "{name} comes twice");
                current = Some((name.to_owned(), kind.to_owned()));
            } else if !line.starts_with("# HELP ") && !line.is_empty() {
                let (name, labels, value) = sample(line);
                let (family, kind) = current.as_ref().unwrap_or_else(|| panic!("{line} has no type"));
                let suffix =
                    name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{line} under {family}"));
                let suffixes: &[&str] = match kind.as_str() {
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "summary" => &["", "_sum", "_count"],
                    _ => &[""],
                };
                assert!(suffixes.contains(&suffix), "{line}");
                all.labels.entry(family.clone()).or_default().extend(labels.keys().cloned());
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
                let series = format!("{name}{{{}}}", labels.join(","));
                assert_eq!(all.samples.insert(series, value), None, "{line} comes twice");
            }
        }
        all
    }

    /// The sample of this series, its labels in the order of the alphabet and without quotes: `a{b=c,d=e}`.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }

    /// All series of this name.
    pub(crate) fn of(&self, name: &str) -> Vec<(&str, f64)> {
        let all = self.samples.iter().map(|(series, value)| (series.as_str(), *value));
        all.filter(|(series, _)| series.split('{').next() == Some(name)).collect()
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name, true), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label, false), "{line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(labels.insert(label.to_owned(), value), None, "{label} comes twice in {line}");
            rest = after.strip_prefix(',').unwrap_or(after);
            assert!(after.starts_with([',', '}']), "{line}");
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap_or_else(|_| panic!("{line}")),
    };
    (name.to_owned(), labels, value)
}

/// What stands before the quote that ends it, and what after.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other @ ('"' | '\\') => other,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

fn is_name(name: &str, colons: bool) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit())
}
