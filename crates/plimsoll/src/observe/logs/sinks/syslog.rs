//! Syslog as RFC 5424 has it, over UDP (RFC 5426), TCP (octet counting, RFC 6587), TLS (RFC 5425) or a Unix socket.
//!
//! What has left over UDP may be lost on the way without anybody knowing; a Unix socket of datagrams says when it is
//! full. Whatever fails is connected anew.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{ToSocketAddrs as _, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;

use super::Identity;
use super::patient::{Patient, wait};
use crate::concerns::logs::record::{Level, Record};
use crate::config::{SyslogAddress, SyslogSink};
use crate::observe::ship::queue::Limits;
use crate::observe::ship::until::Until;
use crate::observe::ship::{Outlet, Trouble};
use crate::observe::tls::{self, Tls, TlsStream};
use crate::observe::units::Utc;

const BATCH_BYTES: usize = 64 * 1024;
/// What RFC 5426 asks receivers to take at the least is 480 bytes, and 2,048 if they can; common ones take 8 KB.
const DATAGRAM_BYTES_MAX: usize = 8192;

pub(super) struct ToSyslog {
    settings: SyslogSink,
    tls: Tls,
    host: String,
    app: String,
    connection: Option<Connection>,
    text: Vec<u8>,
    /// Of the current batch: so many have left. They do not leave again when the rest is tried once more.
    sent: usize,
}

enum Connection {
    Udp(UdpSocket),
    Tcp(Patient),
    Tls(Box<TlsStream<Patient>>),
    Unix(UnixDatagram),
}

impl Connection {
    fn stream(&mut self) -> Option<&mut dyn Write> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream),
            Self::Udp(_) | Self::Unix(_) => None,
        }
    }

    /// The connection, unless the other side has closed it: the first write after that would succeed, and be lost.
    fn still_open(mut self) -> Option<Self> {
        let is_open = match &mut self {
            Self::Udp(_) | Self::Unix(_) => true,
            Self::Tcp(stream) => {
                stream.is_waiting = false;
                let is_open = is_open(stream);
                stream.is_waiting = true;
                is_open
            }
            Self::Tls(stream) => {
                stream.sock.is_waiting = false;
                let is_open = is_open(stream);
                stream.sock.is_waiting = true;
                is_open
            }
        };
        is_open.then_some(self)
    }
}

/// Nothing is expected from there: what comes is thrown away.
fn is_open(stream: &mut impl Read) -> bool {
    let mut nothing = [0; 1024];
    loop {
        match stream.read(&mut nothing) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
            Ok(0) => return false,
        }
    }
}

impl Drop for Connection {
    /// What lies here unread would make closing a reset, and that might overtake what was written.
    fn drop(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _gone_already = stream.flush();
            stream.sock.is_waiting = false;
            is_open(stream);
        }
    }
}

impl ToSyslog {
    pub(super) fn new(settings: &SyslogSink, identity: &Identity) -> Self {
        Self {
            settings: settings.clone(),
            tls: Tls::new(settings.ca.clone()),
            host: word(&identity.host, 255),
            app: word(&identity.service, 48),
            connection: None,
            text: Vec::new(),
            sent: 0,
        }
    }

    fn connect(&self, until: &Until) -> io::Result<Connection> {
        Ok(match &self.settings.address {
            SyslogAddress::Udp { host, port } => {
                let to = resolve(host, *port)?;
                let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(from)?;
                socket.connect(to)?;
                socket.set_nonblocking(true)?;
                Connection::Udp(socket)
            }
            SyslogAddress::Tcp { host, port } => {
                Connection::Tcp(Patient::connect(resolve(host, *port)?, until)?)
            }
            SyslogAddress::Tls { host, port } => {
                let stream = Patient::connect(resolve(host, *port)?, until)?;
                Connection::Tls(Box::new(self.tls.connect_blocking(host, stream)?))
            }
            SyslogAddress::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_nonblocking(true)?;
                Connection::Unix(socket)
            }
        })
    }

    fn send(&mut self, batch: &[Arc<Record>], until: &Until) -> io::Result<()> {
        let kept = self.connection.take().and_then(Connection::still_open);
        let mut connection = kept.map_or_else(|| self.connect(until), Ok)?;
        if let Some(stream) = connection.stream() {
            // All of the batch again: how much of it has arrived is not known.
            let mut frames = Vec::new();
            for record in batch {
                self.message(record, usize::MAX);
                frames.extend_from_slice(self.text.len().to_string().as_bytes());
                frames.push(b' ');
                frames.extend_from_slice(&self.text);
            }
            stream.write_all(&frames)?;
            stream.flush()?;
        } else {
            while let Some(record) = batch.get(self.sent) {
                self.message(record, DATAGRAM_BYTES_MAX);
                match &connection {
                    Connection::Udp(socket) => datagram(socket, || socket.send(&self.text), until)?,
                    Connection::Unix(socket) => datagram(socket, || socket.send(&self.text), until)?,
                    Connection::Tcp(_) | Connection::Tls(_) => {}
                }
                self.sent += 1;
            }
        }
        self.sent = 0;
        self.connection = Some(connection);
        Ok(())
    }

    /// `<PRI>1 TIME HOST APP PID STREAM - LINE`
    fn message(&mut self, record: &Record, bytes_max: usize) {
        let priority = self.settings.facility * 8 + severity(record.level);
        let time = Utc::of(record.at).timestamp();
        let head = format!(
            "<{priority}>1 {time} {} {} {} {} - ",
            self.host,
            self.app,
            record.pid,
            record.stream.word()
        );
        self.text.clear();
        self.text.extend_from_slice(head.as_bytes());
        self.text.extend_from_slice(&record.line);
        self.text.truncate(bytes_max);
    }
}

