//! The gauge's page: a file that this process and one worker map into their memory. What its words mean is
//! said in `plimsoll_wire::page`; here it is memory.
//!
//! It lies in `/dev/shm` where that can be had: a page on a disk file system is written back now and then, and
//! whoever writes to it meanwhile waits for the disk. The private directory of the worker then holds a link to
//! it, else the file itself. `/dev/shm` outlives us, so whoever removes the directory calls [`remove`] first. The
//! file is locked as long as we map it: one without a lock was left by an instance that was killed ([`sweep`]).

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;

use rustix::fs::{FlockOperation, flock};

use super::shared::Shared;

/// Name of the page in the worker's private directory.
pub const FILE: &str = "page";
const SHARED_MEMORY: &str = "/dev/shm";
const WORD: usize = size_of::<AtomicU32>();
const PREFIX: &str = "plimsoll-page-";

/// The page of one incarnation, mapped.
#[derive(Debug)]
pub struct Page {
    words: Shared,
    slot_first: usize,
    _lock: File,
}

impl Page {
    /// Makes the page of the worker whose private directory is `directory`, and leaves it there as [`FILE`].
    /// `words` is what stands in it at first; from `slot_first` on they are slots.
    ///
    /// # Errors
    /// As the calls for files and mappings give them.
    pub fn create(directory: &Path, words: &[u32], slot_first: usize) -> io::Result<Self> {
        let link = directory.join(FILE);
        let map = |file: File| Self::map(file, words.len(), slot_first);
        let shared = Path::new(SHARED_MEMORY).join(random_name());
        match create_file(&shared, words) {
            Ok(file) => {
                let page = symlink(&shared, &link).and_then(|()| map(file));
                if page.is_err() {
                    let _left_behind = fs::remove_file(&shared);
                }
                page
            }
            // Not there, not writable for us, or full.
            Err(_) => map(create_file(&link, words)?),
        }
    }

    fn map(file: File, length: usize, slot_first: usize) -> io::Result<Self> {
        Ok(Self { words: Shared::map(file.as_fd(), length, length * WORD)?, slot_first, _lock: file })
    }

    /// The word of a slot; `None`: there is no such slot.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<&AtomicU32> {
        self.words.word(self.slot_first.checked_add(index)?)
    }

    /// The words of all slots, in their order.
    pub fn slots(&self) -> impl Iterator<Item = &AtomicU32> {
        (0..).map_while(|index| self.slot(index))
    }
}

/// The same page, not one with the same words.
impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.words.is(&other.words)
    }
}

impl Eq for Page {}

/// Removes the page of the worker whose private directory is `directory`, wherever it lies.
pub fn remove(directory: &Path) {
    let link = directory.join(FILE);
    if let Some(shared) = fs::read_link(&link).ok().filter(|target| is_ours(target)) {
        let _gone = fs::remove_file(shared);
    }
    let _gone = fs::remove_file(link);
}

/// Removes the pages that nobody maps any more: their instances were killed.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(SHARED_MEMORY) else { return };
    let own = rustix::process::geteuid().as_raw();
    let is_candidate = |path: &PathBuf| {
        is_ours(path) && fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.uid() == own)
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(is_candidate) {
        let Ok(file) = File::open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _gone = fs::remove_file(&path);
        }
    }
}

/// What a link may make us remove: the worker could have written another one.
fn is_ours(target: &Path) -> bool {
    let name = target.file_name().map(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    target.parent() == Some(Path::new(SHARED_MEMORY)) && name == Some(true)
}

/// A name that nobody can have taken before us.
fn random_name() -> PathBuf {
    format!("{PREFIX}{}-{:016x}", std::process::id(), RandomState::new().hash_one(FILE)).into()
}

/// Writes all of it, so that its memory is taken now: on a full `/dev/shm` this is an error here, not a
/// SIGBUS later.
fn create_file(path: &Path, words: &[u32]) -> io::Result<File> {
    let mut options = File::options();
    let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    if file.metadata()?.nlink() == 0 {
        // Another instance swept before we had locked.
        return Err(io::ErrorKind::Interrupted.into());
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    file.write_all(&bytes).inspect_err(|_| {
        let _left_behind = fs::remove_file(path);
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::Ordering;

    use super::*;

    fn page(directory: &Path) -> Page {
        Page::create(directory, &[7, 0, 0, 0], 1).unwrap()
    }

    #[test]
    fn both_sides_see_the_same_words() {
        let directory = tempfile::tempdir().unwrap();
        let page = page(directory.path());
        let path = directory.path().join(FILE);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (16, 0o600));
        assert_eq!(fs::read(&path).unwrap()[..4], 7u32.to_ne_bytes());

        let file = File::options().read(true).write(true).open(&path).unwrap();
        let theirs = Page::map(file, 4, 1).unwrap();
        for index in [0, 2] {
            page.slot(index).unwrap().store(40 + index as u32, Ordering::Release);
            assert_eq!(theirs.slot(index).unwrap().load(Ordering::Acquire), 40 + index as u32);
        }
        assert!(page.slot(3).is_none() && page.slot(usize::MAX).is_none());
        let words: Vec<u32> = page.slots().map(|slot| slot.load(Ordering::Acquire)).collect();
        assert_eq!(words, [40, 0, 42]);
        remove(directory.path());
    }

    #[test]
    fn removing_leaves_nothing_and_the_mapping_intact() {
        let directory = tempfile::tempdir().unwrap();
        let page = page(directory.path());
        let path = directory.path().join(FILE);
        let target = fs::read_link(&path).unwrap_or_else(|_| path.clone());
        remove(directory.path());
        assert!(!target.exists() && fs::symlink_metadata(&path).is_err());
        page.slot(1).unwrap().store(9, Ordering::Relaxed);
        assert_eq!(page.slot(1).unwrap().load(Ordering::Relaxed), 9);
    }

    #[test]
    fn a_page_is_swept_once_nobody_maps_it() {
        let directory = tempfile::tempdir().unwrap();
        let page = page(directory.path());
        let path = directory.path().join(FILE);
        sweep();
        assert!(path.exists());
        let is_shared = fs::read_link(&path).is_ok();
        drop(page);
        sweep();
        assert!(!path.exists() || !is_shared);
    }

    #[test]
    fn a_link_to_something_else_removes_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("plimsoll-page-of-someone");
        fs::write(&other, "").unwrap();
        symlink(&other, directory.path().join(FILE)).unwrap();
        remove(directory.path());
        assert!(other.exists() && fs::symlink_metadata(directory.path().join(FILE)).is_err());
    }
}
