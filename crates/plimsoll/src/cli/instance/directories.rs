//! Where instances may have their directories. The same places, in the same order, in which one is made.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Instance;
use crate::observe::socket;

/// Every instance that left a control socket, running or not.
pub(super) fn instances() -> Vec<Instance> {
    bases().iter().flat_map(|base| in_base(base)).collect()
}

fn bases() -> Vec<PathBuf> {
    let own = format!("plimsoll-{}", rustix::process::geteuid().as_raw());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|base| PathBuf::from(base).join("plimsoll"));
    let temporary = std::env::temp_dir().join(&own);
    runtime.into_iter().chain([temporary, Path::new("/dev/shm").join(own)]).collect()
}

/// A directory of somebody else is passed over: in `/tmp` anyone could have made one with our name.
pub(super) fn in_base(base: &Path) -> Vec<Instance> {
    let own = fs::metadata(base).is_ok_and(|base| base.uid() == rustix::process::geteuid().as_raw());
    let (true, Ok(entries)) = (own, fs::read_dir(base)) else { return Vec::new() };
    let directories = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<Instance> = directories
        .filter(|directory| directory.join(socket::FILE_NAME).exists())
        .filter_map(|directory| Some(Instance::new(directory.file_name()?.to_str()?, &directory)))
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}
