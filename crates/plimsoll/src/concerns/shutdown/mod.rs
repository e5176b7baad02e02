//! The life of workers: `starting → ready → draining → stopped`, one machine per place and one for the whole.
//!
//! [`Fleet`] is told what happened ([`Input`]) and what time it is, and says what is to be done ([`Action`]).
//! Start, stop, reload, scale and the replacement of the dead are walks through the same states; whoever acts on
//! the decisions (the supervisor in `workers`) keeps no state of this kind of its own.
//!
//! What it decides:
//! * A worker that dies is replaced: at once when it had been ready, then after 100 ms ± 20 %, doubling to
//!   30 s ([`Jitter`]).
//! * As long as no worker has ever listened, an exit is final: a command that cannot start is reported, not
//!   tried again. This holds for exit code 0 as well: the command did its work, but there is nothing to serve.
//! * Five deaths of a place within 10 s before listening are a crash loop; when every place loops, the
//!   instance ends. While others serve, the place is called failing and goes on being tried.
//! * A reload starts a *candidate* beside the process of a place. It takes over when it listens wherever the old
//!   one does; then the old one gets nothing new and leaves when its last request is done. Candidates and those
//!   who leave are never more than the surge. A candidate that dies or does not listen in time is the end of
//!   the reload, and nothing else: who serves goes on serving, and who was renewed stays.
//! * A reload during a reload begins afresh after it. A scale during a reload happens at once. A stop ends both.
//! * Signals to stop that arrive at the same instant are one order ([`Echo`]).
//! * A stop is announced, for the delay; then requests finish; a worker is asked to end when its last request
//!   is done, the last worker when no client is left; who does not end is killed. Each has its deadline.

mod backoff;
mod echo;
mod fleet;
pub mod manifest;
mod place;
#[cfg(test)]
mod tests;

pub use backoff::{Backoff, Jitter, Life};
pub use echo::Echo;
pub use fleet::{Action, Config, Fleet, Input, Outcome, Phase, Verdict};
pub use place::{Candidate, Leaving, Place, State, Step};
