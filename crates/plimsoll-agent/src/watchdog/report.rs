//! The watchdog's own connection to the supervisor.
//!
//! It is written to without waiting: what a slow supervisor leaves no room for is dropped whole and counted, and
//! a supervisor that is gone ends the watch.

use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;

use plimsoll_wire::VERSION;
use plimsoll_wire::message::FromAgent;

/// Bytes that wait for room in the socket.
const PENDING_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Report {
    socket: UnixStream,
    /// The rest of what the socket took in part, and frames behind it.
    pending: Vec<u8>,
    dropped: u32,
}

/// The supervisor is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl Report {
    pub(super) fn open(path: &str) -> Result<Self, Gone> {
        let socket = UnixStream::connect(path).map_err(|_refused| Gone)?;
        socket.set_nonblocking(true).map_err(|_odd| Gone)?;
        let mut report = Self { socket, pending: Vec::new(), dropped: 0 };
        report.say(&FromAgent::Watchdog { version: VERSION, pid: std::process::id() })?;
        Ok(report)
    }

    pub(super) fn say(&mut self, message: &FromAgent) -> Result<(), Gone> {
        let frame = message.write();
        if self.pending.len() + frame.len() > PENDING_MAX {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.pending.extend(frame);
        }
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(0) => return Err(Gone),
                Ok(written) => {
                    self.pending.drain(..written);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_broken) => return Err(Gone),
            }
        }
        Ok(())
    }
}
