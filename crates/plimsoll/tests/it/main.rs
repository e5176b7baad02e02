//! End to end: the real binary, real Node, the apps of `examples/` and small ones written for one question.
//!
//! Most tests ask the same thing of plain `node app.js` and of `plimsoll run -- node app.js` and compare the
//! answers, because that is the promise. `PLIMSOLL_TEST_NODE` names the node program to use (else the one on
//! `PATH`). No test uses a fixed port, waits a fixed time, or asserts how long something took.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, in its helpers too"
)]

mod aborts;
mod access_log;
mod address;
mod admin;
mod bad_worker;
mod claims;
mod clients;
mod container;
mod context;
mod dashboard;
mod deaths;
mod differential;
mod doctor;
mod downstream;
mod event_loop;
mod examples;
mod flat_memory;
mod harness;
mod incidents;
mod keep_alive;
mod lanes;
mod life;
mod limits;
mod log_sinks;
mod log_tls;
mod logs;
mod memory;
mod metrics;
mod pool_libraries;
mod pools;
mod ports;
mod profile;
mod reload;
mod same_figures;
mod shop;
mod stalls;
mod startup;
mod stop;
mod stuck_stderr;
mod tax;
mod tls;
mod top;
mod transparency;
mod trunks;
mod websocket;
