//! The lease: a budget (calls in flight, connections) is lent downwards, and who holds a part of it decides on the spot.
//!
//! ```text
//!               Ask { wants, held }                     in use
//!   Book  ◄─────────────────────────────  holder  ◄──────────────  the worker's calls
//!  (lender) ────────────────────────────► (worker)
//!               Grant { amount, serial }
//! ```
//!
//! The [`Book`] keeps, for each holder, what it was last granted and what it *owes*: the most that it may still be
//! using, given what it has confirmed. Only what nobody owes is given, so that the sum in use never exceeds the total,
//! whatever is delayed, lost or dies. To shrink a holder is to ask: what it gives back counts when it says so, or when
//! its lease has expired.
//!
//! Who gets how much is told by [`share`]: max-min fair on what each wants, at least 1 each where the total allows;
//! where it does not, they take turns. Idle spare stays where it is until somebody else is hungry.
//!
//! A fleet lends to a host as a host does to its workers: what the fleet grants is the book's total
//! ([`Book::set_total`]), and [`Book::owed`] is what the host must still be held to have. Pure: no clock, no I/O.

mod book;
mod share;
#[cfg(test)]
mod simulation;

pub use book::{Book, Grant, Terms};
