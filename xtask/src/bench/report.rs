//! Results as people read them: a table in the terminal, the same in Markdown, all raw figures in JSON.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::workshop::{Workshop, repository};

pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Markdown whose columns also stand straight in a terminal: the first to the left, figures to the right.
    pub(super) fn render(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| {
            lines()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut text = String::new();
        for (number, row) in lines().enumerate() {
            text.push('|');
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if column == 0 {
                    write!(text, " {cell:<width$} |")
                } else {
                    write!(text, " {cell:>width$} |")
                };
            }
            text.push('\n');
            if number == 0 {
                text.push_str(&rule(&widths));
            }
        }
        text
    }
}

fn rule(widths: &[usize]) -> String {
    let cells = widths.iter().enumerate().map(|(column, width)| match column {
        0 => format!("-{:-<width$}-|", ""),
        _ => format!("-{:-<width$}:|", ""),
    });
    format!("|{}\n", cells.collect::<String>())
}

/// A figure to reach, and whether it was.
pub(super) struct Target {
    pub(super) what: String,
    pub(super) limit: f64,
    pub(super) found: Option<f64>,
    pub(super) unit: &'static str,
}

pub(super) fn targets(targets: &[Target]) -> Table {
    let mut table = Table::new(&["figure to reach", "at most", "found", ""]);
    for target in targets {
        let verdict = match target.found {
            Some(found) if found <= target.limit => "reached",
            Some(_) => "MISSED",
            None => "not measured",
        };
        table.row(vec![
            target.what.clone(),
            format!("{}{}", target.limit, target.unit),
            figure(target.found, target.unit, 2),
            verdict.to_owned(),
        ]);
    }
    table
}

pub(super) fn figure(value: Option<f64>, unit: &str, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}{unit}"))
}

pub(super) fn megabytes(bytes: f64) -> f64 {
    bytes / 1e6
}

/// One run of one verb.
pub(super) struct Report {
    pub(super) verb: &'static str,
    pub(super) title: &'static str,
    pub(super) command: String,
    pub(super) machine: Value,
    /// Paragraphs on what was done and why so.
    pub(super) method: Vec<String>,
    pub(super) tables: Vec<(String, Table)>,
    /// What whoever reads the figures has to know: disturbance, what could not be measured.
    pub(super) notes: Vec<String>,
    pub(super) raw: Value,
    pub(super) keep: Keep,
}

/// Where results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// `bench/results/`, for the record.
    Result,
    /// `bench/out/`, which is not committed: a glance, or not everybody took part.
    Glance,
}

impl Keep {
    pub(super) fn unless(glance: bool) -> Self {
        if glance { Self::Glance } else { Self::Result }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Result => "bench/results",
            Self::Glance => "bench/out",
        }
    }
}

impl Report {
    /// Prints the report and keeps it.
    pub(super) fn publish(&self) -> anyhow::Result<()> {
        let text = self.markdown();
        println!("{text}");
        let directory = repository().join(self.keep.directory());
        fs::create_dir_all(&directory)?;
        let date = today()?;
        let raw = json!({
            "date": date, "command": self.command, "revision": revision(), "machine": self.machine,
            "method": self.method, "notes": self.notes, "results": self.raw,
        });
        for (extension, content) in [("md", text), ("json", serde_json::to_string_pretty(&raw)? + "\n")] {
            let path = directory.join(format!("{date}-{}.{extension}", self.verb));
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            println!("written: {}/{date}-{}.{extension}", self.keep.directory(), self.verb);
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n    {}\n", self.title, self.command);
        for (title, table) in &self.tables {
            let _ = write!(text, "\n## {title}\n\n{}", table.render());
        }
        section(&mut text, "Notes", &self.notes);
        section(&mut text, "Method", &self.method);
        section(&mut text, "Machine", &[machine_sentence(&self.machine)]);
        text
    }
}

fn section(text: &mut String, title: &str, points: &[String]) {
    if points.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n");
    for point in points {
        let _ = writeln!(text, "- {point}");
    }
}

fn machine_sentence(machine: &Value) -> String {
    let versions = machine.get("versions").and_then(Value::as_object);
    let versions: Vec<String> = versions
        .into_iter()
        .flatten()
        .map(|(name, version)| format!("{name}: {}", version.as_str().unwrap_or_default()))
        .collect();
    let fact =
        |name: &str| machine.get(name).map(|value| value.to_string().replace('"', "")).unwrap_or_default();
    format!("{} CPUs ({}), Linux {}; {}", fact("cpus"), fact("cpu"), fact("kernel"), versions.join("; "))
}

fn today() -> anyhow::Result<String> {
    let output = Command::new("date").arg("+%F").output().context("cannot run date")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The commit that was measured, with a mark where the checkout differed from it.
fn revision() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(repository())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The line that begins every method: which processes could have been in the way.
pub(super) fn placement_sentence(workshop: &Workshop) -> String {
    format!("Placement: {}. Limit of open files: {}.", workshop.placement.describe(), workshop.files_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_markdown_with_straight_columns() {
        let mut table = Table::new(&["who", "µs"]);
        table.row(vec!["nginx".to_owned(), "13.20".to_owned()]);
        assert_eq!(table.render(), "| who   |    µs |\n|-------|------:|\n| nginx | 13.20 |\n");
    }

    #[test]
    fn a_target_that_was_not_measured_is_not_reached() {
        let target = |found| Target { what: "x".to_owned(), limit: 0.9, found, unit: "x" };
        let table = targets(&[target(Some(0.9)), target(Some(0.91)), target(None)]);
        let verdicts: Vec<_> = table.rows.iter().filter_map(|row| row.last()).collect();
        assert_eq!(verdicts, ["reached", "MISSED", "not measured"]);
    }
}
