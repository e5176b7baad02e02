//! Memory: heaps that fit the container, seen from inside and outside, and renewed before they are full.
//!
//! [`heap`] says how large the heap of a worker is made, [`seen`] is what is known of one worker's memory, and [`recycle`]
//! decides who is renewed because of it. [`trend`] tells a leak from a cache that fills.

pub mod heap;
pub mod recycle;
pub mod seen;
pub mod trend;
pub mod words;
