//! The life of workers: `starting → ready → draining → stopped`, one machine per place and one for the whole.
//!
//! [`Fleet`] is told what happened ([`Input`]) and what time it is, and says what is to be done ([`Action`]).
//! Start, stop and the replacement of the dead are walks through the same states; whoever acts on the
//! decisions (the supervisor in `workers`) keeps no state of this kind of its own.
//!
//! What it decides:
//! * A worker that dies is replaced: at once when it had been ready, then after 100 ms, doubling to 30 s
//!   ([`Backoff`]).
//! * As long as no worker has ever listened, an exit is final: a command that cannot start is reported, not
//!   tried again. This holds for exit code 0 as well: the command did its work, but there is nothing to serve.
//! * Five deaths of a place within 10 s before listening are a crash loop; when every place loops, the
//!   instance ends.
//! * A stop lets requests finish, then asks the workers to end, then kills them, each with a deadline.

mod backoff;
mod fleet;
mod place;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use fleet::{Action, Config, Fleet, Input, Outcome, Phase};
pub use place::{Place, State, Step};
