//! One thing that was tried: how, what came of it, and whether that is good enough.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) how: String,
    /// What was found, in words and figures.
    pub(super) figure: String,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// It could not be tried; the figure says why.
    NotRun,
    /// There is nothing to try: Plimsoll has no such part.
    NotApplicable,
}

impl Verdict {
    pub(super) fn of(is_good: bool) -> Self {
        if is_good { Self::Passed } else { Self::Failed }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "**failed**",
            Self::NotRun => "not run",
            Self::NotApplicable => "–",
        }
    }
}

impl Item {
    pub(super) fn new(name: impl Into<String>, how: impl Into<String>) -> Self {
        Self { name: name.into(), how: how.into(), figure: String::new(), verdict: Verdict::NotRun }
    }

    pub(super) fn found(self, figure: impl Into<String>, is_good: bool) -> Self {
        Self { figure: figure.into(), verdict: Verdict::of(is_good), ..self }
    }

    pub(super) fn not_run(self, why: impl Into<String>) -> Self {
        Self { figure: why.into(), verdict: Verdict::NotRun, ..self }
    }

    pub(super) fn not_applicable(self, why: impl Into<String>) -> Self {
        Self { figure: why.into(), verdict: Verdict::NotApplicable, ..self }
    }

    /// What was measured, or why nothing could be: a measurement that breaks off is no pass.
    pub(super) fn measured(self, result: anyhow::Result<(String, bool)>) -> Self {
        match result {
            Ok((figure, is_good)) => self.found(figure, is_good),
            Err(error) => self.found(format!("broke off: {error:#}"), false),
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        self.verdict == Verdict::Failed
    }

    pub(super) fn print(&self) {
        println!("{:>10}  {}: {}", self.verdict.word().trim_matches('*'), self.name, self.figure);
    }
}

/// What a part has found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) items: Vec<Item>,
    /// What was used, with its version.
    pub(super) versions: Vec<(String, String)>,
    /// What whoever reads the table has to know.
    pub(super) notes: Vec<String>,
}

impl Found {
    pub(super) fn broken(title: &str, error: &anyhow::Error) -> Self {
        let item = Item::new(title, "as a whole").found(format!("broke off: {error:#}"), false);
        Self { items: vec![item], ..Self::default() }
    }

    pub(super) fn not_run(title: &str, why: String) -> Self {
        Self { items: vec![Item::new(title, "as a whole").not_run(why)], ..Self::default() }
    }

    /// Nothing of it could be tried.
    pub(super) fn is_not_run(&self) -> bool {
        self.items.iter().all(|item| item.verdict == Verdict::NotRun)
    }
}
