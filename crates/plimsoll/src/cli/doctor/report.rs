//! The answer of the doctor, for people and for scripts.

use std::fmt;

use serde::Serialize;

use crate::concerns::shutdown::manifest::{At, Finding, Settings, Severity, Workload};
use crate::concerns::words::counted;
use crate::config::WorkerCount;

/// The JSON of `--json`: fields are added over time and never renamed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) examined: Vec<Examined>,
    pub(super) notes: Vec<Note>,
}

/// A container that was held against its settings.
#[derive(Debug, Serialize)]
pub(super) struct Examined {
    file: String,
    line: usize,
    kind: &'static str,
    name: String,
    container: String,
    /// `None`: they are not fine, which is among the findings.
    settings: Option<String>,
    pub(super) findings: Vec<Found>,
}

#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) code: &'static str,
    severity: &'static str,
    pub(super) line: usize,
    column: usize,
    pub(super) path: String,
    what: String,
    why: String,
    fix: String,
}

/// Something about a workload that is no finding.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    file: String,
    line: usize,
    text: String,
}

impl Report {
    pub(super) fn is_clean(&self) -> bool {
        self.findings().next().is_none()
    }

    fn findings(&self) -> impl Iterator<Item = &Found> {
        self.examined.iter().flat_map(|examined| &examined.findings)
    }

    pub(super) fn json(&self) -> String {
        // Strings and numbers alone: there is nothing in it that JSON could not say.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{json}\n")
    }

    pub(super) fn text(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("note: {note}\n"));
        let blocks = self.examined.iter().map(|examined| format!("{examined}\n"));
        let errors = self.findings().filter(|found| found.severity == Severity::Error.as_str()).count();
        let warnings = self.findings().count() - errors;
        let total = match (errors, warnings) {
            (0, 0) => "no findings".to_owned(),
            (errors, warnings) => {
                format!("{}, {}", counted(errors as u64, "error"), counted(warnings as u64, "warning"))
            }
        };
        notes.chain(blocks).chain([format!("{total}\n")]).collect()
    }
}

impl Examined {
    pub(super) fn new(
        file: &str,
        workload: &Workload<'_>,
        container: &At<'_>,
        settings: Option<Settings>,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: workload.object.position.line,
            kind: workload.kind.as_str(),
            name: workload.name.clone(),
            container: container.text_of("name").unwrap_or("(no name)").to_owned(),
            settings: settings.map(|settings| in_words(&settings)),
            findings: findings.into_iter().map(Found::from).collect(),
        }
    }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self {
            code: finding.code.as_str(),
            severity: finding.code.severity().as_str(),
            line: finding.position.line,
            column: finding.position.column,
            path: finding.path,
            what: finding.what,
            why: finding.why,
            fix: finding.fix,
        }
    }
}

fn in_words(settings: &Settings) -> String {
    let workers = match settings.workers {
        WorkerCount::Auto => "as many workers as whole CPUs".to_owned(),
        WorkerCount::Exactly(1) => "1 worker".to_owned(),
        WorkerCount::Exactly(workers) => format!("{workers} workers"),
    };
    let admin = settings.admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let Settings { delay, grace, worker_grace, .. } = settings;
    format!("{workers}; admin {admin}; delay {delay:?}, grace {grace:?}, worker grace {worker_grace:?}")
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, kind, name, container, .. } = self;
        writeln!(f, "{file}:{line}: {kind} {name}, container {container}")?;
        if let Some(settings) = &self.settings {
            writeln!(f, "  held against: {settings}")?;
        }
        for found in &self.findings {
            let Found { code, severity, line, column, path, what, why, fix } = found;
            writeln!(f, "\n{severity}[{code}]: {what}")?;
            writeln!(f, "   at: {file}:{line}:{column} {path}\n  why: {why}\n  fix:")?;
            for line in fix.lines() {
                writeln!(f, "       {line}")?;
            }
        }
        Ok(())
    }
}

impl Note {
    pub(super) fn of(file: &str, workload: &Workload<'_>, text: &str) -> Self {
        let text = format!("{} {}: {text}", workload.kind.as_str(), workload.name);
        Self { file: file.to_owned(), line: workload.object.position.line, text }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}
