//! Exit codes: part of the contract with scripts and with Kubernetes, which shows them in `lastState`.

use std::process::ExitCode;

/// How `plimsoll` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All requests in flight were finished; or the verb did what it was asked.
    Drained = 0,
    /// Something else went wrong, and was said.
    Failure = 1,
    /// The command line or the settings are wrong; nothing was started.
    Usage = 2,
    /// The app did not start.
    NotStarted = 3,
    /// The app started and died again and again.
    CrashLoop = 4,
    /// The drain deadline passed and requests were cut; their number was said.
    Cut = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
