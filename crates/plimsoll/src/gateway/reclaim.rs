//! After a request was taken back: its link is of no use until the agent has come across the request and said so.

use std::rc::Rc;
use std::task::{Poll, ready};

use plimsoll_wire::page::MARKER_STATUS;
use tokio::io::AsyncWriteExt as _;

use super::http1::head::Scan;
use super::http1::response::Response;
use super::inquest;
use super::links::Link;
use super::thread::Thread;
use crate::observe::http::Method;

/// Waits for the marker; then the link is as good as before. Where a part of the request was never sent there is no next one on
/// the link, and the agent, which is told so, leaves it. Ends with the worker at the latest.
pub(super) async fn reclaim(mut link: Link, is_whole: bool, thread: Rc<Thread>) {
    if !is_whole {
        // A link that cannot be shut has ended.
        let _shut = link.stream.shutdown().await;
    }
    let mut buffer = thread.pool.take();
    let mut scan = Scan::default();
    let seen = std::future::poll_fn(|cx| {
        loop {
            match Response::read(buffer.filled(), &mut scan, Method::Other) {
                // The interim answer can have been on its way already.
                Ok(Some(response)) if response.is_interim() => {
                    buffer.consume(response.head_len);
                    scan = Scan::default();
                    continue;
                }
                Ok(Some(response)) => return Poll::Ready(response.status == MARKER_STATUS),
                Ok(None) if !buffer.is_full() => {}
                Ok(None) | Err(_) => return Poll::Ready(false),
            }
            match ready!(buffer.poll_read(cx, &mut link.stream)) {
                Ok(count) if count > 0 => {}
                _ => return Poll::Ready(false),
            }
        }
    });
    if seen.await && is_whole {
        link.keep(thread.watches.now());
    } else {
        inquest::discard(link, &thread);
    }
}
