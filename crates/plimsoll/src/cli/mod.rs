//! One file per verb.

pub mod instance;
pub mod ps;
pub mod stop;
