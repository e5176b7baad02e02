//! Context: what a request carries through the app, and what the app pays to know it.
//!
//! [`tax`] is what promises cost because somebody follows them.

pub mod tax;
