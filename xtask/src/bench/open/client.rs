//! Clients of the open loop: a pool of kept-alive connections, and fresh ones.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Outcome;

const BLOCK: usize = 4096;

#[derive(Clone)]
pub(crate) struct Clients {
    port: u16,
    idle: Rc<RefCell<VecDeque<TcpStream>>>,
}

impl Clients {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, idle: Rc::default() }
    }

    pub(crate) async fn ask(&self, request: &str, fresh: bool) -> Outcome {
        let kept = if fresh { None } else { self.take_idle() };
        let mut stream = match kept {
            Some(stream) => stream,
            None => match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await {
                Ok(stream) => stream,
                Err(_) => return Outcome::Refused,
            },
        };
        // Fails on a connection that is none.
        let _ = stream.set_nodelay(true);
        if stream.write_all(request.as_bytes()).await.is_err() {
            return Outcome::Reset;
        }
        let (outcome, keeps) = receive(&mut stream).await;
        if keeps && !fresh {
            self.idle.borrow_mut().push_back(stream);
        }
        outcome
    }

    /// The connection that has been idle for the longest time, so that all are used alike, as those of many clients are;
    /// the one used last would keep most requests on few connections, and so on few threads of a server. As careful
    /// clients do: what the server has closed meanwhile is not used.
    fn take_idle(&self) -> Option<TcpStream> {
        loop {
            let stream = self.idle.borrow_mut().pop_front()?;
            let mut byte = [0];
            if stream.try_read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
                return Some(stream);
            }
        }
    }
}

/// Reads one answer; may the connection be used again?
async fn receive(stream: &mut TcpStream) -> (Outcome, bool) {
    let mut bytes = Vec::with_capacity(BLOCK);
    let head = loop {
        match stream.read_buf(&mut bytes).await {
            Ok(count) if count > 0 => {}
            _ if bytes.is_empty() => return (Outcome::Reset, false),
            _ => return (Outcome::Cut, false),
        }
        if let Some(head) = Head::parse(&bytes) {
            break head;
        }
    };
    match head.length {
        Some(length) => {
            while bytes.len() < head.end + length {
                match stream.read_buf(&mut bytes).await {
                    Ok(count) if count > 0 => {}
                    _ => return (Outcome::Cut, false),
                }
            }
        }
        // An error page that ends with its connection.
        None => while stream.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {},
    }
    let outcome = if head.status == 200 { Outcome::Ok } else { Outcome::Status(head.status, head.code) };
    (outcome, head.length.is_some() && !head.closes)
}

struct Head {
    end: usize,
    status: u16,
    length: Option<usize>,
    closes: bool,
    code: Option<String>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut head = Self { end, status, length: None, closes: false, code: None };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name {
                "content-length" => head.length = value.parse().ok(),
                "connection" => head.closes = value == "close",
                "x-plimsoll-error" => head.code = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_length_persistence_and_code() {
        let bytes = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\nX-Plimsoll-Error: worker_died\r\nConnection: close\r\n\r\nabc";
        let head = Head::parse(bytes).unwrap();
        assert_eq!((head.status, head.length, head.closes, head.end), (502, Some(3), true, bytes.len() - 3));
        assert_eq!(head.code.as_deref(), Some("worker_died"));
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Le").is_none());
    }
}
