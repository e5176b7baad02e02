//! Tables that read well in Markdown and in a terminal, and the figures to reach.

use std::fmt::Write as _;

pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Markdown whose columns also stand straight in a terminal: the first to the left, figures to the right.
    pub(crate) fn render(&self) -> String {
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
pub(crate) struct Target {
    what: String,
    /// At most.
    limit: f64,
    pub(crate) found: Option<f64>,
    /// How far from it the truth may be, either way; 0 where nobody says.
    sure_to: f64,
    unit: &'static str,
}

impl Target {
    pub(crate) fn new(
        what: impl Into<String>,
        limit: f64,
        found: impl Into<Option<f64>>,
        unit: &'static str,
    ) -> Self {
        Self { what: what.into(), limit, found: found.into(), sure_to: 0.0, unit }
    }

    /// What was found is sure to this, either way.
    pub(crate) fn sure_to(mut self, either_way: Option<f64>) -> Self {
        self.sure_to = either_way.unwrap_or(0.0);
        self
    }

    fn verdict(&self) -> &'static str {
        let Some(found) = self.found else { return "not measured" };
        match (found <= self.limit, (found - self.limit).abs() < self.sure_to) {
            (true, false) => "reached",
            (false, false) => "MISSED",
            (true, true) => "reached, not for sure",
            (false, true) => "MISSED, not for sure",
        }
    }

    fn shown(&self) -> String {
        let found = figure(self.found, self.unit, 2);
        if self.sure_to > 0.0 { format!("{found} ± {:.2}", self.sure_to) } else { found }
    }
}

pub(crate) fn targets(targets: &[Target]) -> Table {
    let mut table = Table::new(&["figure to reach", "at most", "found", ""]);
    for target in targets {
        table.row(vec![
            target.what.clone(),
            format!("{}{}", target.limit, target.unit),
            target.shown(),
            target.verdict().to_owned(),
        ]);
    }
    table
}

pub(crate) fn figure(value: Option<f64>, unit: &str, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}{unit}"))
}

pub(crate) fn megabytes(bytes: f64) -> f64 {
    bytes / 1e6
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
        let target = |found: Option<f64>| Target::new("x", 0.9, found, "x");
        for (target, verdict) in [
            (target(Some(0.9)), "reached"),
            (target(Some(0.91)), "MISSED"),
            (target(None), "not measured"),
            (target(Some(0.5)).sure_to(Some(0.3)), "reached"),
            (target(Some(0.8)).sure_to(Some(0.3)), "reached, not for sure"),
            (target(Some(1.0)).sure_to(Some(0.3)), "MISSED, not for sure"),
            (target(Some(1.3)).sure_to(Some(0.3)), "MISSED"),
            (target(Some(0.8)).sure_to(None), "reached"),
        ] {
            assert_eq!(target.verdict(), verdict);
        }
    }
}
