//! What the figures were measured on, and who runs on which CPU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::{Value, json};

/// Who runs where. The proxy has a CPU to itself: its time per request is what is measured, and another process
/// on the same CPU would evict its caches at a rate that differs from contender to contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) proxy: Option<usize>,
    pub(crate) worker: Option<usize>,
    pub(crate) load: Option<usize>,
}

impl Placement {
    pub(crate) fn of_this_machine() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        Ok(Self::of(&cpus))
    }

    fn of(cpus: &[usize]) -> Self {
        match cpus {
            [proxy, worker, load, ..] => {
                Self { proxy: Some(*proxy), worker: Some(*worker), load: Some(*load) }
            }
            [proxy, other] => Self { proxy: Some(*proxy), worker: Some(*other), load: Some(*other) },
            _ => Self { proxy: None, worker: None, load: None },
        }
    }

    /// Where it is the worker whose time is measured: it has the CPU to itself.
    pub(crate) fn with_the_worker_alone(self) -> Self {
        if self.worker == self.load { Self { load: self.proxy, ..self } } else { self }
    }

    /// Where an app runs that has no proxy before it: it may have the CPU that the load has not.
    pub(crate) fn without_proxy(&self) -> Option<usize> {
        if self.worker == self.load { self.proxy } else { self.worker }
    }

    pub(crate) fn describe(&self) -> String {
        match (self.proxy, self.worker, self.load) {
            (Some(proxy), Some(worker), Some(load)) if proxy == load => {
                format!("worker alone on CPU {worker}; proxy and load share CPU {proxy}")
            }
            (Some(proxy), Some(worker), Some(load)) if worker != load => {
                format!("proxy alone on CPU {proxy}, worker alone on CPU {worker}, load on CPU {load}")
            }
            (Some(proxy), Some(worker), _) => {
                format!("proxy alone on CPU {proxy}; worker and load share CPU {worker}")
            }
            _ => "one CPU for all: times per request include what the others do to its caches".to_owned(),
        }
    }
}

/// Raises the limit of open files as far as this process may, and tells how far that was. Children inherit it.
pub(crate) fn raise_file_limit(wanted: u64) -> u64 {
    let before = getrlimit(Resource::Nofile);
    // Only root may go beyond the hard limit; anybody may go up to it.
    for maximum in [before.maximum.map(|maximum| maximum.max(wanted)), before.maximum] {
        let current = maximum.map_or(wanted, |maximum| maximum.min(wanted));
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_ok() {
            return current;
        }
    }
    before.current.unwrap_or(wanted)
}

pub(crate) fn facts(programs: &[(&str, String)]) -> Value {
    let versions: serde_json::Map<String, Value> =
        programs.iter().map(|(name, version)| ((*name).to_owned(), Value::from(version.as_str()))).collect();
    json!({
        "cpu": cpu_model().unwrap_or_default(),
        "cpus": std::thread::available_parallelism().map_or(1, usize::from),
        "memory_bytes": memory_bytes(),
        "kernel": read_trimmed("/proc/sys/kernel/osrelease"),
        "versions": versions,
    })
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes() -> Option<u64> {
    super::procfs::parse_kib_line(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
}

fn read_trimmed(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Where a program is, or `None`. Debian keeps daemons in `/usr/sbin`, which is not on everybody's path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}

/// Finds a program, installing its Debian package where it is absent and we are root.
pub(crate) fn find_or_install(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{program} is not installed\nhint: apt-get install {package}");
    }
    eprintln!("installing {package}");
    let installed = Command::new("apt-get")
        .args(["install", "-y", "-q", "--no-install-recommends", package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context("cannot run apt-get")?;
    match find(program) {
        Some(path) => Ok(path),
        None => bail!(
            "{program} could not be installed: {}\nhint: apt-get update && apt-get install {package}",
            String::from_utf8_lossy(&installed.stderr).lines().last().unwrap_or("no message")
        ),
    }
}

/// The first line that mentions a version, of whatever stream it is printed to.
pub(crate) fn version(program: &Path, flag: &str) -> String {
    let Ok(output) = Command::new(program).arg(flag).output() else { return "unknown".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    short_version(text.lines().next().unwrap_or("unknown")).to_owned()
}

/// Without the program's own name, its makers and where they are to be found.
fn short_version(line: &str) -> &str {
    let line = ["nginx version: ", "HAProxy version ", "wrk ", "plimsoll "]
        .iter()
        .find_map(|name| line.strip_prefix(name))
        .unwrap_or(line);
    let end = [" - ", " Copyright", " [epoll]"].iter().filter_map(|mark| line.find(mark)).min();
    line.get(..end.unwrap_or(line.len())).unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_without_ornament() {
        for (line, expected) in [
            ("nginx version: nginx/1.22.1", "nginx/1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - see there", "2.6.12-1+deb12u4 2026/10/17"),
            ("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012", "debian/4.1.0-3+b2"),
            ("plimsoll 0.1.0", "0.1.0"),
            ("v20.20.2", "v20.20.2"),
        ] {
            assert_eq!(short_version(line), expected);
        }
    }

    #[test]
    fn proxy_never_shares_its_cpu_where_there_are_two() {
        for (cpus, expected) in [
            (&[0_usize][..], (None, None, None)),
            (&[0, 1][..], (Some(0), Some(1), Some(1))),
            (&[2, 5, 7, 9][..], (Some(2), Some(5), Some(7))),
        ] {
            let placement = Placement::of(cpus);
            assert_eq!((placement.proxy, placement.worker, placement.load), expected, "{cpus:?}");
        }
    }
}
