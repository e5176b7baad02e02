//! What was found of each app, and what is told of it.

use std::fmt;

use serde_json::{Value, json};

use super::super::report::{Table, Target, figure};
use super::super::stats::{median, min};

/// Percent.
const SHARE_MAX: f64 = 3.0;

/// CPU of the worker per request, in microseconds, slice by slice; slices of one place were taken one after the
/// other.
pub(super) struct Figures {
    app: &'static str,
    without: Vec<f64>,
    with: Vec<f64>,
    without_again: Vec<f64>,
}

impl Figures {
    pub(super) fn new(app: &'static str) -> Self {
        Self { app, without: Vec::new(), with: Vec::new(), without_again: Vec::new() }
    }

    pub(super) fn take(&mut self, [without, with, without_again]: [Vec<f64>; 3]) {
        self.without.extend(without);
        self.with.extend(with);
        self.without_again.extend(without_again);
    }

    /// By how many percent `of` is above plain Node: by the minima, and by the median of pairs.
    fn shares(&self, of: &[f64]) -> (Option<f64>, Option<f64>) {
        let percent = |ratio: f64| (ratio - 1.0) * 100.0;
        let pairs: Vec<f64> = of.iter().zip(&self.without).map(|(other, plain)| other / plain).collect();
        let of_minima = min(of).zip(min(&self.without)).map(|(other, plain)| other / plain);
        (of_minima.map(percent), median(&pairs).map(percent))
    }

    fn variants(&self) -> [(&'static str, &[f64]); 3] {
        [("without", &self.without), ("without, again", &self.without_again), ("with the agent", &self.with)]
    }

    pub(super) fn rows(&self, table: &mut Table) {
        for (name, values) in self.variants() {
            let (of_minima, paired) = self.shares(values);
            table.row(vec![
                format!("{}, {name}", self.app),
                figure(min(values), "", 2),
                figure(median(values), "", 2),
                figure(of_minima, " %", 1),
                figure(paired, " %", 1),
            ]);
        }
    }

    pub(super) fn raw(&self) -> Value {
        json!({ "app": self.app, "without_us": self.without, "without_again_us": self.without_again, "with_us": self.with })
    }

    /// The worse of the two ways to compare. On Express "not measurable" is meant: no more than what plain Node
    /// differs from itself, which the table tells; but in no case more than on hello world.
    pub(super) fn target(&self) -> Target {
        let (of_minima, paired) = self.shares(&self.with);
        Target::new(
            format!("the agent's part of the worker's CPU, {}", self.app),
            SHARE_MAX,
            of_minima.zip(paired).map(|(of_minima, paired)| of_minima.max(paired)),
            " %",
        )
    }
}

/// How it stands so far.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variants =
            self.variants().map(|(name, values)| format!("{name} {}", figure(min(values), " µs", 2)));
        f.write_str(&variants.join("  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_comparisons_is_told() {
        let mut figures = Figures::new("any");
        figures.take([vec![10.0, 20.0, 20.0], vec![10.0, 22.0, 22.0], vec![10.0, 20.0, 20.0]]);
        assert_eq!(figures.shares(&figures.without_again), (Some(0.0), Some(0.0)));
        let found = figures.target().found.unwrap();
        assert!((found - 10.0).abs() < 1e-9, "{found}");
    }
}
