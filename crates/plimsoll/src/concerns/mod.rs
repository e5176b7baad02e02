//! The seven concerns, pure: observations and `now` in, decisions out. No I/O, clock, task or log call here,
//! so that each is tested by tables, simulated and benchmarked without a server.

pub mod context;
pub mod downstream;
pub mod event_loop;
pub mod logs;
pub mod memory;
pub mod pools;
pub mod shutdown;
pub mod words;
