//! Registering a socket for just the readiness that is wanted.

use std::io;
use std::os::unix::net::UnixStream;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `stream` for `interest` only; tokio's own `UnixStream` always watches for both.
///
/// # Errors
/// The event queue takes no more descriptors.
#[expect(unsafe_code, reason = "tokio cannot know that a standard stream keeps its descriptor")]
pub fn register(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the stream owns its descriptor, gives out no other owner, and `AsyncFd` keeps the stream until it
    // has deregistered; so the descriptor stays open, and the same, for as long as it is registered.
    unsafe { AsyncFd::register_with_interest(stream, interest) }.map_err(Into::into)
}
