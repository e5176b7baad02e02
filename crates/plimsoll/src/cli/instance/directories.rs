//! The directories of instances, in all places where one may have been made.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys::runtime_dir;

/// Names and directories of all instances of this user, also of such that were killed: whether one lives is
/// told by its control socket.
pub(super) fn instances() -> Vec<(String, PathBuf)> {
    runtime_dir::bases().iter().flat_map(|base| in_base(base)).collect()
}

/// A directory of somebody else is passed over: in `/tmp` anyone could have made one with our name.
pub(super) fn in_base(base: &Path) -> Vec<(String, PathBuf)> {
    let own = fs::metadata(base).is_ok_and(|base| base.uid() == rustix::process::geteuid().as_raw());
    let (true, Ok(entries)) = (own, fs::read_dir(base)) else { return Vec::new() };
    let entries = entries.flatten();
    let mut found: Vec<_> =
        entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect();
    found.sort();
    found
}
