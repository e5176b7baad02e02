//! Closing without destroying the answer.
//!
//! A socket closed with unread input is reset, and a reset can overtake the answer in the client's kernel. So
//! after an answer that came before the end of the request, our side says that it is done, and what the client
//! still sends is thrown away, unread as HTTP, within bounds. A request hidden in those bytes is never seen.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::connection::Connection;
use super::watch::Phase;

/// Longest time; nginx waits 5 s between reads.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Most bytes thrown away: a client that uploads more than this learns of the answer by a reset.
const BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) async fn linger(mut connection: Connection) {
    let now = connection.watch.now();
    connection.watch.set_deadline(now.after(TIME_MAX));
    let mut thrown_away = 0;
    std::future::poll_fn(|cx| {
        connection.watch.register(cx);
        if Pin::new(&mut connection.client).poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        loop {
            if connection.watch.is_expired() || connection.watch.phase() == Phase::Aborting {
                return Poll::Ready(());
            }
            if let Some(buffer) = &mut connection.buffer {
                buffer.consume(usize::MAX);
            }
            match connection.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 && thrown_away < BYTES_MAX => thrown_away += count,
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}
