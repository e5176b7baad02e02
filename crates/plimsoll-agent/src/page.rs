//! The worker's page of shared memory, where agent and gateway meet over every request: see `plimsoll_wire::page`.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use plimsoll_wire::page;

use crate::sys;

/// The page of this process, once it is mapped.
static MAPPED: AtomicPtr<u32> = AtomicPtr::new(std::ptr::null_mut());

/// Maps the page at `path` for as long as the process lives: the handle of an app's request may look at it until
/// the very end.
///
/// # Errors
/// Why there is none, for a person to read. The path may be a symbolic link, so it is the file that is checked:
/// nobody else can have put there one that is ours and looks like a page.
pub(crate) fn map(path: &CStr) -> Result<*mut c_void, String> {
    let file = sys::open(path).map_err(|error| format!("open: {error}"))?;
    let found = sys::inspect(&file).map_err(|error| format!("stat: {error}"))?;
    if !found.is_file || found.owner != sys::user() {
        return Err("not a file of this user".to_owned());
    }
    if found.length != page::BYTES as u64 {
        return Err(format!("{} bytes long, not {}", found.length, page::BYTES));
    }
    // A hole in a file on a full file system is a SIGBUS when it is touched, and would be the end of the app.
    sys::fill(&file, page::BYTES).map_err(|error| format!("allocate: {error}"))?;
    let page = sys::map_shared(&file, page::BYTES).map_err(|error| format!("map: {error}"))?;
    check(sys::first_words(page))?;
    MAPPED.store(page.cast(), Ordering::Release);
    Ok(page)
}

/// Whether a request is in flight: started, and not known to be answered.
pub(crate) fn has_started() -> bool {
    let first = MAPPED.load(Ordering::Acquire);
    !first.is_null()
        && (page::SLOT_FIRST..page::WORDS)
            .any(|index| page::state(sys::word(first, index)) == page::State::Started)
}

/// The one request that is in flight, if it is one: its slot and word.
pub(crate) fn only_started() -> Option<(u16, u32)> {
    let first = MAPPED.load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    let words = (0..).zip(page::SLOT_FIRST..page::WORDS).map(|(slot, index)| (slot, sys::word(first, index)));
    let mut started = words.filter(|(_, word)| page::state(*word) == page::State::Started);
    let one = started.next()?;
    started.next().is_none().then_some(one)
}

fn check([magic, version, slots]: [u32; 3]) -> Result<(), String> {
    let expected = [page::MAGIC, u32::from(plimsoll_wire::VERSION), page::SLOTS as u32];
    if [magic, version, slots] == expected {
        return Ok(());
    }
    Err(format!("says {magic:#x} {version} {slots}, not {:#x} {} {}", expected[0], expected[1], expected[2]))
}
