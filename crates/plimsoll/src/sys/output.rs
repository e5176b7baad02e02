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
        self.write_rest(bytes, &mut 0)
    }

    /// As [`Self::write_all`], but for the first `written` bytes. What leaves is added to `written`, also where
    /// the rest does not: that can be tried again.
    ///
    /// # Errors
    /// As [`Self::write_all`].
    pub fn write_rest(self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        match self {
            Self::Stdout => write_fully(io::stdout().lock().as_fd(), bytes, written),
            Self::Stderr => write_fully(io::stderr().lock().as_fd(), bytes, written),
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
fn write_fully(stream: BorrowedFd<'_>, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = bytes.get(*written..).filter(|rest| !rest.is_empty()) {
        match write(stream, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => *written += length,
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

#[cfg(test)]
mod tests {
    use rustix::io::{ioctl_fionbio, ioctl_fionread};
    use rustix::pipe::pipe;

    use super::*;

    #[test]
    fn what_has_left_before_an_error_is_known_and_does_not_leave_again() {
        let (reader, writer) = pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let mut written = 0;
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                while ioctl_fionread(&reader).unwrap() == 0 {}
                drop(reader);
            });
            write_fully(writer.as_fd(), &bytes, &mut written).unwrap_err()
        });
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(written > 0 && written < bytes.len(), "{written}");

        let (reader, writer) = pipe().unwrap();
        let mut written = 3;
        write_fully(writer.as_fd(), b"one two", &mut written).unwrap();
        assert_eq!((written, ioctl_fionread(&reader).unwrap()), (7, 4));
    }
}
