//! What a CPU profile says: which functions take the time of the event loop.
//!
//! ```text
//! .cpuprofile ─ read ─► Profile (tree of calls, time per node) ─┬─ hot ─► Report ─ words ─► terminal, JSON
//!                        each function with its place           ├─ folded ─► flame graph
//!                                                               └─ pprof
//! ```
//!
//! A profile is a file that any code of a worker may have written: it is bounded in size, depth and number, and a
//! malformed one is an error with its reason.

pub mod folded;
pub mod hot;
pub mod place;
pub mod pprof;
pub mod read;
pub mod stretch;
#[cfg(test)]
mod tests;
pub mod words;

pub use self::hot::{Culprit, Hot, Report};
pub use self::place::{Origin, Place};
pub use self::read::{Error, Function, Node, Profile};