impl Outlet<Record> for ToSyslog {
    fn deliver(&mut self, batch: &[Arc<Record>], until: &Until) -> Result<(), Trouble> {
        self.send(batch, until).map_err(|error| {
            let hint = tls::hint(&error).unwrap_or(match error.kind() {
                ErrorKind::NotFound => "see that syslog runs, or that the container has its socket",
                ErrorKind::PermissionDenied => "make the socket writable for the user that runs plimsoll",
                _ => "see that syslog runs and that `address` is right",
            });
            Trouble::later(format!("{} does not take it: {error}", self.settings.address), hint)
        })
    }

    fn limits(&self) -> Limits {
        Limits { bytes: BATCH_BYTES, within: Duration::ZERO }
    }
}

/// Sends it when there is room.
fn datagram(socket: &impl AsFd, send: impl Fn() -> io::Result<usize>, until: &Until) -> io::Result<()> {
    loop {
        match send() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(socket, PollFlags::OUT, until)?,
            sent => return sent.map(drop),
        }
    }
}

fn resolve(host: &str, port: u16) -> io::Result<std::net::SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the name has no address"))
}

/// Visible ASCII alone, as the head of a message has it.
fn word(text: &str, most: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Fatal => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::observe::logs::sinks::tests::record;
    use crate::observe::ship::until::{Ending, Then};

    const MESSAGE: &str = "<131>1 2026-11-27T18:22:33.123Z pod-1 shop 7 stdout - lost\n  at x";

    fn sink(address: SyslogAddress) -> ToSyslog {
        let identity = Identity { service: "sh op".to_owned(), host: "pod-1".to_owned() };
        ToSyslog::new(&SyslogSink { address, ca: None, facility: 16 }, &identity)
    }

    #[test]
    fn datagrams_are_messages() {
        let batch = [record(Level::Error, "lost\n  at x"), record(Level::Info, vec![b'x'; 10_000])];
        let mut buffer = vec![0; 65_536];
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        sink(SyslogAddress::Udp { host: "127.0.0.1".to_owned(), port })
            .deliver(&batch, &Until::never())
            .unwrap();
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), MESSAGE);
        assert_eq!(receiver.recv(&mut buffer).unwrap(), DATAGRAM_BYTES_MAX);

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut sink = sink(SyslogAddress::Unix(path.clone()));
        assert!(
            matches!(sink.deliver(&batch, &Until::never()), Err(Trouble::Later { .. })),
            "it is not there yet"
        );
        let receiver = UnixDatagram::bind(&path).unwrap();
        sink.deliver(&batch, &Until::never()).unwrap();
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), MESSAGE);
    }

    #[test]
    fn a_stream_has_the_length_before_each_message() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sink = sink(SyslogAddress::Tcp { host: "127.0.0.1".to_owned(), port });
        let batch = [record(Level::Error, "lost\n  at x"), record(Level::Error, "lost\n  at x")];
        sink.deliver(&batch, &Until::never()).unwrap();
        drop(sink);
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        let frame = format!("{} {MESSAGE}", MESSAGE.len());
        assert_eq!(text, format!("{frame}{frame}"));
    }

    #[test]
    fn whoever_does_not_read_is_given_up_when_the_end_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let _never_reads = UnixDatagram::bind(&path).unwrap();
        let batch: Vec<_> = (0..16).map(|_| record(Level::Info, vec![b'x'; 1 << 20])).collect();
        let small: Vec<_> = (0..10_000).map(|_| record(Level::Info, "x")).collect();
        let begun = Instant::now();
        for (address, batch) in [
            (SyslogAddress::Tcp { host: "127.0.0.1".to_owned(), port }, &batch),
            (SyslogAddress::Unix(path), &small),
        ] {
            let ending = Ending::new();
            let until = ending.until(Then::Nothing);
            let outcome = std::thread::scope(|scope| {
                let attempt = scope.spawn(|| sink(address).deliver(batch, &until));
                ending.tell(Instant::now() + Duration::from_millis(200));
                attempt.join().unwrap()
            });
            assert!(matches!(outcome, Err(Trouble::Later { .. })), "{outcome:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
