//! Source packages of Debian, where the machine's apt can reach them. Its own settings are not changed: the same places, as
//! sources, are written to a folder under `target`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::process::{command, output, run, target};

/// The folder with what was packed in the package's `.orig` tarball; only what the patterns name.
pub(super) fn source(package: &str, patterns: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = target().join("conformance").join(package);
    let unpacked = folder.join("unpacked");
    if unpacked.exists() {
        return Ok(unpacked);
    }
    fs::create_dir_all(&folder)?;
    let apt = target().join("conformance/apt");
    write_places(&apt)?;
    apt_get(&apt, &folder, &["update"])?;
    let fetched = apt_get(&apt, &folder, &["source", "--download-only", package]);
    // A mirror may lack Debian's own part of it, which is not needed.
    let Ok(tarball) = tarball(&folder) else { return fetched.and_then(|()| bail!("no .orig tarball came")) };
    let half = folder.join("half");
    fs::create_dir_all(&half)?;
    let mut tar = command("tar", &["--extract", "--strip-components=1", "--wildcards", "--file"]);
    tar.arg(&tarball).arg("--directory").arg(&half).args(patterns);
    run(tar)?;
    fs::rename(&half, &unpacked)?;
    Ok(unpacked)
}

/// Version of the package that was fetched.
pub(super) fn version(package: &str) -> String {
    let tarball = tarball(&target().join("conformance").join(package)).unwrap_or_default();
    let name = tarball.file_name().and_then(|name| name.to_str()).unwrap_or("unknown");
    name.split(".orig").next().unwrap_or(name).replace('_', " ")
}

fn tarball(folder: &Path) -> anyhow::Result<PathBuf> {
    let found = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains(".orig.tar.") && !name.ends_with(".asc")
    });
    found.context("there is no .orig tarball")
}

fn apt_get(apt: &Path, folder: &Path, words: &[&str]) -> anyhow::Result<()> {
    let lists = apt.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let mut get = command("apt-get", &["--quiet", "-o", "Dir::Etc::sourcelist=/dev/null"]);
    get.args(["-o", &format!("Dir::Etc::sourceparts={}", apt.join("places").display())]);
    get.args(["-o", &format!("Dir::State::lists={}", lists.display())]);
    get.args(["-o", "APT::Sandbox::User=root"]).args(words).current_dir(folder);
    output(get).map(drop)
}

/// The machine's places of packages, as places of sources.
fn write_places(apt: &Path) -> anyhow::Result<()> {
    let places = apt.join("places");
    fs::create_dir_all(&places)?;
    let mut any = false;
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    for file in parts.chain([PathBuf::from("/etc/apt/sources.list")]) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let (Some(name), Some(text)) = (file.file_name(), as_sources(&text)) else { continue };
        fs::write(places.join(name), text)?;
        any = true;
    }
    if !any {
        bail!("this machine's apt has no places of packages: it is not Debian");
    }
    Ok(())
}

fn as_sources(text: &str) -> Option<String> {
    let line = |line: &str| match line.strip_prefix("deb ") {
        Some(rest) => format!("deb-src {rest}"),
        None if line.trim() == "Types: deb" => "Types: deb-src".to_owned(),
        None => line.to_owned(),
    };
    let sources: Vec<String> = text.lines().map(line).collect();
    sources.iter().any(|line| line.contains("deb-src")).then(|| sources.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_packages_become_places_of_sources() {
        let both = "Types: deb\nURIs: x\n\ndeb [a=b] y main\n";
        assert_eq!(as_sources(both).unwrap(), "Types: deb-src\nURIs: x\n\ndeb-src [a=b] y main\n");
        assert_eq!(as_sources("# nothing here\n"), None);
    }
}
