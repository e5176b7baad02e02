//! The least HTTP client: one kept-alive connection, over TCP or a Unix socket, requests one after the other.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

const PATIENCE: Duration = Duration::from_secs(20);
const HEAD_BYTES_MAX: usize = 16 * 1024;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Where a server is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp { port: u16, source: Ipv4Addr },
    Unix(PathBuf),
}

impl Address {
    pub(crate) fn port(port: u16) -> Self {
        Self::Tcp { port, source: Ipv4Addr::LOCALHOST }
    }

    pub(crate) fn path(path: &Path) -> Self {
        Self::Unix(path.to_owned())
    }
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &Address) -> anyhow::Result<Self> {
        let stream: Box<dyn Stream> = match address {
            Address::Tcp { port, source } => Box::new(connect_from(*source, *port)?),
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        };
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub(crate) fn get(&mut self, path: &str) -> anyhow::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.receive()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads one answer with a `Content-Length`.
    pub(crate) fn receive(&mut self) -> anyhow::Result<Response> {
        let (head, rest) = self.receive_head()?;
        let head = Head::parse(&head).context("the answer is not HTTP with a length")?;
        let mut body = rest;
        while body.len() < head.length {
            self.more(&mut body)?;
        }
        self.buffer = body.split_off(head.length);
        Ok(Response { status: head.status, body })
    }

    /// Reads the head of an answer; the body can then be read at one's own pace.
    pub(crate) fn into_body(mut self) -> anyhow::Result<Body> {
        let (head, rest) = self.receive_head()?;
        let head = Head::parse(&head).context("the answer is not HTTP with a length")?;
        Ok(Body { left: head.length.saturating_sub(rest.len()), stream: self.stream })
    }

    fn receive_head(&mut self) -> anyhow::Result<(String, Vec<u8>)> {
        let mut bytes = std::mem::take(&mut self.buffer);
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
            }
            if bytes.len() > HEAD_BYTES_MAX {
                bail!("the answer's head is longer than {HEAD_BYTES_MAX} bytes");
            }
            self.more(&mut bytes)?;
        }
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut block = [0; 16 * 1024];
        match self.stream.read(&mut block)? {
            0 => bail!("the connection was closed in the middle of an answer"),
            count => bytes.extend(block.iter().take(count)),
        }
        Ok(())
    }
}

/// What is still to come of an answer.
pub(crate) struct Body {
    pub(crate) left: usize,
    stream: Box<dyn Stream>,
}

impl Body {
    /// Reads some of it; tells how much.
    pub(crate) fn read(&mut self, block: &mut [u8]) -> anyhow::Result<usize> {
        let count = self.stream.read(block)?;
        if count == 0 {
            bail!("the connection was closed {} bytes before the end of the body", self.left);
        }
        self.left = self.left.saturating_sub(count);
        Ok(count)
    }
}

struct Head {
    status: u16,
    length: usize,
}

impl Head {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        })?;
        Some(Self { status, length })
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: &Address, path: &str) -> anyhow::Result<String> {
    let response = Connection::open(address)?.get(path)?;
    if response.status != 200 {
        bail!("{path} was answered {}", response.status);
    }
    Ok(String::from_utf8_lossy(&response.body).into_owned())
}

fn connect_from(source: Ipv4Addr, port: u16) -> anyhow::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if source != Ipv4Addr::LOCALHOST {
        bind(&socket, &SocketAddrV4::new(source, 0))?;
    }
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_whatever_the_case_of_their_names() {
        let head = Head::parse("HTTP/1.1 200 OK\r\ncontent-LENGTH: 13\r\n\r\n").unwrap();
        assert_eq!((head.status, head.length), (200, 13));
        assert!(Head::parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_none());
        assert!(Head::parse("rubbish").is_none());
    }
}
