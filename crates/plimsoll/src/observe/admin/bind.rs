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

use crate::config;
use crate::observe::status::Status;
use crate::sys::errno;

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
    let default = config::Admin::default().listen == Some(address);
    bind_to(address, if default { WhenTaken::GoWithout } else { WhenTaken::Fail }).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenTaken {
    GoWithout,
    Fail,
}

async fn bind_to(address: SocketAddr, when_taken: WhenTaken) -> Result<Option<TcpListener>, Error> {
    match listen(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) if source.kind() == io::ErrorKind::AddrInUse && when_taken == WhenTaken::GoWithout => {
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

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) => match errno::without_ipv6(address, &error) {
            Some(instead) => TcpListener::bind(instead).await,
            None => Err(error),
        },
        listener => listener,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::control;
    use crate::observe::status::fixture;
    use crate::observe::testing::app_loop;

    async fn taken() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_taken_address_is_an_error_only_if_it_was_asked_for() {
        let (_holder, address) = taken().await;
        let error = bind_to(address, WhenTaken::Fail).await.unwrap_err();
        assert_eq!(error.to_string(), format!("bind the admin address {address}"));
        assert!(bind_to(address, WhenTaken::GoWithout).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn off_is_no_listener() {
        assert!(bind(&config::Admin { listen: None }).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_instance_that_has_the_address_is_named() {
        let (listener, address) = taken().await;
        let (inquiry, requests) = control::channel();
        tokio::spawn(app_loop(requests, fixture()));
        tokio::spawn(super::super::serve(
            listener,
            super::super::tests::source(inquiry),
            Default::default(),
            std::future::pending(),
        ));
        assert_eq!(holder(address).await.as_deref(), Some("plimsoll instance shop (pid 4242)"));
    }

    #[tokio::test]
    async fn a_silent_holder_has_no_name() {
        let (_listener, address) = taken().await;
        assert_eq!(holder(address).await, None);
    }
}
