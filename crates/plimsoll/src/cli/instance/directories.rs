//! The directories of instances, in all places where one may have been made.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys::runtime_dir;

/// Names and directories of all instances of this user, also of such that were killed: whether one lives is
/// told by its control socket.
pub(super) fn instances() -> Vec<(String, PathBuf)> {
    in_bases(&runtime_dir::bases_known())
}

/// A directory that is reached in two ways (a `TMPDIR` that is a link) is one instance.
pub(super) fn in_bases(bases: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let mut seen = Vec::new();
    let mut found: Vec<_> = bases.iter().flat_map(|base| in_base(base)).collect();
    found.retain(|(_, path)| {
        let Ok(metadata) = fs::symlink_metadata(path) else { return false };
        let identity = (metadata.dev(), metadata.ino());
        let is_new = !seen.contains(&identity);
        seen.push(identity);
        is_new
    });
    found
}

/// What is not ours alone is passed over: in `/tmp` anyone could have made a directory, or a link, with our name.
fn in_base(base: &Path) -> Vec<(String, PathBuf)> {
    if !runtime_dir::is_private(base) {
        return Vec::new();
    }
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut found: Vec<_> = named.filter(|(_, path)| runtime_dir::is_private(path)).collect();
    found.sort();
    found
}
