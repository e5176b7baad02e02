//! One connection of a client, which is never waited for.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::answer::Head;
use super::{Outcome, Stream};

/// Enough for the answers of most apps in one read, and for large ones in few.
const BLOCK: usize = 64 * 1024;

/// A request that is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) stream: usize,
    pub(crate) id: u64,
    /// From the beginning of the load.
    pub(crate) due: Duration,
    pub(crate) begun: Instant,
    pub(crate) is_fresh: bool,
}

impl Request {
    pub(crate) fn bytes(&self, what: &Stream) -> Vec<u8> {
        let Stream { method, target, .. } = what;
        let target = target.replace("{id}", &self.id.to_string());
        format!("{method} {target} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n").into_bytes()
    }
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The request whose answer is awaited.
    pub(crate) request: Option<Request>,
    /// What is sent as soon as the connection is made.
    unsent: Vec<u8>,
    head: Option<Head>,
    /// What has come of a head that is not whole.
    received: Vec<u8>,
}

/// What became of the request of a connection.
pub(crate) enum Step {
    Waits,
    /// It is over, and the connection may be used again.
    Kept(Outcome),
    Over(Outcome),
}

impl Connection {
    /// Begins to connect; `None` where it is refused at once.
    pub(crate) fn open(port: u16, request: Request, bytes: Vec<u8>) -> Option<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).ok()?;
        match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(_) => return None,
        }
        let stream = TcpStream::from(socket);
        // Fails on a connection that is none.
        let _ = stream.set_nodelay(true);
        Some(Self { stream, request: Some(request), unsent: bytes, head: None, received: Vec::new() })
    }

    pub(crate) fn is_connecting(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// The connection is made, or it is not.
    pub(crate) fn connected(&mut self) -> Step {
        if !matches!(self.stream.take_error(), Ok(None)) {
            return Step::Over(Outcome::Refused);
        }
        let bytes = std::mem::take(&mut self.unsent);
        self.write(&bytes)
    }

    pub(crate) fn send(&mut self, request: Request, bytes: &[u8]) -> Step {
        self.request = Some(request);
        self.write(bytes)
    }

    /// A request has few bytes, for which there is room in the buffer of a socket that is idle.
    fn write(&mut self, bytes: &[u8]) -> Step {
        match self.stream.write(bytes) {
            Ok(count) if count == bytes.len() => Step::Waits,
            _ => Step::Over(Outcome::Reset),
        }
    }

    /// As careful clients do: what the server has closed meanwhile is not used.
    pub(crate) fn is_usable(&self) -> bool {
        let mut byte = [0];
        self.stream.peek(&mut byte).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    pub(crate) fn receive(&mut self) -> Step {
        let mut block = [0; BLOCK];
        match self.stream.read(&mut block) {
            Ok(count) if count > 0 => self.take(block.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Step::Waits;
            }
            _ => return Step::Over(self.closed()),
        }
        match self.head.take_if(|head| head.is_whole()) {
            None => Step::Waits,
            Some(head) => {
                let is_kept = head.keeps_connection();
                let outcome = head.into_outcome();
                if is_kept { Step::Kept(outcome) } else { Step::Over(outcome) }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(head) = &mut self.head {
            return head.take_body(bytes);
        }
        self.received.extend_from_slice(bytes);
        self.head = Head::parse(&self.received);
        if let Some(head) = &mut self.head {
            head.take_body(self.received.get(head.end()..).unwrap_or_default());
            self.received.clear();
        }
    }

    fn closed(&mut self) -> Outcome {
        match self.head.take() {
            Some(head) if head.ends_by_close() => head.into_outcome(),
            None if self.received.is_empty() => Outcome::Reset,
            _ => Outcome::Cut,
        }
    }
}
