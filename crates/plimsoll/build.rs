//! Builds the agent's addon, so that one `cargo build` or `cargo install` yields one executable with the agent
//! inside (see `workers::agent_files`).
//!
//! The addon is a crate of this workspace but not an ordinary dependency: it is a shared library for another
//! process, with a profile of its own. It is built by a cargo of its own into a target directory of its own,
//! because the outer cargo holds the lock on the usual one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set by the outer cargo and its front ends (clippy, coverage, build caches) for the crate it is building; the
/// inner cargo must not take them for its own.
const NOT_INHERITED: &[&str] = &[
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    // Flags for coverage or sanitizers would put their runtime into Node.
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
];

/// What the addon is made of. `js/` is here because `include_str!` does not see new files.
const SOURCES: &[&str] = &[
    "crates/plimsoll-agent/src",
    "crates/plimsoll-agent/js",
    "crates/plimsoll-agent/Cargo.toml",
    "crates/plimsoll-wire/src",
    "crates/plimsoll-wire/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() {
    match build() {
        // Cargo hands this variable to what it runs as well (`cargo run`, tests): a name that begins with
        // PLIMSOLL_ would be taken for a misspelt setting there.
        Ok(addon) => println!("cargo::rustc-env=BUILT_ADDON={}", addon.display()),
        Err(message) => println!("cargo::error={message}"),
    }
}

fn build() -> Result<PathBuf, String> {
    let workspace = workspace()?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let target = variable("TARGET")?;
    let directory = PathBuf::from(variable("OUT_DIR")?).join("agent");
    run_cargo(&workspace, &target, &directory)?;
    let addon = directory.join(&target).join("agent").join("libplimsoll_agent.so");
    if addon.is_file() {
        Ok(addon)
    } else {
        Err(format!("the agent's addon is missing: {}", addon.display()))
    }
}

fn workspace() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.ancestors().nth(2).ok_or("crates/plimsoll is not inside its workspace")?;
    Ok(workspace.to_owned())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("cargo did not set {name}: {error}"))
}

fn run_cargo(workspace: &Path, target: &str, directory: &Path) -> Result<(), String> {
    let mut command = Command::new(variable("CARGO")?);
    command.current_dir(workspace).args(["build", "--package", "plimsoll-agent", "--profile", "agent"]);
    command.args(["--target", target, "--target-dir"]).arg(directory);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    if target.contains("musl") {
        // Rust links musl statically by default, which rules out a shared library.
        command.env("RUSTFLAGS", "-C target-feature=-crt-static");
    }
    let output = command.output().map_err(|error| format!("cargo for the agent did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    for line in text.lines() {
        println!("cargo::warning={line}");
    }
    Err(format!("building the agent's addon failed with {}; its messages are above", output.status))
}
