//! PLACE 2: the worker processes.
//!
//! ```text
//!            signals, ends of processes ─┐
//!  agent ── channel ── Event::Agent ─────┤                    ┌─ spawn, signals
//!  command ── watch ── Event::Seen ──────┼─► supervisor ──────┼─ endpoints ── Front (the gateway)
//!            Request (status, stop) ─────┘   └ Fleet (pure)   └─ one line per event
//!  stdout, stderr ── pipes ──► observe::logs
//! ```
//!
//! The supervisor owns all state of the workers and hears of everything through one closed [`Event`]. It
//! decides nothing about the life of a worker itself: it hands what happened to the pure
//! `concerns::shutdown::Fleet` and does what that says. The gateway is not imported here: `app` gives the
//! supervisor a [`Front`].

pub mod agent_files;
mod calibration;
mod channel;
mod endpoints;
mod environment;
mod front;
mod page;
mod process;
mod report;
mod spawn;
mod supervisor;
mod watch;

pub use channel::{Listen, Said};
pub use front::{Bind, Front, Target};
pub use page::{LeftBehind, Running};
pub use supervisor::{
    Death, Ended, Error, Event, LeakTold, Recycled, Request, Settings, Snapshot, Stops, Supervisor, Worker,
};
