//! The name of the other end of a Unix socket.
//!
//! A passed-through connection carries the app's own bytes (TLS, HTTP/2) from the first one on, so there is no
//! place in it for the client's address. The gateway therefore binds its end to an abstract address that
//! spells it; the agent reads it here.

use crate::sys;

/// The abstract address that the peer of `fd` is bound to, without its leading NUL. `None` for everything
/// else: not a Unix socket, a peer bound to a path or to nothing, a name that is not UTF-8.
pub(crate) fn peer_name(fd: i32) -> Option<String> {
    let path = sys::unix_peer(fd)?;
    match path.split_first() {
        Some((0, name)) if !name.is_empty() => String::from_utf8(name.to_vec()).ok(),
        _ => None,
    }
}
