//! Our own standard output and error, written in whole pieces.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};

/// One of our two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Stdout,
    Stderr,
}

impl Target {
    /// Writes all of `bytes` before anyone else may write to the same stream. Blocks for as long as the
    /// reader of the stream does: never call it where that matters.
    ///
    /// # Errors
    /// The stream is closed (`EPIPE`) or broken.
    pub fn write_all(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_fully(io::stdout().lock().as_fd(), bytes),
            Self::Stderr => write_fully(io::stderr().lock().as_fd(), bytes),
        }
    }

    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }
}

/// The stream may be non-blocking: whoever shares it with us can have made it so.
fn write_fully(stream: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(stream, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_writable(stream)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_writable(stream: BorrowedFd<'_>) -> io::Result<()> {
    match poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
