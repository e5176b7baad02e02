//! The native half of the agent: what JavaScript cannot ask the kernel.
//!
//! Two functions: `peerName(fd)`, the address a Unix socket's other end is bound to ([`peer_name`]), and
//! `mapPage(path)`, the memory that the worker shares with the gateway ([`page`]).
//!
//! Everything else of the agent is plain CommonJS in `js/`, which works, with less, when this addon cannot be
//! loaded (other libc, permission model).
//!
//! [`node_api`] is the edge to Node; it and [`sys`] are the only modules with unsafe code. It
//! speaks raw Node-API: a call costs a few nanoseconds, one binary serves every Node from 18 on, and nothing but
//! `libc` is pulled into other people's processes. Nothing here may panic: the addon is built with
//! `panic = "abort"`, and an abort would end the app.

mod node_api;
mod page;
mod peer_name;
mod sys;
