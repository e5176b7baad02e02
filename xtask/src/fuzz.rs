//! `cargo xtask fuzz`: every target of `fuzz/`, for so long each.

use anyhow::{Context as _, bail};

use crate::process::{cargo, exists, output, root, run as run_command};

pub(crate) fn run(seconds: &str) -> anyhow::Result<()> {
    let seconds: u32 = seconds.parse().with_context(|| format!("`{seconds}` is not a number of seconds"))?;
    if !root().join("fuzz/Cargo.toml").exists() {
        bail!("there is no fuzz target: there is no fuzz/Cargo.toml");
    }
    if !exists("cargo", &["fuzz", "--version"]) {
        bail!("cargo-fuzz is not installed\n hint: cargo install cargo-fuzz");
    }
    for target in output(cargo(&["fuzz", "list"]))?.lines() {
        println!("== {target}");
        let mut fuzz = cargo(&["fuzz", "run", target, "--", &format!("-max_total_time={seconds}")]);
        // The sanitizers are options of a nightly compiler; the stable one has them under this name, and what
        // is built here is never shipped.
        fuzz.env("RUSTC_BOOTSTRAP", "1");
        run_command(fuzz)?;
    }
    Ok(())
}
