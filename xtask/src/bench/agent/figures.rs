//! What was found of each app, and what is told of it.

use serde_json::{Value, json};

use super::super::report::{Table, Target, figure};
use super::super::stats::{median, min};

/// Percent.
const SHARE_MAX: f64 = 3.0;

/// CPU of the worker per request, in microseconds, round by round.
pub(super) struct Figures {
    pub(super) app: &'static str,
    pub(super) without: Vec<f64>,
    pub(super) without_again: Vec<f64>,
    pub(super) with: Vec<f64>,
}

impl Figures {
    fn share(&self, of: &[f64]) -> Option<f64> {
        min(of).zip(min(&self.without)).map(|(other, plain)| (other / plain - 1.0) * 100.0)
    }

    pub(super) fn rows(&self, table: &mut Table) {
        for (name, values) in [
            ("without", &self.without),
            ("without, again", &self.without_again),
            ("with the agent", &self.with),
        ] {
            table.row(vec![
                format!("{}, {name}", self.app),
                figure(min(values), "", 2),
                figure(median(values), "", 2),
                figure(self.share(values), " %", 1),
            ]);
        }
    }

    pub(super) fn raw(&self) -> Value {
        json!({ "app": self.app, "without_us": self.without, "without_again_us": self.without_again, "with_us": self.with })
    }

    /// On Express "not measurable" is meant: no more than what plain Node differs from itself, which the table
    /// tells; but in no case more than on hello world.
    pub(super) fn target(&self) -> Target {
        Target {
            what: format!("the agent's part of the worker's CPU, {}", self.app),
            limit: SHARE_MAX,
            found: self.share(&self.with),
            unit: " %",
        }
    }
}
