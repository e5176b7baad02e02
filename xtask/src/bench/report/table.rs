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
    pub(crate) what: String,
    pub(crate) limit: f64,
    pub(crate) found: Option<f64>,
    pub(crate) unit: &'static str,
}

pub(crate) fn targets(targets: &[Target]) -> Table {
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
        let target = |found| Target { what: "x".to_owned(), limit: 0.9, found, unit: "x" };
        let table = targets(&[target(Some(0.9)), target(Some(0.91)), target(None)]);
        let verdicts: Vec<_> = table.rows.iter().filter_map(|row| row.last()).collect();
        assert_eq!(verdicts, ["reached", "MISSED", "not measured"]);
    }
}
