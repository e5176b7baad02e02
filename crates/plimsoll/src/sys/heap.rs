//! The allocator's memory: it keeps what is free again for the next time, and the container counts it as used.

/// Gives what is free back to the system. Some milliseconds for some ten megabytes, in which other threads may wait for the
/// allocator: not for a thread that has something to do.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "nothing safe asks the allocator for it"))]
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time by any thread; it touches only what the allocator knows to be free.
    let _is_less = unsafe { libc::malloc_trim(0) };
}
