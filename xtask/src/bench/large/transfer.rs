//! One large body through a proxy, at a pace, with a look at the proxy now and then.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::super::client::{Address, Connection};
use super::super::wait;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Before the slow reader reads its first byte: whoever would buffer has the time to.
const HESITATION: Duration = Duration::from_secs(1);
const BLOCK: usize = 256 << 10;

#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    Full,
    /// So many bytes per second.
    Slow(usize),
}

type Look<'a> = &'a mut dyn FnMut() -> anyhow::Result<()>;

pub(super) fn download(port: u16, bytes: usize, pace: Pace, look: Look<'_>) -> anyhow::Result<()> {
    let mut connection = Connection::open(&Address::port(port))?;
    connection.send(format!("GET /{bytes} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes())?;
    let mut body = connection.into_body()?;
    let mut block = vec![0; BLOCK];
    let mut looks = Looks::start(look);
    let mut meter = Meter::start(pace);
    while body.left > 0 {
        looks.maybe()?;
        let count = body.read(&mut block)?;
        meter.passed(count);
    }
    looks.now()
}

pub(super) fn upload(port: u16, bytes: usize, look: Look<'_>) -> anyhow::Result<()> {
    let mut connection = Connection::open(&Address::port(port))?;
    connection
        .send(format!("PUT / HTTP/1.1\r\nHost: bench\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())?;
    let block = vec![b'x'; BLOCK];
    let mut looks = Looks::start(look);
    let mut left = bytes;
    while left > 0 {
        looks.maybe()?;
        let part = block.get(..left.min(BLOCK)).unwrap_or(&block);
        connection.send(part)?;
        left -= part.len();
    }
    let arrived = String::from_utf8_lossy(&connection.receive()?.body).into_owned();
    if arrived != bytes.to_string() {
        bail!("of {bytes} bytes {arrived} arrived");
    }
    looks.now()
}

/// Holds a reader to its pace.
struct Meter {
    pace: Pace,
    begun: Instant,
    bytes: usize,
}

impl Meter {
    fn start(pace: Pace) -> Self {
        if let Pace::Slow(_) = pace {
            wait::pause(HESITATION);
        }
        Self { pace, begun: Instant::now(), bytes: 0 }
    }

    fn passed(&mut self, count: usize) {
        self.bytes += count;
        let Pace::Slow(rate) = self.pace else { return };
        let due = Duration::from_secs_f64(self.bytes as f64 / rate as f64);
        wait::pause(due.saturating_sub(self.begun.elapsed()));
    }
}

struct Looks<'a> {
    look: Look<'a>,
    last: Instant,
}

impl<'a> Looks<'a> {
    fn start(look: Look<'a>) -> Self {
        Self { look, last: Instant::now() }
    }

    fn maybe(&mut self) -> anyhow::Result<()> {
        if self.last.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.last = Instant::now();
        self.now()
    }

    fn now(&mut self) -> anyhow::Result<()> {
        (self.look)()
    }
}
