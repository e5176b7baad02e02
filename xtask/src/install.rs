//! What the tests need and a fresh clone has not: programs, and the npm packages of the examples.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::process::{command, exists, output, root, run};

/// A program, how to see that it is there, and the Debian package that brings it.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("git", "--version", "git"),
    ("cc", "--version", "gcc"),
    ("node", "--version", "nodejs"),
    ("npm", "--version", "npm"),
];

/// What some of the tests need, and others do without: where Debian puts it, a program of it, and its package. The tests say
/// themselves that they are skipped.
const DATABASES: [(&str, &str, &str); 3] = [
    ("/usr/lib/postgresql", "initdb", "postgresql"),
    ("/usr/sbin/mariadbd", "mariadbd", "mariadb-server"),
    ("/usr/bin/redis-server", "redis-server", "redis-server"),
];

/// Left in `node_modules`: the package files that it was installed from.
const STAMP: &str = ".installed-from";

/// Installs missing programs with apt-get where that may be done, else says which are missing.
pub(crate) fn programs() -> anyhow::Result<()> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, flag, _)| !exists(program, &[flag])).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|(_, _, package)| *package).collect();
    if !may_install()? {
        let names: Vec<&str> = missing.iter().map(|(program, ..)| *program).collect();
        bail!(
            "not installed: {}\n hint: on Debian: apt-get install {}",
            names.join(", "),
            packages.join(" ")
        );
    }
    apt_get_install(&packages)
}

/// Installs databases for the tests where that may be done. It is no failure where it may not.
pub(crate) fn databases() -> anyhow::Result<()> {
    let is_there = |place: &str, program: &str| Path::new(place).exists() || exists(program, &["--version"]);
    let missing = DATABASES.iter().filter(|(place, program, _)| !is_there(place, program));
    let packages: Vec<&str> = missing.map(|(.., package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !may_install()? {
        println!(
            "   the tests that need a database are skipped\n   hint: apt-get install {}",
            packages.join(" ")
        );
        return Ok(());
    }
    apt_get_install(&packages)
}

/// Installs a browser for the tests of the dashboard where that may be done: of Chromium, the part without a screen.
pub(crate) fn browser() -> anyhow::Result<()> {
    const PACKAGE: &str = "chromium-headless-shell";
    if [PACKAGE, "chromium", "chromium-browser", "google-chrome"]
        .iter()
        .any(|name| exists(name, &["--version"]))
    {
        return Ok(());
    }
    if !may_install()? {
        println!("   the tests that need a browser are skipped\n   hint: apt-get install {PACKAGE}");
        return Ok(());
    }
    apt_get_install(&[PACKAGE])
}

fn may_install() -> anyhow::Result<bool> {
    Ok(exists("apt-get", &["--version"]) && output(command("id", &["-u"]))?.trim() == "0")
}

fn apt_get_install(packages: &[&str]) -> anyhow::Result<()> {
    run(command("apt-get", &["update", "--quiet"]))?;
    let mut install = command("apt-get", &["install", "--yes", "--quiet", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    run(install)
}

/// Installs the npm packages of each example whose package files have changed since.
pub(crate) fn npm_packages() -> anyhow::Result<()> {
    npm_folders()?.iter().try_for_each(|folder| npm_packages_of(folder))
}

/// Installs the npm packages of this folder, where its package files have changed since.
pub(crate) fn npm_packages_of(folder: &Path) -> anyhow::Result<()> {
    let wanted = package_files(folder)?;
    let stamp = folder.join("node_modules").join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("   npm packages of {}", folder.strip_prefix(root()).unwrap_or(folder).display());
    let verb = if folder.join("package-lock.json").exists() { "ci" } else { "install" };
    let mut npm = command("npm", &[verb, "--no-audit", "--no-fund", "--loglevel=error"]);
    // The install may read the app's own settings from the environment; a test of another Node must not
    // leave its mark here.
    npm.current_dir(folder).env_remove("NODE_OPTIONS");
    run(npm)?;
    // A package without dependencies gets no node_modules from npm.
    fs::create_dir_all(folder.join("node_modules"))?;
    fs::write(&stamp, package_files(folder)?).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The folders of `examples/` with a package file, and the agent's tests if they have one.
fn npm_folders() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![root().join("crates/plimsoll-agent/test")];
    let examples = root().join("examples");
    if examples.exists() {
        for entry in fs::read_dir(examples)? {
            folders.push(entry?.path());
        }
    }
    folders.retain(|folder| folder.join("package.json").exists());
    folders.sort();
    Ok(folders)
}

fn package_files(folder: &Path) -> anyhow::Result<String> {
    let package = fs::read_to_string(folder.join("package.json"))
        .with_context(|| format!("cannot read package.json of {}", folder.display()))?;
    let lock = fs::read_to_string(folder.join("package-lock.json")).unwrap_or_default();
    Ok(package + &lock)
}
