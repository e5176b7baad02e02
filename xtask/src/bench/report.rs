//! Results as people read them: a table in the terminal, the same in Markdown, all raw figures in JSON.

mod headline;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

pub(crate) use self::headline::{Better, Goal, Headline, headlines};
pub(crate) use self::table::{Table, Target, figure, megabytes, targets};
use super::workshop::Workshop;
use crate::process::root;

/// One run of one verb.
pub(crate) struct Report {
    pub(crate) verb: &'static str,
    pub(crate) title: &'static str,
    pub(crate) command: String,
    pub(crate) machine: Value,
    /// Paragraphs on what was done and why so.
    pub(crate) method: Vec<String>,
    pub(crate) tables: Vec<(String, Table)>,
    /// What whoever reads the figures has to know: disturbance, what could not be measured.
    pub(crate) notes: Vec<String>,
    pub(crate) raw: Value,
    pub(crate) keep: Keep,
}

/// Where results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// `bench/results/`, for the record.
    Result,
    /// `bench/out/`, which is not committed: a glance, or not everybody took part.
    Glance,
}

impl Keep {
    pub(crate) fn unless(glance: bool) -> Self {
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
    pub(crate) fn publish(&self) -> anyhow::Result<()> {
        let text = self.markdown();
        println!("{text}");
        let directory = root().join(self.keep.directory());
        fs::create_dir_all(&directory)?;
        let date = today()?;
        let raw = json!({
            "date": date, "command": self.command, "revision": revision(), "machine": self.machine,
            "method": self.method, "notes": self.notes, "results": self.raw,
        });
        for (extension, content) in [("md", text), ("json", serde_json::to_string_pretty(&raw)? + "\n")] {
            let path = directory.join(format!("{date}-{}.{extension}", self.verb));
            // Apps tell where they are on this machine.
            let content = content.replace(&root().display().to_string(), ".");
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

pub(crate) fn today() -> anyhow::Result<String> {
    let output = Command::new("date").arg("+%F").output().context("cannot run date")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The commit that was measured, with a mark where the checkout differed from it.
pub(crate) fn revision() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The line that begins every method: which processes could have been in the way.
pub(crate) fn placement_sentence(workshop: &Workshop) -> String {
    format!("Placement: {}. Limit of open files: {}.", workshop.placement.describe(), workshop.files_max)
}
