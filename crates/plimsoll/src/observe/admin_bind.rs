//! The address of the admin server: bound, off, or left to whoever has it.
//!
//! Every instance has the same default, so the second one on a host finds it taken. That is no reason not to
//! start: it goes on without, says so, and names the instance that has it. An address that was asked for is
//! another matter: probes and scrapers were pointed at it, so not to have it is an error.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::status::Status;
use crate::config;

#[derive(Debug, thiserror::Error)]
#[error("bind the admin address {address}")]
pub struct Error {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// `None`: there is no admin server, because it is off or because its default address is taken (which has been
/// logged then).
///
/// # Errors
/// An address other than the default cannot be bound.
pub async fn bind(config: &config::Admin) -> Result<Option<TcpListener>, Error> {
    let Some(address) = config.listen else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) if source.kind() == io::ErrorKind::AddrInUse && is_default(address) => {
            let holder = holder(address).await;
            tracing::warn!(
                %address,
                holder = holder.as_deref().unwrap_or("another program"),
                "the default admin address is taken; going on without (--admin ADDR chooses another)"
            );
            Ok(None)
        }
        Err(source) => Err(Error { address, source }),
    }
}

fn is_default(address: SocketAddr) -> bool {
    config::Admin::default().listen == Some(address)
}

/// How long another instance may take to say its name.
const NAME_TIMEOUT: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Who answers at `address`, if it is one of us.
async fn holder(address: SocketAddr) -> Option<String> {
    let answer = timeout(NAME_TIMEOUT, ask_status(address)).await.ok()?.ok()?;
    let (_head, body) = answer.split_once("\r\n\r\n")?;
    let status: Status = serde_json::from_str(body).ok()?;
    Some(format!("plimsoll instance {} (pid {})", status.name, status.pid))
}

async fn ask_status(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    Ok(answer)
}
