//! Plimsoll: everything outside Node. `main → app → {gateway, workers} → observe → concerns → {config, lease, wire}`;
//! `sys`, `routes`, `ids`, `percent` and `exit` are leaves; `gateway` and `workers` never import each other. See ARCHITECTURE.md.

pub mod app;
pub mod cli;
pub mod concerns;
pub mod config;
pub mod exit;
pub mod gateway;
pub mod ids;
pub mod lease;
pub mod observe;
pub mod percent;
pub mod routes;
pub mod sys;
pub mod workers;
