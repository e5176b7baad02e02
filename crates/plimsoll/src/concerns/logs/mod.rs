//! `logs`: what a worker writes is understood, kept or sampled, and counted.
//!
//! ```text
//! bytes ─ split ─► lines ─ understand ─ join ─► records ─ keep ─► kept records
//! ```
//!
//! [`record`] is what the steps hand on to each other, and what a sink takes. Nothing here reads a pipe, a clock or
//! a setting: that is done in `observe::logs`.

pub mod access;
mod join;
mod keep;
pub mod record;
mod split;
pub mod time;
mod understand;

pub use join::{Joined, Joiner};
pub use keep::{Candidate, Change, Keeper, Mode, Outcome, Rules, Tally, Verdict};
pub use split::{Gap, Splitter};
pub use understand::{Understood, understand};
