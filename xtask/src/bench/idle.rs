//! Ten thousand clients that do nothing: each opens a connection, makes one request and stays.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::client::{Address, Connection};
use super::contender::Answering;
use super::procfs::{self, Memory};
use super::wait;

/// One address has some 28,000 ports; with several, those that a former contender left waiting never run short.
const SOURCES: u8 = 8;
/// Allocators give memory back, and timers fire, a little after the last request.
const SETTLE: Duration = Duration::from_secs(2);
/// How many of the idle connections must still serve a request afterwards.
const PROBES: usize = 100;

pub(super) struct Idle {
    pub(super) connections: usize,
    pub(super) memory: Memory,
}

/// Memory of `running` (its proxy, or the app where there is none) with `wanted` kept-alive connections.
pub(super) fn measure(running: &Answering, wanted: usize, files_max: u64) -> anyhow::Result<Idle> {
    let possible = usize::try_from(files_max.saturating_sub(100)).unwrap_or(wanted);
    let count = wanted.min(possible);
    let mut connections = Vec::with_capacity(count);
    for (number, source) in (0..count).zip((0..SOURCES).cycle()) {
        let connection = open(running.port, source);
        connections.push(connection.with_context(|| format!("connection {number} of {count} failed"))?);
    }
    wait::pause(SETTLE);
    let memory = procfs::memory(&running.measured())?;
    for connection in connections.iter_mut().step_by((count / PROBES).max(1)) {
        request(connection).context("an idle connection was not kept")?;
    }
    Ok(Idle { connections: count, memory })
}

fn open(port: u16, source: u8) -> anyhow::Result<Connection> {
    let mut connection =
        Connection::open(&Address::Tcp { port, source: Ipv4Addr::new(127, 0, 1, source + 1) })?;
    request(&mut connection)?;
    Ok(connection)
}

fn request(connection: &mut Connection) -> anyhow::Result<()> {
    match connection.get("/")?.status {
        200 => Ok(()),
        status => bail!("the answer was {status}"),
    }
}
