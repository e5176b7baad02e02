//! The operating system: the only unsafe code of this crate.
pub mod readiness;
