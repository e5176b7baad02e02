//! `logs`: what a worker writes is understood, kept or sampled, and counted.
//!
//! [`record`] is what the steps hand on to each other, and what a sink takes.

pub mod record;
