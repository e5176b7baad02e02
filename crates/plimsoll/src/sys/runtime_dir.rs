//! The private directory of an instance: control socket, agent files, one directory per worker.
//!
//! It lies in `$XDG_RUNTIME_DIR/plimsoll`, else `$TMPDIR/plimsoll-<uid>` (`/tmp`), else
//! `/dev/shm/plimsoll-<uid>`; the first that is ours, private, writable and short enough for the path of a
//! Unix socket is taken. A lock on a file inside tells a live instance from what a killed one left behind:
//! the kernel gives it back whatever the end was like.

use std::env;
use std::ffi::OsString;
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
/// A name of more is cut.
pub const NAME_MAX: usize = 32;
/// Instances of one name at the same time.
const SAME_NAME_MAX: u32 = 999;
/// What the last of them has behind the name.
const NUMBER_MAX: usize = "-999".len();
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
        check_length(base, &wanted)?;
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

/// Where an instance may be found: also in the place that a login gives to this user, as `sudo` and `su` do not
/// pass on the variable that names it.
#[must_use]
pub fn bases_known() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let of_login = PathBuf::from(format!("/run/user/{user}/plimsoll"));
    each_once(bases().into_iter().chain([of_login]))
}

/// Where an instance may have its directory, in the order in which they are tried.
fn bases() -> Vec<PathBuf> {
    bases_of(env::var_os("XDG_RUNTIME_DIR"), env::var_os("TMPDIR"), rustix::process::geteuid().as_raw())
}

fn bases_of(runtime: Option<OsString>, temporary: Option<OsString>, user: u32) -> Vec<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let own = format!("plimsoll-{user}");
    let of_login = absolute(runtime).map(|path| path.join("plimsoll"));
    let shared = [absolute(temporary).unwrap_or_else(|| "/tmp".into()), "/tmp".into(), "/dev/shm".into()];
    each_once(of_login.into_iter().chain(shared.map(|path| path.join(&own))))
}

/// In their order.
fn each_once(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut known = Vec::new();
    for path in paths {
        if !known.contains(&path) {
            known.push(path);
        }
    }
    known
}

/// Every socket of an instance of this name must have a path that a socket can have.
fn check_length(base: &Path, name: &str) -> io::Result<()> {
    let longest = base.as_os_str().len() + 1 + name.len() + NUMBER_MAX + INSIDE_MAX;
    if longest <= SOCKET_PATH_MAX {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "with the name {name} the path of a unix socket would have up to {longest} bytes, and {SOCKET_PATH_MAX} are the \
         most"
    )))
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
    }

    #[test]
    fn the_path_has_room_for_its_sockets_or_the_error_tells_the_lengths() {
        let openshift = Path::new("/dev/shm/plimsoll-1000680000");
        let long = PathBuf::from(format!("/{}", "x".repeat(60)));
        for (base, name, refused) in [
            (openshift, "app".to_owned(), None),
            (openshift, "n".repeat(NAME_MAX), None),
            // 61 + 1 + 3 + 4 + 42
            (long.as_path(), "api".to_owned(), Some("up to 111 bytes, and 107 are the most")),
            (openshift, "n".repeat(NAME_MAX + 1), Some("up to 108 bytes, and 107 are the most")),
        ] {
            let told = check_length(base, &name).map_err(|error| error.to_string());
            match refused {
                None => assert_eq!(told, Ok(()), "{name}"),
                Some(part) => assert!(told.unwrap_err().contains(part), "{name}"),
            }
        }
    }

    #[test]
    fn no_place_is_looked_at_twice() {
        let shared = ["/tmp/plimsoll-7", "/dev/shm/plimsoll-7"];
        for (runtime, temporary, expected) in [
            (None, None, &shared[..]),
            (None, Some("/dev/shm"), &["/dev/shm/plimsoll-7", "/tmp/plimsoll-7"]),
            (None, Some("not/absolute"), &shared),
            (Some("/run/user/7"), Some("/tmp"), &["/run/user/7/plimsoll", shared[0], shared[1]]),
            (None, Some("/var/tmp"), &["/var/tmp/plimsoll-7", shared[0], shared[1]]),
        ] {
            let found = bases_of(runtime.map(OsString::from), temporary.map(OsString::from), 7);
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_instance_is_also_looked_for_where_a_login_would_have_put_it() {
        let user = rustix::process::geteuid().as_raw();
        let of_login = PathBuf::from(format!("/run/user/{user}/plimsoll"));
        assert_eq!(bases_known().iter().filter(|base| **base == of_login).count(), 1);
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
