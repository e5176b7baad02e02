//! One file per verb.

pub mod instance;
mod output;
pub mod ps;
pub mod stop;
