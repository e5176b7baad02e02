//! The sockets of the data path behind one face, so that one pump serves every direction.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::trunk::RingStream;
use super::unix::UnixStream;

/// A socket that can say that something is there to read, before a buffer is borrowed for it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

/// A connection to a worker: memory shared with its agent, its agent's Unix socket, or plain TCP where there is no agent.
#[derive(Debug)]
pub(super) enum Stream {
    Ring(RingStream),
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Something is known to be there to read: bytes, an end, or an error. Nobody is woken for it.
    pub(super) fn is_readable(&self) -> bool {
        match self {
            Self::Ring(stream) => stream.is_readable(),
            Self::Unix(stream) => stream.is_readable(),
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || Ok(())).is_ok(),
        }
    }

    /// The agent has left it, and reads nothing more from it, whatever was sent. Of a socket that is not known so soon: its process may have
    /// died, see `inquest`.
    pub(super) fn is_left(&self) -> bool {
        matches!(self, Self::Ring(stream) if stream.is_left())
    }

    /// The other side has closed its end, and not only stopped sending. Of TCP that is never known.
    pub(super) fn is_hung_up(&self) -> bool {
        match self {
            Self::Ring(stream) => stream.is_left(),
            Self::Unix(stream) => stream.is_hung_up(),
            Self::Tcp(_) => false,
        }
    }
}

impl Socket for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Ring(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::Tcp(stream) => stream.poll_read_ready(cx),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Ring(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Ring(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Ring(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
