//! Sinks that send batches over HTTP: what they say differs ([`ndjson`], [`loki`], [`otlp`]), the rest is one.
//!
//! What an answer means: 2xx has it all; a batch that is wrong in itself (400, 413, 415, 422) will never be taken and is
//! dropped, half by half where it was too large; whatever else may be mended on the other side, so the batch waits.
//! A batch whose answer was lost is sent again: a line may come twice, but is not lost.

mod client;
mod loki;
mod ndjson;
mod otlp;
#[cfg(test)]
mod tests;

use std::io;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};

use super::Identity;
use super::queue::Limits;
use super::ship::{Outlet, Trouble};
use crate::concerns::logs::record::Record;
use crate::config::{Compress, HttpSink, SinkProtocol};
use client::{Answer, Client};

/// How batches are written, and what the answers say.
trait Encoding: Send {
    fn content_type(&self) -> &'static str;

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8>;

    /// Of a batch that was taken: how many lines were not, and why.
    fn rejected(&self, _answer: &[u8]) -> Option<(u64, String)> {
        None
    }
}

pub(super) struct ToHttp {
    client: Client,
    encoding: Box<dyn Encoding>,
    headers: HeaderMap,
    is_packed: bool,
    limits: Limits,
}

impl ToHttp {
    /// # Errors
    /// The runtime could not be made.
    pub(super) fn start(settings: &HttpSink, identity: &Identity) -> io::Result<Self> {
        let encoding: Box<dyn Encoding> = match settings.protocol {
            SinkProtocol::Ndjson => Box::new(ndjson::Ndjson),
            SinkProtocol::Loki => Box::new(loki::Loki::new(&settings.labels, identity)),
            SinkProtocol::Otlp => Box::new(otlp::Otlp::new(&settings.labels, identity)),
        };
        let is_packed = settings.compress == Compress::Gzip;
        Ok(Self {
            headers: headers(settings, &*encoding, is_packed),
            encoding,
            is_packed,
            client: Client::new(settings.url.clone(), settings.ca.clone(), settings.timeout)?,
            limits: Limits { bytes: settings.batch_bytes, within: settings.batch_wait },
        })
    }

    fn body(&self, batch: &[Arc<Record>]) -> io::Result<Bytes> {
        let body = self.encoding.encode(batch);
        if !self.is_packed {
            return Ok(body.into());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body)?;
        encoder.finish().map(Bytes::from)
    }

    fn send(&mut self, batch: &[Arc<Record>], deadline: Option<Instant>) -> Result<(), Trouble> {
        let body = self.body(batch).map_err(|error| Trouble::Never { why: error.to_string() })?;
        let answer = self.client.post(&self.headers, body, deadline).map_err(|error| {
            Trouble::later(format!("{} does not answer: {}", self.client.url(), error.why), error.hint)
        })?;
        match answer.status {
            200..=299 => match self.encoding.rejected(&answer.body) {
                Some((lines, why)) => Err(Trouble::Partly { why, lines }),
                None => Ok(()),
            },
            413 if batch.len() > 1 => {
                let (first, second) = batch.split_at(batch.len() / 2);
                self.send(first, deadline)?;
                self.send(second, deadline)
            }
            400 | 413 | 415 | 422 => Err(Trouble::Never { why: self.describe(&answer) }),
            status => Err(Trouble::Later {
                why: self.describe(&answer),
                hint: match status {
                    401 | 403 => "see that `[logs.sink.headers]` has the right credentials",
                    404 | 405 => "see that `url` is right",
                    429 => "it is given time; raise its limit, or set `level` or `logs.rate`",
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

impl Outlet for ToHttp {
    fn deliver(&mut self, batch: &[Arc<Record>], deadline: Option<Instant>) -> Result<(), Trouble> {
        self.send(batch, deadline)
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

fn headers(settings: &HttpSink, encoding: &dyn Encoding, is_packed: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("plimsoll/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for header in &settings.headers {
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
