//! The private directory of an instance: control socket, agent files, one directory per worker.
//!
//! It lies in `$XDG_RUNTIME_DIR/plimsoll`, else `$TMPDIR/plimsoll-<uid>` (`/tmp`), else
//! `/dev/shm/plimsoll-<uid>`; the first that is ours, private, writable and short enough for the path of a
//! Unix socket is taken. A lock on a file inside tells a live instance from what a killed one left behind:
//! the kernel gives it back whatever the end was like.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::page;

/// `sun_path` holds 108 bytes, the last of them zero.
const SOCKET_PATH_MAX: usize = 107;
/// Room for `/w65535.4294967295/` and the longest name of a socket in it.
const INSIDE_MAX: usize = 42;
const NAME_MAX: usize = 32;
/// Instances of one name at the same time.
const SAME_NAME_MAX: u32 = 1000;
const LOCK: &str = "lock";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no private directory could be made: {0}")]
    NoPlace(String),
    #[error("too many instances are named {0}")]
    TooMany(String),
}

/// The directory of this instance; removed at the end.
#[derive(Debug)]
pub struct RuntimeDir {
    /// As it was asked for, or with `-2`, `-3`… where others of that name run.
    pub name: String,
    pub path: PathBuf,
    _lock: File,
}

impl RuntimeDir {
    /// Makes the directory of an instance that wants to be called `wanted`.
    ///
    /// # Errors
    /// There is no place for it, with the reason for each that was tried.
    pub fn create(wanted: &str) -> Result<Self, Error> {
        let mut reasons = Vec::new();
        for base in bases() {
            match Self::create_in(&base, wanted) {
                Ok(Some(directory)) => return Ok(directory),
                Ok(None) => return Err(Error::TooMany(wanted.to_owned())),
                Err(reason) => reasons.push(format!("{}: {reason}", base.display())),
            }
        }
        Err(Error::NoPlace(reasons.join("; ")))
    }

    fn create_in(base: &Path, wanted: &str) -> io::Result<Option<Self>> {
        let wanted = plain_name(wanted);
        if base.as_os_str().len() + 1 + NAME_MAX + 5 + INSIDE_MAX > SOCKET_PATH_MAX {
            return Err(io::Error::other("the path is too long for a unix socket"));
        }
        make_private(base)?;
        for number in 1..=SAME_NAME_MAX {
            let name = if number == 1 { wanted.clone() } else { format!("{wanted}-{number}") };
            let path = base.join(&name);
            make_private(&path)?;
            if let Some(lock) = take_lock(&path)? {
                remove_leftovers(&path)?;
                page::sweep();
                return Ok(Some(Self { name, path, _lock: lock }));
            }
        }
        Ok(None)
    }

    /// Makes a private directory inside; what lay there before is removed.
    ///
    /// # Errors
    /// As `mkdir(2)` gives them.
    pub fn subdirectory(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        self.remove(&path);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(path)
    }

    /// Removes a directory inside, with the page that it may hold.
    pub fn remove(&self, directory: &Path) {
        page::remove(directory);
        let _absent = fs::remove_dir_all(directory);
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _best_effort = remove_leftovers(&self.path);
        // Also while the lock is held: who opened the lock file before sees that it is gone.
        let _left_behind = fs::remove_dir_all(&self.path);
    }
}

/// Where instances may have their directories, in the order in which they are tried.
#[must_use]
pub fn bases() -> Vec<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = format!("plimsoll-{}", rustix::process::geteuid().as_raw());
    let mut bases = Vec::new();
    bases.extend(absolute("XDG_RUNTIME_DIR").map(|path| path.join("plimsoll")));
    bases.push(absolute("TMPDIR").unwrap_or_else(|| "/tmp".into()).join(&own));
    bases.push(Path::new("/tmp").join(&own));
    bases.push(Path::new("/dev/shm").join(&own));
    bases.dedup();
    bases
}

/// A name that is one plain component of a path.
fn plain_name(wanted: &str) -> String {
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    let name: String = wanted.trim_start_matches('.').chars().map(plain).take(NAME_MAX).collect();
    if name.is_empty() { "app".to_owned() } else { name }
}

fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    check_private(path)
}

/// It is ours alone, and no link: nobody else could have put it there.
#[must_use]
pub fn is_private(path: &Path) -> bool {
    check_private(path).is_ok()
}

/// Refuses what someone else could have put there for us to fall into.
fn check_private(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("it is not a directory"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may enter it"));
    }
    Ok(())
}

/// Takes the lock of an instance's directory; `None` if a live instance holds it.
fn take_lock(path: &Path) -> io::Result<Option<File>> {
    let path = path.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        other => other?,
    }
    // The last owner may have removed the directory between our opening and our locking.
    let is_current =
        fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino()));
    Ok(is_current.then_some(file))
}

fn remove_leftovers(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_name() == LOCK {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                page::remove(&entry.path());
                fs::remove_dir_all(entry.path())?;
            }
            _ => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn base() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let base = directory.path().join("p");
        (directory, base)
    }

    #[test]
    fn a_second_instance_of_a_name_gets_a_number_and_the_first_comes_free_again() {
        let (_keep, base) = base();
        let first = RuntimeDir::create_in(&base, "api").unwrap().unwrap();
        let second = RuntimeDir::create_in(&base, "api").unwrap().unwrap();
        assert_eq!((first.name.as_str(), second.name.as_str()), ("api", "api-2"));
        drop(first);
        assert!(!base.join("api").exists());
        assert_eq!(RuntimeDir::create_in(&base, "api").unwrap().unwrap().name, "api");
    }

    #[test]
    fn what_a_killed_instance_left_is_removed() {
        let (_keep, base) = base();
        let left = base.join("api/w0.1");
        DirBuilder::new().mode(0o700).recursive(true).create(&left).unwrap();
        fs::write(base.join("api/control.sock"), "").unwrap();
        let own = RuntimeDir::create_in(&base, "api").unwrap().unwrap();
        assert_eq!(own.name, "api");
        assert!(!left.exists() && !base.join("api/control.sock").exists());
    }

    #[test]
    fn refuses_a_place_that_is_not_private() {
        let (keep, base) = base();
        symlink(keep.path(), &base).unwrap();
        assert!(RuntimeDir::create_in(&base, "api").unwrap_err().to_string().contains("not a directory"));
        fs::remove_file(&base).unwrap();
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(RuntimeDir::create_in(&base, "api").unwrap_err().to_string().contains("others may enter"));
        let long = keep.path().join("x".repeat(60));
        assert!(RuntimeDir::create_in(&long, "api").unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn any_name_becomes_one_plain_component() {
        for (wanted, expected) in
            [("api", "api"), ("a/b c", "a-b-c"), ("..", "app"), ("", "app"), ("@x/y", "-x-y")]
        {
            assert_eq!(plain_name(wanted), expected);
        }
        assert_eq!(plain_name(&"é".repeat(50)).len(), NAME_MAX);
    }
}
