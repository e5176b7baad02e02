//! What the app of the load at a fixed rate wrote down: the id of every POST that ran.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// How often each id ran.
pub(super) fn read(path: &Path) -> anyhow::Result<HashMap<u64, usize>> {
    let mut runs = HashMap::new();
    for line in fs::read_to_string(path)?.lines() {
        if let Ok(id) = line.parse() {
            *runs.entry(id).or_default() += 1;
        }
    }
    Ok(runs)
}
