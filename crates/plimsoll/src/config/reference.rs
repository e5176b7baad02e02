//! The reference page of the settings, made from the table; a test holds the page in `docs/` equal to it.

use super::definition::{Definition, FlagDefinition};
use super::settings::all;
use super::sinks;

const INTRODUCTION: &str = "\
# Settings

<!-- Made by `cargo xtask docs` from the table of settings. Change the table, not this page. -->

Everything works with no setting at all. A setting is given, in order of precedence, as a flag of
`plimsoll run`, as an environment variable, or as a key of `./plimsoll.toml` (another file: `--config FILE` or
`PLIMSOLL_CONFIG`). Without any of them its default applies. `plimsoll check` says whether the settings are
fine; `plimsoll config` prints the settings in force and where each came from.

- **Variables** are `PLIMSOLL_` and the key in capitals, dots as underscores. An empty variable is as good as
  none.
- **Durations** are a number and a unit: `250ms`, `30s`, `5m`, `1h`, `1d`, or several: `1m30s`.
- **Sizes** are a number and a unit: `512B`, `64KB`, `512MB`, `1GB`, `1TB`. 1KB is 1024 bytes; `KiB` means the
  same.
- **Addresses** are an IP address and a port. A port alone (`8080` or `:8080`) means every address, IPv4 and
  IPv6; `localhost` means `127.0.0.1`.
- An unknown key or variable is an error, answered with the nearest known one. `PLIMSOLL_WORKER`,
  `PLIMSOLL_WORKERS`, `PLIMSOLL_AGENT_DIR` and `PLIMSOLL_AGENT_HEAP` are what Plimsoll tells its workers: they are not settings.
";

#[must_use]
pub fn render() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut table = None;
    for setting in all() {
        let of_table = setting.key().split_once('.').map_or("", |(table, _)| table);
        if table.replace(of_table) != Some(of_table) {
            let heading =
                if of_table.is_empty() { "At the top".to_owned() } else { format!("`[{of_table}]`") };
            page.push_str(&format!("\n## {heading}\n"));
        }
        page.push_str(&section(setting));
    }
    page + &sinks::reference()
}

fn section(setting: &dyn Definition) -> String {
    let flag = match setting.flag() {
        FlagDefinition::None => String::new(),
        FlagDefinition::Value { long, value_name } => format!("- Flag: `--{long} {value_name}`\n"),
        FlagDefinition::Switch { long, means } => format!("- Flag: `--{long}`, which means `{means}`\n"),
    };
    format!(
        "\n### `{key}`\n\n{doc}\n\n- Value: {form}\n- Default: {default}\n- Variable: `{variable}`\n{flag}",
        key = setting.key(),
        doc = setting.doc(),
        form = setting.describe(),
        default = setting.describe_default(),
        variable = setting.variable(),
    )
}
