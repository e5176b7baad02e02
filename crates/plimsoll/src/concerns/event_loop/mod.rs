//! `event_loop`: no request waits behind a blocked loop.
//!
//! How late a worker is shows in the age of its oldest request that was sent and not claimed: the very thing that a
//! client suffers from, whatever the cause, known while the loop is blocked. [`patience`] says how old is too old,
//! [`window`] how many requests a worker may have before it shows that it takes them, [`budget`] how many may be
//! moved, and [`overload`] when waiting itself has become the problem. [`lanes`] keeps apart what blocks for long.

pub mod budget;
pub mod lanes;
pub mod overload;
pub mod patience;
pub mod profile;
pub mod window;
