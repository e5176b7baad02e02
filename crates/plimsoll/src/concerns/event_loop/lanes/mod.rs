//! Lanes: routes that keep the loop for long are served by workers of their own.
//!
//! Rescue takes away what has not begun behind a blocked loop. It cannot help while every loop is blocked, which is what
//! a few requests of one heavy route at once do; and what has begun and waits (for a database, say) is stuck behind it
//! all the same. So a heavy route is kept to few workers, one request at a time in each, and the others never see it.
//!
//! [`cost`] says which routes are heavy, [`allot`] which workers are whose, [`demand`] when the lane would do more harm
//! than good, and [`yielding`] when the next heavy request may begin.

pub mod allot;
pub mod cost;
pub mod demand;
#[cfg(test)]
mod tests;
pub mod yielding;
