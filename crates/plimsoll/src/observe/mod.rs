//! What can be seen: counters, status, admin server, control socket.

pub mod http;
