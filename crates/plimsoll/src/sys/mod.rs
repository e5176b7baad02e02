//! The operating system: safe, small wrappers. The only unsafe code of this crate is here.
//!
//! Nothing here decides anything; what is more than a call (reading a quota, judging a directory) has its
//! pure part in a function of its own with a table.

pub mod cgroup;
pub mod child;
pub mod errno;
pub mod heap;
pub mod limits;
pub mod nap;
pub mod node_version;
pub mod output;
pub mod page;
pub mod probe;
pub mod proc;
pub mod process;
pub mod readiness;
pub mod room;
pub mod runtime_dir;
pub mod scheduling;
pub mod shared;
pub mod signals;
pub mod ticker;
