//! Sinks that send batches over HTTP: what they say differs ([`ndjson`], [`loki`], [`otlp`]), the rest is
//! [`ship::http`](crate::observe::ship::http).

mod loki;
mod ndjson;
mod otlp;
#[cfg(test)]
mod tests;

use std::io;

use super::Identity;
use crate::concerns::logs::record::Record;
use crate::config::{HttpSink, SinkProtocol};
use crate::observe::ship::http::{Encoding, Hints, ToHttp};

const HINTS: Hints = Hints {
    credentials: "see that `[logs.sink.headers]` has the right credentials",
    too_many: "it is given time; raise its limit, or set `level` or `logs.rate`",
    url: "see that it runs and that `url` is right",
};

/// # Errors
/// The runtime could not be made.
pub(super) fn start(settings: &HttpSink, identity: &Identity) -> io::Result<ToHttp<Record>> {
    let encoding: Box<dyn Encoding<Record>> = match settings.protocol {
        SinkProtocol::Ndjson => Box::new(ndjson::Ndjson),
        SinkProtocol::Loki => Box::new(loki::Loki::new(&settings.labels, identity)),
        SinkProtocol::Otlp => Box::new(otlp::Otlp::new(&settings.labels, identity)),
    };
    ToHttp::start(&settings.target, encoding, HINTS)
}
