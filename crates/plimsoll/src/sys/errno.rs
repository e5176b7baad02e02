//! Error numbers under the names that Node.js gives them.

use std::io;

use rustix::io::Errno;

/// What `bind` and `listen` may say, as libuv names it; an app compares these strings.
const NAMES: &[(Errno, &str)] = &[
    (Errno::ADDRINUSE, "EADDRINUSE"),
    (Errno::ACCESS, "EACCES"),
    (Errno::PERM, "EPERM"),
    (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
    (Errno::INVAL, "EINVAL"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NFILE, "ENFILE"),
    (Errno::NOBUFS, "ENOBUFS"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::OPNOTSUPP, "ENOTSUP"),
];

/// The libuv name of an error; `UNKNOWN` is libuv's own word for one without a name.
#[must_use]
pub fn name(error: &io::Error) -> &'static str {
    let number = error.raw_os_error();
    let known = NAMES.iter().find(|(errno, _)| Some(errno.raw_os_error()) == number);
    known.map_or("UNKNOWN", |(_, name)| name)
}

/// The host has no IPv6: Node falls back to IPv4 then.
#[must_use]
pub fn means_no_ipv6(error: &io::Error) -> bool {
    matches!(name(error), "EAFNOSUPPORT" | "EADDRNOTAVAIL" | "EINVAL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_names_that_node_gives_them() {
        for (number, expected) in [(98, "EADDRINUSE"), (13, "EACCES"), (99, "EADDRNOTAVAIL"), (5, "UNKNOWN")]
        {
            assert_eq!(name(&io::Error::from_raw_os_error(number)), expected);
        }
        assert_eq!(name(&io::Error::other("no number")), "UNKNOWN");
    }
}
