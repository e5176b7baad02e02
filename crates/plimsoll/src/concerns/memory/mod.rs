//! Memory: heaps that fit the container, seen from inside and outside, and renewed before they are full.
//!
//! [`heap`] says how large the heap of a worker is made, [`seen`] is what is known of one worker's memory, and [`recycle`]
//! decides who is renewed because of it. [`churn`] is what requests allocate, and what a larger semi-space would save. [`trend`] tells a leak from a cache that fills.

pub mod churn;
pub mod heap;
pub mod recycle;
pub mod seen;
mod suspects;
pub mod trend;
pub mod words;
