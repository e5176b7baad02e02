//! The settings in force, for people (TOML that reads back) and for scripts (JSON).

use super::load::Effective;
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
    text + &sinks::toml(&effective.sinks)
}

/// Numbers bare, all else as text. No value of any form holds a quote or a backslash.
pub(super) fn literal(value: &str) -> String {
    if value.parse::<u64>().is_ok() { value.to_owned() } else { format!("\"{value}\"") }
}

fn json(effective: &Effective) -> String {
    let settings: Vec<_> = effective
        .rows()
        .map(|(setting, value, origin)| {
            let value = value.parse::<u64>().map_or_else(|_| value.clone().into(), serde_json::Value::from);
            serde_json::json!({ "key": setting.key(), "value": value, "origin": origin.to_string() })
        })
        .collect();
    let mut text =
        format!("{:#}", serde_json::json!({ "settings": settings, "sinks": sinks::json(&effective.sinks) }));
    text.push('\n');
    text
}
