//! The addon that the executable carries: built once, by the build script of `plimsoll`, and taken from there.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process::{cargo, output};

/// What the build script calls it.
const VARIABLE: &str = "BUILT_ADDON";

/// Builds what the tests are run from where it is not built yet; gives the path of the addon inside it. With fewer
/// packages cargo would choose other features for the dependencies, and build them once more.
pub(crate) fn built() -> anyhow::Result<PathBuf> {
    let build =
        ["test", "--no-run", "--workspace", "--locked", "--message-format", "json-render-diagnostics"];
    let mut build = cargo(&build);
    build.stderr(Stdio::inherit());
    let messages = output(build)?;
    let addon = find(&messages).context("the build script of plimsoll does not say where the addon is")?;
    if !addon.is_file() {
        bail!("there is no addon at {}", addon.display());
    }
    Ok(addon)
}

/// Cargo prints a line for each build script that it has run, now or before, with the variables it set.
fn find(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let scripts = messages.filter(|message| reason(message) == Some("build-script-executed"));
    scripts.filter_map(|message| variable(&message)).next_back()
}

fn reason(message: &Value) -> Option<&str> {
    message.get("reason")?.as_str()
}

fn variable(message: &Value) -> Option<PathBuf> {
    let pairs: Vec<(String, String)> = serde_json::from_value(message.get("env")?.clone()).ok()?;
    pairs.into_iter().find(|(name, _)| name == VARIABLE).map(|(_, path)| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addon_is_what_the_build_script_says() {
        let messages = r#"
{"reason":"build-script-executed","package_id":"a","env":[["OTHER","/x"]],"out_dir":"/o"}
{"reason":"compiler-artifact","env":[["BUILT_ADDON","/wrong"]]}
{"reason":"build-script-executed","package_id":"b","env":[["BUILT_ADDON","/t/addon.so"]],"out_dir":"/o"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(find(messages), Some("/t/addon.so".into()));
        assert_eq!(find("not json"), None);
    }
}
