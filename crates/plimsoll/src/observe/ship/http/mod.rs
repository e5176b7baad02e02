//! Sends batches over HTTP. What they say is an [`Encoding`]; the rest is the same for all.
//!
//! What an answer means: 2xx has it all; a batch that is wrong in itself (400, 413, 415, 422) will never be taken and is
//! dropped, half by half where it was too large; whatever else may be mended on the other side, so what has not been
//! dealt with of the batch waits.
//! A batch whose answer was lost is sent again: an item may come twice, but is not lost.

mod client;

use std::io;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use self::client::{Answer, Client};
use super::queue::Limits;
use super::until::Until;
use super::{Item, Outlet, Trouble};
use crate::config::{Compress, HttpTarget};

/// How batches are written, and what the answers say.
pub(in crate::observe) trait Encoding<T>: Send {
    fn content_type(&self) -> &'static str;

    fn encode(&self, batch: &[Arc<T>]) -> Vec<u8>;

    /// Of a batch that was taken: how many items were not, and why. Where it is told of what is smaller than an item, no
    /// more are counted than were sent.
    fn rejected(&self, _answer: &[u8]) -> Option<(u64, String)> {
        None
    }
}

pub(in crate::observe) struct ToHttp<T> {
    client: Client,
    encoding: Box<dyn Encoding<T>>,
    headers: HeaderMap,
    is_packed: bool,
    limits: Limits,
    /// What may be wrong with the credentials, and with the rate.
    hints: Hints,
    progress: Progress,
}

/// How far a batch has come that is sent in parts. After [`Trouble::Later`] the same batch comes again: what has been
/// dealt with of it is not sent a second time. The next run does not know: what it finds on the disk may come twice.
#[derive(Debug, Default)]
struct Progress {
    /// So many of the first items.
    done: usize,
    has_taken_some: bool,
    refused: u64,
    why: String,
}

/// What became of a part of a batch.
enum Part {
    /// But for as many items, and why.
    Taken(Option<(u64, String)>),
    Refused {
        why: String,
    },
    TooLarge,
}

/// What to do about some answers: it depends on where the settings stand.
#[derive(Debug, Clone, Copy)]
pub(in crate::observe) struct Hints {
    pub(in crate::observe) credentials: &'static str,
    pub(in crate::observe) too_many: &'static str,
    pub(in crate::observe) url: &'static str,
}

impl<T: Item> ToHttp<T> {
    /// # Errors
    /// The runtime could not be made.
    pub(in crate::observe) fn start(
        target: &HttpTarget,
        encoding: Box<dyn Encoding<T>>,
        hints: Hints,
    ) -> io::Result<Self> {
        let is_packed = target.compress == Compress::Gzip;
        Ok(Self {
            headers: headers(target, &*encoding, is_packed),
            encoding,
            is_packed,
            client: Client::new(target.url.clone(), target.ca.clone(), target.timeout)?,
            limits: Limits { bytes: target.batch_bytes, within: target.batch_wait },
            hints,
            progress: Progress::default(),
        })
    }

    fn body(&self, batch: &[Arc<T>]) -> io::Result<Bytes> {
        let body = self.encoding.encode(batch);
        if !self.is_packed {
            return Ok(body.into());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body)?;
        encoder.finish().map(Bytes::from)
    }

    /// The whole batch at once; where that is too large, in parts half as large, again and again.
    fn send(&mut self, batch: &[Arc<T>], until: &Until) -> Result<(), Trouble> {
        let mut size = batch.len();
        while let Some(rest) = batch.get(self.progress.done..).filter(|rest| !rest.is_empty()) {
            let part = rest.get(..size).unwrap_or(rest);
            let refused = match self.send_part(part, until)? {
                Part::TooLarge => {
                    size = part.len() / 2;
                    continue;
                }
                Part::Taken(but) => {
                    self.progress.has_taken_some = true;
                    but
                }
                Part::Refused { why } => Some((part.len() as u64, why)),
            };
            self.progress.add(part.len(), refused);
        }
        std::mem::take(&mut self.progress).sum_up()
    }

    fn send_part(&mut self, part: &[Arc<T>], until: &Until) -> Result<Part, Trouble> {
        let body = match self.body(part) {
            Ok(body) => body,
            Err(error) => return Ok(Part::Refused { why: error.to_string() }),
        };
        let answer = self.client.post(&self.headers, body, until).map_err(|error| {
            let hint = error.hint.unwrap_or(self.hints.url);
            Trouble::later(format!("{} does not answer: {}", self.client.url(), error.why), hint)
        })?;
        match answer.status {
            200..=299 => {
                let rejected = self.encoding.rejected(&answer.body);
                Ok(Part::Taken(rejected.map(|(count, why)| (count.min(part.len() as u64), why))))
            }
            413 if part.len() > 1 => Ok(Part::TooLarge),
            400 | 413 | 415 | 422 => Ok(Part::Refused { why: self.describe(&answer) }),
            status => Err(Trouble::Later {
                why: self.describe(&answer),
                hint: match status {
                    401 | 403 => self.hints.credentials,
                    404 | 405 => self.hints.url,
                    429 => self.hints.too_many,
                    _ => "see its own log",
                },
                after: answer.retry_after,
            }),
        }
    }

    fn describe(&self, answer: &Answer) -> String {
        let text = String::from_utf8_lossy(&answer.body);
        let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
        let colon = if line.is_empty() { "" } else { ": " };
        format!("{} answered {}{colon}{line}", self.client.url(), answer.status)
    }
}

impl Progress {
    fn add(&mut self, items: usize, refused: Option<(u64, String)>) {
        self.done += items;
        if let Some((items, why)) = refused {
            self.refused += items;
            self.why = why;
        }
    }

    fn sum_up(self) -> Result<(), Trouble> {
        match self {
            Self { refused: 0, .. } => Ok(()),
            Self { has_taken_some: false, why, .. } => Err(Trouble::Never { why }),
            Self { refused: items, why, .. } => Err(Trouble::Partly { why, items }),
        }
    }
}

impl<T: Item> Outlet<T> for ToHttp<T> {
    fn deliver(&mut self, batch: &[Arc<T>], until: &Until) -> Result<(), Trouble> {
        self.send(batch, until)
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

fn headers<T>(target: &HttpTarget, encoding: &dyn Encoding<T>, is_packed: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for header in &target.headers {
        // The settings were checked for what a header may be.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(header.name.as_str()), HeaderValue::try_from(header.value.as_str()))
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// An answer that asks for more patience than that is not heard.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(300);
