//! Which Node.js will run, found out without starting one where that is possible: `node --version` takes some 30 ms.
//!
//! Node is installed with its headers beside it (its archives, the images of Docker, nvm, n, the packages of Debian and npm),
//! and one of them has the version. They are believed where they are of the same day as the executable, so that one
//! that was put in the place of another is asked. So is what only stands for Node: a script, or the small executable of a
//! version manager.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::probe;

/// Node is much larger, and what stands for it much smaller.
const NODE_LEAST_BYTES: u64 = 24 << 20;
const HEADER: &str = "include/node/node_version.h";
const HEADER_MAX: u64 = 64 * 1024;
/// Files of one archive are written by one build.
const SAME_BUILD_S: u64 = 24 * 3600;

/// Major and minor.
pub type Version = (u32, u32);

/// The version of `program`, as it is found in `PATH`; `None`: nobody knows. What must be asked gets `patience`.
#[must_use]
pub fn of(program: &OsStr, patience: Duration) -> Option<Version> {
    let beside = find(program).and_then(|path| beside(&path));
    beside.or_else(|| parse(&probe::first_line(program, "--version", patience)?))
}

/// `v22.7.0`.
fn parse(text: &str) -> Option<Version> {
    let mut numbers = text.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn find(program: &OsStr) -> Option<PathBuf> {
    let given = Path::new(program);
    if given.components().count() > 1 {
        return given.canonicalize().ok();
    }
    let path = env::var_os("PATH")?;
    let mut all = env::split_paths(&path).map(|directory| directory.join(given));
    all.find(|file| file.is_file())?.canonicalize().ok()
}

/// From the header of an installation: `…/bin/node` has it in `…/include/node`.
fn beside(node: &Path) -> Option<Version> {
    let about = fs::metadata(node).ok()?;
    if about.len() < NODE_LEAST_BYTES || !is_executable(node) {
        return None;
    }
    let header = node.parent()?.parent()?.join(HEADER);
    let is_same_build = fs::metadata(&header).ok()?.mtime().abs_diff(about.mtime()) <= SAME_BUILD_S;
    let mut text = String::new();
    File::open(&header).ok()?.take(HEADER_MAX).read_to_string(&mut text).ok()?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
        line?.trim().parse().ok()
    };
    is_same_build.then_some((number("NODE_MAJOR_VERSION ")?, number("NODE_MINOR_VERSION ")?))
}

fn is_executable(file: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(file).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok()) && &magic == b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::SystemTime;

    use super::*;

    const TEXT: &str = "#ifndef X\n#define NODE_MAJOR_VERSION 22\n#define NODE_MINOR_VERSION 7\n#define NODE_PATCH_VERSION 3\n";

    /// An executable of so many bytes that says that it is v20.1.0, with a header that says that it is 22.7.
    fn install(root: &Path, bytes: u64, header_age: Duration) -> PathBuf {
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("include/node")).unwrap();
        let (node, header) = (root.join("bin/node"), root.join(HEADER));
        fs::copy("/bin/sh", &node).unwrap();
        let file = File::options().write(true).open(&node).unwrap();
        file.set_len(bytes.max(file.metadata().unwrap().len())).unwrap();
        fs::write(&header, TEXT).unwrap();
        let header = File::options().write(true).open(&header).unwrap();
        header.set_modified(SystemTime::now() - header_age).unwrap();
        node
    }

    #[test]
    fn a_header_is_believed_only_beside_its_own_node() {
        let directory = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 3600);
        let table = [
            ("whole", NODE_LEAST_BYTES, Duration::ZERO, Some((22, 7))),
            ("replaced", NODE_LEAST_BYTES, 2 * day, None),
            ("small", 0, Duration::ZERO, None),
        ];
        for (name, bytes, age, expected) in table {
            let node = install(&directory.path().join(name), bytes, age);
            assert_eq!(beside(&node), expected, "{name}");
        }
        let node = install(&directory.path().join("broken"), NODE_LEAST_BYTES, Duration::ZERO);
        fs::write(directory.path().join("broken").join(HEADER), [0xff; 9]).unwrap();
        assert_eq!(beside(&node), None);
    }

    #[test]
    fn what_stands_for_node_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let shim = directory.path().join("node");
        fs::write(&shim, "#!/bin/sh\necho v20.1.0\n").unwrap();
        fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(of(shim.as_os_str(), Duration::from_secs(20)), Some((20, 1)));
        assert_eq!(of("/nowhere/node".as_ref(), Duration::from_secs(20)), None);
    }

    #[test]
    fn the_real_one_is_what_it_says_it_is() {
        let asked = probe::first_line("node".as_ref(), "--version", Duration::from_secs(20)).unwrap();
        assert_eq!(of("node".as_ref(), Duration::from_secs(20)), parse(&asked));
    }
}
