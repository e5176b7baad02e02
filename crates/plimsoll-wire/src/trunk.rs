//! The trunk: memory that one gateway thread shares with one server of a worker, and that carries many links.
//!
//! A link in a trunk is what a connected Unix socket is: two streams of bytes, one each way, each of which can be
//! ended; it costs no system call to send or to receive. The words of a trunk are written with atomics, each by one
//! side:
//!
//! ```text
//! word 0   MAGIC    word 1   VERSION    word 2   LINKS    word 3   STATE (worker)
//! word 16  WORKER_SLEEPS            word 32  GATEWAY_SLEEPS
//! word 48  TO_WORKER, a bit a link  word 64  TO_GATEWAY, a bit a link
//! word 128 link 0, link 1, …        LINK_WORDS each: the gateway's half, then the worker's
//! byte DATA  ring of requests of link 0, ring of answers of link 0, ring of requests of link 1, …
//! ```
//!
//! Each half of a link says how many bytes its side has [`SENT`] and [`TAKEN`] since the link was opened (both wrap), and
//! how the side is ([`link_state`]). Whoever changes something that the other side may wait for sets the link's bit in
//! [`TO_WORKER`] or [`TO_GATEWAY`], and wakes the other side if it sleeps: the sleeper says so in its word *before* it looks at
//! the bits for the last time, and the one who sets a bit does so *before* it looks at that word, both sequentially consistent. So one
//! of them sees the other, and a side that is awake is never woken. To wake is to write to an `eventfd`.
//!
//! The gateway opens a link: it picks a free one, clears both halves and sets [`OPEN`](link_state::OPEN). Either side leaves it
//! with [`GONE`](link_state::GONE); when both have, it is free. The worker says in [`STATE`] whether it takes links.
//!
//! The memory is a `memfd` that cannot be made smaller. It comes to the worker with the two eventfds (the worker's, the gateway's) as
//! the only message of a connection whose name says [`NAME`]; the end of that connection is the end of the trunk.
//!
//! The other side may write anything at any time. Nobody reads back a number of its own, and a count that cannot be is
//! the end of the link.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// `PLTR`, little-endian.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PLTR");
/// What the last part of the name of a trunk's connection is.
pub const NAME: &str = "trunk";
/// Links of a trunk. More are sockets.
pub const LINKS: usize = 128;

/// Whether the worker takes links.
pub const STATE: usize = 3;
pub const WORKER_SLEEPS: usize = 16;
pub const GATEWAY_SLEEPS: usize = 32;
pub const TO_WORKER: usize = 48;
pub const TO_GATEWAY: usize = 64;
/// Words of bits.
pub const BITS: usize = LINKS / 32;
pub const LINK_FIRST: usize = 128;
/// Two cache lines, one for each side.
pub const LINK_WORDS: usize = 32;
/// Where in a link the worker's half begins.
pub const WORKER_HALF: usize = 16;

/// Words of a half: bytes that its side has put into its ring.
pub const SENT: usize = 0;
/// Bytes that its side has taken out of the other's ring.
pub const TAKEN: usize = 1;
/// How its side is.
pub const SIDE: usize = 2;
/// The count of [`SENT`] that stands at the beginning of its side's ring. Whoever finds the own ring empty may begin it anew before
/// it sends, so that what is small stays where it was, in the caches, and touches no more memory.
pub const BASE: usize = 3;

/// Words before the rings.
pub const WORDS: usize = LINK_FIRST + LINKS * LINK_WORDS;
/// Where the rings begin, in bytes; a page begins there.
pub const DATA: usize = (WORDS * 4).next_multiple_of(4096);
/// Bytes of the ring of requests of a link; a power of two.
pub const REQUESTS: usize = 16 * 1024;
/// Bytes of the ring of answers of a link; a power of two. What Node writes of a stream at once, 64 kB and the frame of a chunk, fits.
pub const ANSWERS: usize = 128 * 1024;
/// Bytes of a trunk.
pub const BYTES: usize = DATA + LINKS * (REQUESTS + ANSWERS);

/// What [`STATE`] says.
pub mod state {
    pub const TAKES_LINKS: u32 = 1;
    /// The server was closed: links that are open may go on.
    pub const CLOSED: u32 = 2;
}

/// Bits of [`SIDE`](super::SIDE).
pub mod link_state {
    /// The gateway's: somebody uses it.
    pub const OPEN: u32 = 1;
    /// Nothing more is sent.
    pub const ENDED: u32 = 2;
    /// Nothing more is sent or taken.
    pub const GONE: u32 = 4;
    /// Waits for room in its own ring.
    pub const FULL: u32 = 8;
}

/// Something about `link` is new: sets its bit in `bits`, the right word of the other side's. True where the other side, whose word
/// `sleeps` is, must be woken.
#[must_use]
pub fn tell(bits: &AtomicU32, link: usize, sleeps: &AtomicU32) -> bool {
    bits.fetch_or(1 << (link % 32), SeqCst);
    settle();
    sleeps.load(SeqCst) != 0 && sleeps.swap(0, SeqCst) != 0
}

/// Our side is about to sleep, and has to [`hear`] once more before it does.
pub fn doze(sleeps: &AtomicU32) {
    sleeps.store(1, SeqCst);
    settle();
}

/// The links that were told of since it was asked last.
#[must_use]
pub fn hear(bits: &AtomicU32) -> u32 {
    // Nearly always there is nothing, and to look costs less than to take.
    if bits.load(SeqCst) == 0 { 0 } else { bits.swap(0, SeqCst) }
}

/// Sequentially consistent operations need nothing more; loom takes them for weaker ones, and a fence for what it is.
fn settle() {
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(SeqCst);
}

#[cfg(all(test, loom))]
mod model;
