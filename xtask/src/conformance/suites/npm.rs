//! Packages of npm whose own tests are run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{command, output, run, target};

/// The package of npm, unpacked.
pub(super) fn package(wanted: &str, name: &str) -> anyhow::Result<PathBuf> {
    let folder = target().join("conformance").join(name);
    let unpacked = folder.join("package");
    if !unpacked.exists() {
        fs::create_dir_all(&folder)?;
        let mut pack = command("npm", &["pack", "--silent", wanted]);
        pack.current_dir(&folder);
        let tarball = output(pack)?;
        let mut tar = command("tar", &["--extract", "--file", tarball.trim()]);
        tar.current_dir(&folder);
        run(tar)?;
    }
    Ok(unpacked)
}

/// The package's dependencies and what is named; not what it names for its own development: linters, compilers.
pub(super) fn install(folder: &Path, needed: &[String]) -> anyhow::Result<()> {
    let mut reduced = manifest(folder)?;
    if let Some(fields) = reduced.as_object_mut() {
        fields.remove("devDependencies");
        fields.remove("scripts");
    }
    let path = folder.join("package.json");
    let whole = fs::read_to_string(&path)?;
    fs::write(&path, reduced.to_string())?;
    let mut npm = command("npm", &["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]);
    npm.args(["--loglevel=error", "--ignore-scripts"]).args(needed).current_dir(folder);
    let installed = run(npm);
    // Tests read it.
    fs::write(&path, whole)?;
    installed
}

pub(super) fn version(folder: &Path) -> anyhow::Result<String> {
    Ok(manifest(folder)?.get("version").and_then(Value::as_str).unwrap_or("unknown").to_owned())
}

pub(super) fn manifest(folder: &Path) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(folder.join("package.json"))?)?)
}
