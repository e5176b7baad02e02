//! Memory: heaps that fit the container.
//!
//! [`heap`] says how large the heap of a worker is made.

pub mod heap;
