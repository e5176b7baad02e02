//! Registering a descriptor for just the readiness that is wanted.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What owns its descriptor, gives out no other owner, and keeps the same one for as long as it lives.
pub trait Owner: AsRawFd {}

impl Owner for UnixStream {}
impl Owner for OwnedFd {}

/// Watches `owner` for `interest` only; tokio's own `UnixStream` always watches for both.
///
/// # Errors
/// The event queue takes no more descriptors.
#[expect(unsafe_code, reason = "tokio cannot know which types keep their descriptor")]
pub fn register<T: Owner>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: an `Owner` owns its descriptor, and `AsyncFd` keeps it until it has deregistered; so the descriptor stays
    // open, and the same, for as long as it is registered.
    unsafe { AsyncFd::register_with_interest(owner, interest) }.map_err(Into::into)
}
