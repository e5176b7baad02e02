//! PLACE 2: the worker processes.

pub mod agent_files;
