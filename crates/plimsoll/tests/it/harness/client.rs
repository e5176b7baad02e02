//! A client that writes the bytes it is given and reads what comes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, ToSocketAddrs};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

use super::response::{Parsed, Response};
use super::wait::PATIENCE;

/// One connection, with the bytes that were received and not yet read.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    ended: bool,
}

/// Has this process open as many files as it may: for tests with many clients at once.
pub(crate) fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

impl Client {
    pub(crate) fn connect(address: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new(), ended: false }
    }

    /// The status of a `GET`, or `None` if nobody answers properly (yet).
    pub(crate) fn try_get(port: u16, target: &str) -> Option<u16> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// As [`Self::send`], but the other side may have closed already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer to a request of `method`; interim answers come as answers of their own.
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let response = self.try_response(method);
        response.unwrap_or_else(|| panic!("cut: {:?}", String::from_utf8_lossy(&self.received)))
    }

    /// As [`Self::response`], or `None` if the connection ends before the answer does.
    pub(crate) fn try_response(&mut self, method: &str) -> Option<Response> {
        loop {
            match Response::parse(&self.received, method, self.ended) {
                Parsed::Whole(response) => {
                    self.received.drain(..response.raw.len());
                    return Some(response);
                }
                Parsed::Partial if !self.ended => self.receive(),
                Parsed::Partial => return None,
            }
        }
    }

    /// The next answer that is not an interim one.
    pub(crate) fn final_response(&mut self, method: &str) -> Response {
        loop {
            let response = self.response(method);
            if response.status >= 200 || response.status == 101 {
                return response;
            }
        }
    }

    /// Reads until `count` bytes are there and takes them.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count && !self.ended {
            self.receive();
        }
        assert!(self.received.len() >= count, "cut: {:?}", String::from_utf8_lossy(&self.received));
        self.received.drain(..count).collect()
    }

    /// Reads until `text` has come and takes everything up to its end.
    pub(crate) fn take_past(&mut self, text: &str) -> Vec<u8> {
        loop {
            let found = self.received.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(position) = found {
                return self.received.drain(..position + text.len()).collect();
            }
            assert!(!self.ended, "no {text:?} in {:?}", String::from_utf8_lossy(&self.received));
            self.receive();
        }
    }

    /// Everything until the other side closes, orderly or by a reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while !self.ended {
            self.receive();
        }
        std::mem::take(&mut self.received)
    }

    /// The length of some more bytes, which are dropped, or `None` at the end.
    pub(crate) fn piece(&mut self) -> Option<usize> {
        if self.received.is_empty() && !self.ended {
            self.receive();
        }
        let length = self.received.len();
        self.received.clear();
        (length > 0).then_some(length)
    }

    /// What is left of an answer that is never completed: everything until the connection closes, and whether
    /// the answer was whole.
    pub(crate) fn until_closed(&mut self, method: &str) -> (Vec<u8>, bool) {
        let bytes = self.rest();
        let whole = matches!(Response::parse(&bytes, method, false), Parsed::Whole(_));
        (bytes, whole)
    }

    fn receive(&mut self) {
        let mut piece = [0; 256 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(n) => self.received.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("silence after {:?}", String::from_utf8_lossy(&self.received))
            }
            Err(error) => panic!("receive: {error}"),
        }
    }
}

/// One request on a connection of its own.
pub(crate) fn request(port: u16, method: &str, bytes: impl AsRef<[u8]>) -> Response {
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port));
    client.send(bytes);
    client.final_response(method)
}

pub(crate) fn get(port: u16, target: &str) -> Response {
    request(port, "GET", format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

/// With header lines of its own.
pub(crate) fn get_with(port: u16, target: &str, headers: &str) -> Response {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    request(port, "GET", head)
}

pub(crate) fn get_json(port: u16, target: &str) -> Value {
    let response = get(port, target);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}
