//! How the program ends. The numbers are a contract with scripts and service managers.

use std::process::{ExitCode, Termination};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or drained without loss.
    Drained = 0,
    Failure = 1,
    /// Bad usage or settings.
    Usage = 2,
    /// The app did not start.
    NotStarted = 3,
    CrashLoop = 4,
    /// The drain deadline passed and requests were cut.
    Cut = 5,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit that `code` stands for; a code that this build does not know is a failure.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        [Self::Drained, Self::Usage, Self::NotStarted, Self::CrashLoop, Self::Cut]
            .into_iter()
            .find(|exit| exit.code() == code)
            .unwrap_or(Self::Failure)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
