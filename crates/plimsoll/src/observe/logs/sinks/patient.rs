//! Waiting for a socket: for so long, and not beyond the end, which may come meanwhile.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::observe::ship::until::Until;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether the end has come.
const LOOK: Duration = Duration::from_millis(50);

/// A connection whose reads and writes wait like that.
pub(super) struct Patient {
    stream: TcpStream,
    until: Until,
    /// Otherwise what would have to be waited for fails.
    pub(super) is_waiting: bool,
}

impl Patient {
    pub(super) fn connect(to: SocketAddr, until: &Until) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
                wait(&socket, PollFlags::OUT, until)?;
                socket.take_error()?.map_or(Ok(()), Err)?;
            }
            connected => connected?,
        }
        Ok(Self { stream: socket.into(), until: until.clone(), is_waiting: true })
    }

    fn wait(&self, what: PollFlags) -> io::Result<()> {
        if !self.is_waiting {
            return Err(ErrorKind::WouldBlock.into());
        }
        wait(&self.stream, what, &self.until)
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::IN)?,
                done => return done,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::OUT)?,
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Until the socket can be written to, or read from.
///
/// # Errors
/// It took too long, or the end has come.
pub(super) fn wait(socket: &impl AsFd, what: PollFlags, until: &Until) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let left = until.within(TIMEOUT.saturating_sub(begun.elapsed()));
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let look = Timespec::try_from(left.min(LOOK)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(socket, what)], Some(&look)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
