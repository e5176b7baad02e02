//! What can be seen: counters, status, admin server, control socket.

pub mod control;
pub mod histogram;
pub mod http;
pub mod metrics;
pub mod status;
