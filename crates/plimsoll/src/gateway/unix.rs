//! A Unix stream that is watched for reading only.
//!
//! Each time the worker takes a message out of its socket, the kernel tells the sender's side that there is
//! room again. A stream that is watched for writing too is woken by that once per request, for nothing. So
//! this one registers for reading, and for writing only while a write has found the socket full.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as Std;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::sys::readiness;

#[derive(Debug)]
pub(super) struct UnixStream {
    stream: AsyncFd<Std>,
    /// A second descriptor of the same socket, registered for writing; only while a write waits.
    room: Option<AsyncFd<Std>>,
}

impl UnixStream {
    /// Takes over a connected, non-blocking stream.
    ///
    /// # Errors
    /// The event queue takes no more descriptors.
    pub(super) fn new(stream: Std) -> io::Result<Self> {
        Ok(Self { stream: readiness::register(stream, Interest::READABLE)?, room: None })
    }

    /// As far as the event queue has told: asks neither the kernel nor to be woken.
    pub(super) fn is_readable(&self) -> bool {
        self.stream.try_io(Interest::READABLE, |_| Ok(())).is_ok()
    }

    /// The other side has closed its end, and not only stopped sending. Asks the kernel.
    pub(super) fn is_hung_up(&self) -> bool {
        let mut ends = [PollFd::new(self.stream.get_ref(), PollFlags::empty())];
        poll(&mut ends, Some(&Timespec::default())).is_ok()
            && ends.iter().any(|end| end.revents().contains(PollFlags::HUP))
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx).map_ok(drop)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let room = match &mut self.room {
            Some(room) => room,
            none => none.insert(readiness::register(self.stream.get_ref().try_clone()?, Interest::WRITABLE)?),
        };
        ready!(room.poll_write_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.stream.poll_read_ready(cx))?;
            let unfilled = buffer.initialize_unfilled();
            let room = unfilled.len();
            match guard.get_inner().read(unfilled) {
                Ok(count) => {
                    // Less than there was room for: the socket is empty, no need to ask it again.
                    if count > 0 && count < room {
                        guard.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.stream.get_ref().write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_room(cx))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => {
                    self.room = None;
                    return Poll::Ready(done);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(std::net::Shutdown::Write))
    }
}
