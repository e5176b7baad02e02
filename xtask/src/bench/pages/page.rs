//! The text: one table of everything, then each part with its figures, its picture and its reasons.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

use super::section::Section;
use crate::bench::report::{Headline, Table, headlines};

/// Columns of the table of everything; who took part in one scenario alone stands in its own.
const CONTENDERS: [&str; 5] = ["node", "node:cluster", "PM2", "Watt", "nginx + node"];
const BEGINS: &str = "<!-- figures: made by `cargo xtask bench report` -->";
const ENDS: &str = "<!-- /figures -->";

pub(super) fn render(sections: &[Section]) -> String {
    let mut text = "# Benchmarks\n\n\
        Made by `cargo xtask bench report` from the latest results in `bench/results`; nothing here is written by hand but the \
        reasons. Where Plimsoll loses it is told like the rest.\n\n\
        All contenders run the same unchanged app on the same Node.js and the same two CPUs, which the load generator uses as well, and take turns. \
        In the scenarios and in shutdown requests come at fixed times, and latency counts from the time at which a request was due, not from when it could be sent; \
        context, tracing, memory, gateway and what is called \"full load\" are closed loops of wrk, and in memory and gateway processes have CPUs of their own. \
        Methods are in the results that each part names; the apps in `bench/scenarios`, how contenders are set up in `bench/peers`.\n\n\
        ## Everything in one table\n\n"
        .to_owned();
    text.push_str(&overview(sections).render());
    text.push_str("\nTo repeat it: `cargo xtask bench scenario` (two hours; `--quick` for a glance), and the benches that the other parts name.\n");
    for section in sections {
        part(&mut text, section);
    }
    text
}

fn overview(sections: &[Section]) -> Table {
    let header = [&["scenario", "figure"], CONTENDERS.as_slice(), &["Plimsoll", "Plimsoll is"]].concat();
    let mut table = Table::new(&header);
    for (section, headline) in pairs(sections) {
        let mut row = vec![format!("[{}](#{})", section.name, section.name), headline.what.clone()];
        row.extend(CONTENDERS.iter().map(|name| value_of(headline, name)));
        row.extend([headline.shown(headline.ours()), headline.verdict()]);
        table.row(row);
    }
    table
}

fn pairs(sections: &[Section]) -> impl Iterator<Item = (&Section, &Headline)> {
    sections.iter().flat_map(|section| section.headlines.iter().map(move |headline| (section, headline)))
}

fn value_of(headline: &Headline, name: &str) -> String {
    let value = headline.values.iter().find(|(of, _)| of == name);
    value.map_or(String::new(), |(_, value)| headline.shown(*value))
}

fn part(text: &mut String, section: &Section) {
    let Section { name, title, failure, headlines: figures, kept, notes } = section;
    let _ = write!(text, "\n<a id=\"{name}\"></a>\n\n## {title}\n\n{failure}\n\n");
    text.push_str(&headlines(figures).render());
    let _ = write!(text, "\n![{title}]({})\n", section.picture());
    if !notes.trim().is_empty() {
        let _ = write!(text, "\n{}\n", notes.trim());
    }
    let _ = write!(
        text,
        "\n    {}\n\n{} at {}; {}. Method and all tables: [{file}.md](../{file}.md), raw figures beside it.\n",
        kept.text("command"),
        kept.text("date"),
        kept.text("revision"),
        machine(kept.json.get("machine").unwrap_or(&Value::Null)),
        file = kept.file
    );
}

fn machine(machine: &Value) -> String {
    let fact = |name: &str| match machine.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let versions = machine.get("versions").and_then(Value::as_object).into_iter().flatten();
    let versions: Vec<String> =
        versions.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default())).collect();
    format!("{} CPUs ({}), Linux {}, {}", fact("cpus"), fact("cpu"), fact("kernel"), versions.join(", "))
}

/// The usual way, where there are several.
const USUAL: [&str; 3] = ["node:cluster", "node", "OpenTelemetry SDK"];

/// The README with the first figure of each part in it, between two marks.
pub(super) fn with_table(readme: &str, sections: &[Section]) -> anyhow::Result<String> {
    let (before, rest) = readme.split_once(BEGINS).context("README.md has no place for the figures")?;
    let (_, after) = rest.split_once(ENDS).context("the place for the figures in README.md has no end")?;
    Ok(format!("{before}{BEGINS}\n\n{}\n{ENDS}{after}", short(sections).render()))
}

fn short(sections: &[Section]) -> Table {
    let mut table = Table::new(&["", "the usual way", "Plimsoll", "Plimsoll is"]);
    let first = sections.iter().filter_map(|section| Some((section, section.headlines.first()?)));
    for (section, headline) in first {
        let what = format!("[{}](docs/benchmarks.md#{})", headline.what, section.name);
        table.row(vec![what, usual(headline), headline.told(), headline.verdict()]);
    }
    table
}

/// Where none of the usual ways took part, the best of who did.
fn usual(headline: &Headline) -> String {
    let usual =
        USUAL.iter().map(|name| (*name, value_of(headline, name))).find(|(_, value)| !value.is_empty());
    let best = || headline.best_of_others().map(|(name, value)| (name, headline.shown(Some(value))));
    usual.or_else(best).map_or(String::new(), |(name, value)| format!("{name}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_readme_stays() {
        let readme = format!("# A\n\n{BEGINS}\nold\n{ENDS}\n\nmore\n");
        let made = with_table(&readme, &[]).unwrap();
        assert!(made.starts_with("# A\n\n") && made.ends_with("\n\nmore\n") && !made.contains("old"));
        assert_eq!(with_table(&made, &[]).unwrap(), made);
        assert!(with_table("# A\n", &[]).is_err());
    }
}
