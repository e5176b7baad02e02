//! What Plimsoll (outside Node) and its agent (inside) say to each other.
//!
//! What crosses the border has its one definition here:
//!
//! * **names**: the environment variable that finds the supervisor, files of a worker's private directory,
//!   the private header that carries the client's address ([`names`]);
//! * **frames**: the few messages on the agent's channel, a Unix socket ([`frame`], [`message`]);
//! * **memory**: the page in which requests are claimed ([`page`]), and trunks, by which they come ([`trunk`]);
//! * **the version**: both sides are built and shipped together, so a mismatch means a stale directory or a
//!   foreign process, and is refused.
//!
//! The JavaScript half of the agent repeats these definitions in `js/wire.js`; a test of the agent holds the
//! two equal. This crate does no I/O and has no dependencies. Readers never panic, whatever the bytes.

pub mod calls;
pub mod figures;
pub mod frame;
pub mod lease;
pub mod memory;
pub mod message;
pub mod metrics;
pub mod names;
pub mod page;
pub mod pools;
pub mod spans;
pub mod stall;
pub mod tax;
pub mod trunk;

/// Version of everything in this crate. Raised whenever a frame or a name changes its meaning.
pub const VERSION: u8 = 2;
