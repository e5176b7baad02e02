//! What the app of the load at a fixed rate wrote down: the id of every POST that ran.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// In memory, where there is such a place: an append to a disk waits for its journal now and then, and the app with it,
/// for longer than what is measured.
pub(crate) fn place(directory: &Path) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let name = format!("plimsoll-bench-{}-ledger", std::process::id());
    if memory.is_dir() { memory.join(name) } else { directory.join("ledger") }
}

/// How often each id ran.
pub(crate) fn read(path: &Path) -> anyhow::Result<HashMap<u64, usize>> {
    let mut runs = HashMap::new();
    for line in fs::read_to_string(path)?.lines() {
        if let Ok(id) = line.parse() {
            *runs.entry(id).or_default() += 1;
        }
    }
    Ok(runs)
}
