//! The settings in force, for people (TOML that reads back) and for scripts (JSON).

use super::load::Effective;
use super::named;
use super::sinks;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Toml,
    Json,
}

/// All settings with where each came from.
#[must_use]
pub fn render(effective: &Effective, format: Format) -> String {
    match format {
        Format::Toml => toml(effective),
        Format::Json => json(effective),
    }
}

fn toml(effective: &Effective) -> String {
    let mut text = String::new();
    let mut table = "";
    for (setting, value, origin) in effective.rows() {
        let (of_table, name) = setting.key().rsplit_once('.').unwrap_or(("", setting.key()));
        if of_table != table {
            text.push_str(&format!("\n[{of_table}]\n"));
            table = of_table;
        }
        let assignment = format!("{name} = {}", literal(&value));
        text.push_str(&format!("{assignment:<36}# {origin}\n"));
    }
    let mut under = None;
    for named::Row { table, key, value } in named::rows(&effective.config) {
        if under.as_ref() != Some(&table) {
            text.push_str(&format!("\n[{table}]\n"));
            under = Some(table);
        }
        text.push_str(&format!("{key} = {}\n", literal(&value)));
    }
    text + &sinks::toml(&effective.sinks)
}

/// Numbers and truths bare, all else as text. No value of any form holds a quote or a backslash.
pub(super) fn literal(value: &str) -> String {
    let is_bare = value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok();
    if is_bare { value.to_owned() } else { format!("\"{value}\"") }
}

fn json(effective: &Effective) -> String {
    let number = |value: &str| match (value.parse::<u64>(), value.parse::<bool>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(truth)) => truth.into(),
        _ => serde_json::Value::from(value),
    };
    let named = named::rows(&effective.config).map(|named::Row { table, key, value }| {
        serde_json::json!({ "key": format!("{table}.{key}"), "value": number(&value), "origin": "file" })
    });
    let settings: Vec<serde_json::Value> = effective
        .rows()
        .map(|(setting, value, origin)| {
            serde_json::json!({ "key": setting.key(), "value": number(&value), "origin": origin.to_string() })
        })
        .chain(named)
        .collect();
    let mut text =
        format!("{:#}", serde_json::json!({ "settings": settings, "sinks": sinks::json(&effective.sinks) }));
    text.push('\n');
    text
}
