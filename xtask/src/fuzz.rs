//! `cargo xtask fuzz`: every target of every crate that has a `fuzz` folder, for so long each.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::process::{cargo, exists, output, root, run as run_command};

pub(crate) fn run(seconds: &str) -> anyhow::Result<()> {
    let seconds: u32 = seconds.parse().with_context(|| format!("`{seconds}` is not a number of seconds"))?;
    let crates = crates_with_targets()?;
    if crates.is_empty() {
        bail!("there is no fuzz target: no crate has a fuzz folder");
    }
    if !exists("cargo", &["fuzz", "--version"]) {
        bail!(
            "cargo-fuzz is not installed\n hint: cargo install cargo-fuzz; it also needs a nightly toolchain"
        );
    }
    for folder in crates {
        let mut list = cargo(&["fuzz", "list"]);
        list.current_dir(&folder);
        for target in output(list)?.lines() {
            println!("== {target}");
            let mut fuzz = cargo(&["fuzz", "run", target, "--", &format!("-max_total_time={seconds}")]);
            fuzz.current_dir(&folder);
            run_command(fuzz)?;
        }
    }
    Ok(())
}

fn crates_with_targets() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        let folder = entry?.path();
        if folder.join("fuzz/Cargo.toml").exists() {
            folders.push(folder);
        }
    }
    Ok(folders)
}
