//! The project that Watt wants around an app.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context as _;

use super::{Programs, Setup};

pub(crate) fn write_project(
    directory: &Path,
    port: u16,
    setup: &Setup,
    programs: &Programs,
) -> anyhow::Result<()> {
    let app = directory.join("app");
    fs::create_dir_all(&app)?;
    let script = setup.script.file_name().context("a script has a name")?.to_string_lossy().into_owned();
    fs::copy(&setup.script, app.join(&script))?;
    // Where the script found its packages.
    let found = setup.script.ancestors().map(|folder| folder.join("node_modules"));
    if let Some(modules) = found.into_iter().find(|modules| modules.is_dir()) {
        symlink(modules, app.join("node_modules"))?;
    }
    let package = serde_json::json!({ "name": "app", "main": script, "private": true });
    fs::write(app.join("package.json"), package.to_string())?;
    let of_app = serde_json::json!({
        "$schema": "https://schemas.platformatic.dev/@platformatic/node/3.0.0.json",
        "application": { "basePath": "/" }, "node": { "main": script },
    });
    fs::write(app.join("watt.json"), of_app.to_string())?;
    let of_all = serde_json::json!({
        "$schema": "https://schemas.platformatic.dev/wattpm/3.0.0.json",
        "server": { "hostname": "127.0.0.1", "port": port },
        "workers": setup.workers, "entrypoint": "app",
        "applications": [{ "id": "app", "path": "./app" }], "logger": { "level": "error" },
    });
    fs::write(directory.join("watt.json"), of_all.to_string())?;
    fs::write(directory.join("package.json"), r#"{"name":"bench","private":true}"#)?;
    // Packages are looked for from the project upwards.
    let modules = programs.packages.parent().context("no folder of packages")?;
    Ok(symlink(modules, directory.join("node_modules"))?)
}
