//! Clients that take their time, a thousand at once, and good clients beside them.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::open;
use crate::bench::peer::Setup;
use crate::bench::procfs;
use crate::conformance::good::Good;
use crate::conformance::ground::{Ground, file};

const CLIENTS: usize = 1000;
/// Good clients, beside.
const CALM_SECONDS: f64 = 3.0;
const ATTACK: Duration = Duration::from_secs(22);
/// The last of them has come by then.
const ARRIVE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_secs(2);
/// Where there is a limit, it is this one: the setting's default, or set so.
const LIMIT: Duration = Duration::from_secs(10);
/// The gateway's clock ticks every 100 ms; the rest is a busy machine's.
const LATE_MAX: Duration = Duration::from_secs(4);

/// What slow clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A header that gets longer and does not end.
    Headers,
    /// A body, byte by byte.
    Bodies,
    /// A body that is announced and does not come.
    SilentBodies,
    /// They ask for much and read nothing.
    Readers,
}

pub(super) fn headers(ground: &Ground) -> anyhow::Result<(String, bool)> {
    measure(ground, Kind::Headers)
}

pub(super) fn bodies(ground: &Ground) -> anyhow::Result<(String, bool)> {
    measure(ground, Kind::Bodies)
}

pub(super) fn silent_bodies(ground: &Ground) -> anyhow::Result<(String, bool)> {
    measure(ground, Kind::SilentBodies)
}

pub(super) fn readers(ground: &Ground) -> anyhow::Result<(String, bool)> {
    measure(ground, Kind::Readers)
}

fn measure(ground: &Ground, kind: Kind) -> anyhow::Result<(String, bool)> {
    let settings = vec![("PLIMSOLL_GATEWAY_BODY_TIMEOUT", "10s"), ("PLIMSOLL_GATEWAY_WRITE_TIMEOUT", "10s")];
    let setup = Setup { workers: 2, script: file("apps/slow.js"), settings, ..Setup::default() };
    let serving = ground.serve(&setup)?;
    let port = serving.port;
    let before = procfs::memory(&[serving.pid()?])?.rss;
    let (good, closed) = Good::beside(port, CALM_SECONDS, ATTACK.as_secs_f64(), |_| attack(port, kind))?;
    let grown_mb = (procfs::memory(&[serving.pid()?])?.rss as f64 - before as f64) / 1e6;
    let failures = open::failures(&good.beside);
    let how: Vec<String> = failures.iter().map(|(how, count)| format!("{count} {how}")).collect();
    let how = if how.is_empty() { String::new() } else { format!(" ({})", how.join(", ")) };
    let figure = format!(
        "good clients: {} of {} failed{how}, p99 {:.1} ms before, {:.1} ms beside; {}; {grown_mb:.0} MB more",
        good.failed(),
        good.beside.len(),
        good.calm_ms,
        good.beside_ms,
        closed.words()
    );
    Ok((figure, good.are_unharmed() && closed.are_in_time()))
}

/// After how long the slow ones were closed; those that were not are not in it.
struct Closed(Vec<Duration>);

impl Closed {
    fn are_in_time(&self) -> bool {
        let late = LIMIT + LATE_MAX;
        self.0.len() == CLIENTS && self.0.iter().all(|after| *after < late && *after > LIMIT / 2)
    }

    fn words(&self) -> String {
        let seconds = |after: Option<&Duration>| after.map_or(0.0, Duration::as_secs_f64);
        match self.0.len() {
            0 => format!("none of {CLIENTS} slow ones closed"),
            count => format!(
                "{count} of {CLIENTS} slow ones closed, after {:.1} to {:.1} s",
                seconds(self.0.iter().min()),
                seconds(self.0.iter().max())
            ),
        }
    }
}

/// On a thread of its own, beside that of the good clients.
fn attack(port: u16, kind: Kind) -> anyhow::Result<Closed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    Ok(local.block_on(&runtime, async {
        let mut all = tokio::task::JoinSet::new();
        for number in 0..CLIENTS {
            all.spawn_local(tokio::time::timeout(ATTACK, async move {
                // All at once would be another attack: what it does is over when the last has come.
                tokio::time::sleep(ARRIVE / CLIENTS as u32 * number as u32).await;
                one(port, kind).await
            }));
        }
        let mut closed = Vec::new();
        while let Some(ended) = all.join_next().await {
            if let Ok(Ok(Some(after))) = ended {
                closed.push(after);
            }
        }
        Closed(closed)
    }))
}

/// Until the gateway closes it: how long that took. `None`: it could not begin.
async fn one(port: u16, kind: Kind) -> Option<Duration> {
    let mut stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let begun = Instant::now();
    let head: &[u8] = match kind {
        Kind::Headers => b"GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: ",
        Kind::Bodies | Kind::SilentBodies => {
            b"POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n"
        }
        Kind::Readers => b"GET /large HTTP/1.1\r\nHost: slow\r\n\r\n",
    };
    stream.write_all(head).await.ok()?;
    match kind {
        Kind::Headers | Kind::Bodies => drip(&mut stream).await,
        Kind::SilentBodies => until_closed(&mut stream).await,
        Kind::Readers => until_reset(&mut stream).await,
    }
    Some(begun.elapsed())
}

async fn drip(stream: &mut TcpStream) {
    let mut byte = [0];
    loop {
        tokio::select! {
            // An answer (408) counts as the end, its close follows.
            _ = stream.read(&mut byte) => return,
            () = tokio::time::sleep(STEP) => {}
        }
        if stream.write_all(b"a").await.is_err() {
            return;
        }
    }
}

async fn until_closed(stream: &mut TcpStream) {
    let mut block = [0; 512];
    while stream.read(&mut block).await.is_ok_and(|count| count > 0) {}
}

/// The end cannot be read, for that would be reading. But who closed answers each further byte with a reset.
async fn until_reset(stream: &mut TcpStream) {
    loop {
        tokio::select! {
            ready = stream.ready(tokio::io::Interest::ERROR) => if ready.is_ok_and(|ready| ready.is_error()) { return },
            () = tokio::time::sleep(STEP) => {}
        }
        if stream.write_all(b"G").await.is_err() {
            return;
        }
    }
}
