//! System calls, each behind a safe function.
#![expect(unsafe_code, reason = "system calls are foreign functions")]

use std::mem::{MaybeUninit, offset_of};

use libc::{c_int, sockaddr_un, socklen_t};

/// The bytes of the address that the other end of the Unix socket `fd` is bound to (`sun_path` as
/// `getpeername(2)` gives it). `None` if `fd` is not a connected Unix socket.
pub(crate) fn unix_peer(fd: c_int) -> Option<Vec<u8>> {
    let mut address = MaybeUninit::<sockaddr_un>::zeroed();
    let mut length = socklen_t::try_from(size_of::<sockaddr_un>()).ok()?;
    // SAFETY: `address` is writable for `length` bytes, which is its size; the kernel checks `fd`.
    let status = unsafe { libc::getpeername(fd, address.as_mut_ptr().cast(), &raw mut length) };
    // SAFETY: all-zero bytes are a valid `sockaddr_un`, and the kernel only writes bytes into it.
    let address = unsafe { address.assume_init() };
    if status != 0 || c_int::from(address.sun_family) != libc::AF_UNIX {
        return None;
    }
    let path_length = (length as usize).checked_sub(offset_of!(sockaddr_un, sun_path))?;
    Some(address.sun_path.iter().take(path_length).map(|&byte| byte.to_ne_bytes()[0]).collect())
}
