//! `cargo xtask fuzz`: every target of `fuzz/`, for so long each.
//!
//! What a run finds interesting is kept in `fuzz/corpus` and is where the next one starts; `fuzz/seeds` is where
//! the first one starts. An input that fails is kept in `fuzz/artifacts`; once understood, it becomes a row of the
//! table that the code's own tests have.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::process::{cargo, exists, output, root, run as run_command};

pub(crate) fn run(seconds: &str) -> anyhow::Result<()> {
    let seconds: u32 = seconds.parse().with_context(|| format!("`{seconds}` is not a number of seconds"))?;
    for name in build()? {
        println!("\n== {name}: {seconds}s");
        target(&name, seconds)?;
    }
    println!("\n== nothing found; longer: cargo xtask fuzz 3600");
    Ok(())
}

/// Builds the targets and tells their names.
pub(crate) fn build() -> anyhow::Result<Vec<String>> {
    if !exists("cargo", &["fuzz", "--version"]) {
        bail!("cargo-fuzz is not installed\n hint: cargo install cargo-fuzz --locked");
    }
    println!("== build");
    run_command(fuzz(&["build"]))?;
    Ok(output(fuzz(&["list"]))?.lines().map(str::to_owned).collect())
}

/// Runs one target; tells how many inputs it tried.
pub(crate) fn target(target: &str, seconds: u32) -> anyhow::Result<u64> {
    let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    fs::create_dir_all(root().join(&corpus)).with_context(|| format!("cannot create {corpus}"))?;
    let mut folders = vec![corpus.as_str()];
    if root().join(&seeds).exists() {
        folders.push(&seeds);
    }
    let time = format!("-max_total_time={seconds}");
    // A unit that takes seconds is a finding too: the gateway's thread would stand still for as long.
    let options = ["--", &time, "-timeout=5", "-print_final_stats=1", "-verbosity=0"];
    let mut run = fuzz(&[&["run", target], folders.as_slice(), &options].concat());
    let mut running = run.stderr(Stdio::piped()).spawn().context("cannot start `cargo fuzz run`")?;
    let tried = running.stderr.take().map_or(0, |said| pass_on(BufReader::new(said)));
    if !running.wait()?.success() {
        bail!(
            "{target} failed; the input is in fuzz/artifacts/{target}, and once more is: \
             RUSTC_BOOTSTRAP=1 cargo fuzz run {target} FILE"
        );
    }
    Ok(tried)
}

/// All that is said but the dictionary at the end: a page of bytes between two lines of `######`. Tells how many inputs
/// were tried, which is among it.
fn pass_on(said: impl BufRead) -> u64 {
    let mut in_dictionary = false;
    let mut tried = 0;
    for line in said.lines().map_while(Result::ok) {
        if line.starts_with("######") {
            in_dictionary = !in_dictionary;
        } else if !in_dictionary {
            eprintln!("{line}");
        }
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            tried = count.trim().parse().unwrap_or(0);
        }
    }
    tried
}

fn fuzz(args: &[&str]) -> Command {
    let mut fuzz = cargo(&[&["fuzz"], args].concat());
    // The sanitizers are options of a nightly compiler; the stable one has them under this name, and what is built
    // here is never shipped.
    fuzz.env("RUSTC_BOOTSTRAP", "1");
    fuzz
}
