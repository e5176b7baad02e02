//! Ports for apps that must be told one.

use std::net::{Ipv6Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Below the range the kernel gives to outgoing connections, so that only another test process can take a
/// port between our look and the app's `listen`.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on which nothing listens now. Each process begins somewhere else and never gives a port twice.
pub(crate) fn free_port() -> u16 {
    let start = process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).unwrap();
        if TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
