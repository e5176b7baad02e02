//! `pools`: connections to databases. A request must not wait for one in our own process without anybody knowing, and
//! all pools together must not want more than the database has.
//!
//! ```text
//!  agents ── Pool, Figures, Leak ──► Desk ──► Rule, Grant ── to the agents
//!            Ask, Server              ├ Rules    what holds for a server
//!                                     ├ Window   the last ten seconds of each pool: rate, times, queue
//!                                     ├ size     how many connections are needed
//!                                     ├ advice   what is wrong, in words
//!                                     └ lease::Book   one per server: how many connections each pool may have
//! ```
//!
//! The needed size is Little's law, and something to spare for what comes unevenly: `size` derives it. Pure: `workers`
//! carries the messages.

mod advice;
mod desk;
mod queueing;
mod rules;
mod server;
mod size;
#[cfg(test)]
mod tests;
mod times;
mod window;

pub use desk::{Answers, Desk, Leak, Note, Seen};
pub use queueing::Queue;
pub use rules::Rules;
pub use window::Summary;
