//! What every bench needs: the programs, a private directory, the CPUs.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::process::{cargo, root, run, target};

use super::machine::{self, Placement};

/// Enough for 10,000 clients at both ends of a proxy in one process tree.
const FILES_WANTED: u64 = 65_536;

pub(crate) struct Workshop {
    pub(crate) placement: Placement,
    pub(crate) directory: PathBuf,
    pub(crate) node: PathBuf,
    /// Limit of open files that held for us and all children.
    pub(crate) files_max: u64,
}

impl Workshop {
    pub(crate) fn open(node: &str) -> anyhow::Result<Self> {
        Self::open_in(node, "all")
    }

    /// One of several at the same time.
    pub(crate) fn open_in(node: &str, name: &str) -> anyhow::Result<Self> {
        let node = machine::find(node).with_context(|| format!("{node} is not installed"))?;
        // Some contenders run in a directory of their own.
        let node = std::path::absolute(node)?;
        // Not below the checkout: the path of a Unix socket holds 108 bytes at most.
        let directory = std::env::temp_dir().join(format!("plimsoll-bench-{}-{name}", std::process::id()));
        // Of a process that had our number before, and was killed.
        let _none_left = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let placement = Placement::of_this_machine()?;
        Ok(Self { placement, directory, node, files_max: machine::raise_file_limit(FILES_WANTED) })
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    pub(crate) fn version_of_node(&self) -> String {
        machine::version(&self.node, "--version")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn app(name: &str) -> PathBuf {
    root().join("bench/apps").join(name)
}

/// The release build of this checkout, made now: a stale binary would be measured unnoticed.
pub(crate) fn build_plimsoll() -> anyhow::Result<PathBuf> {
    run(cargo(&["build", "--release", "--package", "plimsoll"]))?;
    Ok(target().join("release/plimsoll"))
}

/// A port that nobody uses now at any address, in whatever state, and that nobody was told of before: who was may not
/// have bound it yet. Apps listen at all addresses, which a closed connection of any of them is in the way of for a minute.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static TOLD: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_in_use_at_another_address_is_not_free() {
        let elsewhere = (Ipv4Addr::new(127, 0, 1, 1), 0);
        let held: Vec<_> = (0..500).map(|_| TcpListener::bind(elsewhere).unwrap()).collect();
        let taken: Vec<u16> = held.iter().map(|one| one.local_addr().unwrap().port()).collect();
        for _ in 0..100 {
            let port = free_port().unwrap();
            assert!(!taken.contains(&port), "{port}");
        }
    }
}
