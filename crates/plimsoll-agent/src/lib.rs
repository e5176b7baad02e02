//! The native half of the agent: what JavaScript cannot ask the kernel.
//!
//! `peerName(fd)` is the address a Unix socket's other end is bound to ([`peer_name`]), `mapPage(path)` the memory
//! that the worker shares with the gateway ([`page`]), and `watch(path, threshold)` starts the thread that sees the
//! loop stand still ([`watchdog`]). `openTrunk(fd, heed)` takes the memory that links go through ([`trunk`]).
//!
//! Everything else of the agent is plain CommonJS in `js/`, which works, with less, when this addon cannot be
//! loaded (other libc, permission model).
//!
//! [`node_api`] is the edge to Node, [`engine`] the one to V8 and libuv; they and [`sys`] are the only modules with
//! unsafe code, but for a few lines in the watchdog that are called from there. Node-API is spoken raw Node-API: a call costs a few nanoseconds, one binary serves every Node from 18 on, and nothing but
//! `libc` is pulled into other people's processes. Nothing here may panic: the addon is built with
//! `panic = "abort"`, and an abort would end the app.

mod engine;
mod node_api;
mod page;
mod peer_name;
mod sys;
mod trunk;
mod watchdog;
