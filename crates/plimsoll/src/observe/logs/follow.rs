//! The answer to `plimsoll logs`: the last lines, and then, if they are followed, each as it comes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::{mpsc, watch};

use super::filter::{Filter, Shown};
use super::recent::Recent;
use crate::concerns::logs::record::Record;
use crate::observe::query::Query;
use crate::observe::server::Body;

/// Pieces that the reader has not taken yet; then reading the ring waits, and the ring goes on without it.
const PIECES_MAX: usize = 4;
const RECORDS_PER_PIECE: usize = 256;

/// # Errors
/// What is wrong with the query, in words.
pub(in crate::observe) fn answer(recent: &Arc<Recent>, query: &Query) -> Result<Response<Body>, String> {
    let filter = Filter::read(query)?;
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    // It ends with its reader, or with the pipeline.
    drop(tokio::spawn(tell(Arc::clone(recent), filter, pieces)));
    let mut response = Response::new(Pieces(taken).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

async fn tell(recent: Arc<Recent>, filter: Filter, pieces: mpsc::Sender<Bytes>) {
    let mut news = recent.follow();
    let all = recent.read(0, usize::MAX);
    let fitting: Vec<_> =
        all.records.iter().rev().filter(|record| filter.lets_pass(record)).take(filter.lines).collect();
    let fitting: Vec<_> = fitting.into_iter().rev().cloned().collect();
    for records in fitting.chunks(RECORDS_PER_PIECE) {
        if pieces.send(piece(0, records)).await.is_err() {
            return;
        }
    }
    if filter.is_followed {
        let _left_or_over = follow(&recent, &filter, all.next, &mut news, &pieces).await;
    }
}

/// Goes on until the reader has left or the pipeline is closed.
async fn follow(
    recent: &Recent,
    filter: &Filter,
    mut next: u64,
    news: &mut watch::Receiver<u64>,
    pieces: &mpsc::Sender<Bytes>,
) -> Option<()> {
    loop {
        let page = recent.read(next, RECORDS_PER_PIECE);
        next = page.next;
        let is_at_end = page.records.is_empty();
        let records: Vec<_> = page.records.into_iter().filter(|record| filter.lets_pass(record)).collect();
        let text = piece(page.lost, &records);
        if !text.is_empty() {
            pieces.send(text).await.ok()?;
        }
        if is_at_end {
            tokio::select! {
                changed = news.changed() => changed.ok()?,
                () = pieces.closed() => return None,
            }
        }
    }
}

fn piece(lost: u64, records: &[Arc<Record>]) -> Bytes {
    let lost = (lost > 0).then_some(Shown::Lost { lost });
    let shown = records.iter().map(|record| Shown::from(&**record));
    let mut text = Vec::new();
    for each in lost.into_iter().chain(shown) {
        // Strings and numbers alone: there is nothing in it that JSON could not say.
        text.extend(serde_json::to_vec(&each).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
