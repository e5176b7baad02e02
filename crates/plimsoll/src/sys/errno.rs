//! Error numbers under the names that Node.js gives them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// What to bind where every address (`::`) could not be bound for `error`: on a host without IPv6 that is every
/// IPv4 address, as in Node. `None`: the error stands, for a single IPv6 address has no substitute.
#[must_use]
pub fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_missing = matches!(name(error), "EAFNOSUPPORT" | "EADDRNOTAVAIL" | "EINVAL");
    let is_everywhere = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    (is_missing && is_everywhere).then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
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

    #[test]
    fn every_address_is_every_ipv4_address_where_there_is_no_ipv6() {
        const AFNOSUPPORT: i32 = Errno::AFNOSUPPORT.raw_os_error();
        const ADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();
        const ADDRINUSE: i32 = Errno::ADDRINUSE.raw_os_error();
        for (address, number, expected) in [
            ("[::]:80", AFNOSUPPORT, Some("0.0.0.0:80")),
            ("[::]:80", ADDRNOTAVAIL, Some("0.0.0.0:80")),
            ("[::]:80", ADDRINUSE, None),
            ("[::1]:80", AFNOSUPPORT, None),
            ("0.0.0.0:80", ADDRNOTAVAIL, None),
        ] {
            let instead = without_ipv6(address.parse().unwrap(), &io::Error::from_raw_os_error(number));
            assert_eq!(instead, expected.map(|text| text.parse().unwrap()), "{address}, error {number}");
        }
    }
}
