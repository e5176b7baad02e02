//! `downstream`: what the app calls is not called more often at once than it stands.
//!
//! ```text
//!  agents ── Origin, Ask, Calls ──► Desk ──► Limit, Grant ── to the agents
//!                                    ├ Rules   what holds for an origin
//!                                    ├ lease::Book   one per budget: who may use how much of it
//!                                    ├ Adaptive   how large a budget the service stands, where that is to be found
//!                                    ├ Breaker   whether calls may be made at all
//!                                    ├ Tally   what all workers saw, also those that are gone
//!                                    └ Callers   which routes make parallel calls
//! ```
//!
//! The agents make the calls wait; here it is decided how many calls each worker may have in flight, so that all of them
//! together stay within the limit. [`finding`] says in words what is seen. Pure: `workers` carries the messages.

mod adaptive;
mod breaker;
mod callers;
mod desk;
mod finding;
mod rules;
mod tally;
#[cfg(test)]
mod tests;

pub use breaker::{Position, Shown};
pub use callers::Caller;
pub use desk::{Desk, Holder, News, Seen};
pub use rules::Rules;
