//! Loki's push: a stream for each stream and level of a worker, with the lines as they were written.
//!
//! Ids of requests and traces are no labels, of which Loki wants few: they are in the lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::concerns::logs::record::{Level, Record, Stream};
use crate::observe::logs::sinks::Identity;
use crate::observe::ship::http::Encoding;

pub(super) struct Loki {
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Push<'a> {
    streams: Vec<PushStream<'a>>,
}

#[derive(Serialize)]
struct PushStream<'a> {
    stream: BTreeMap<&'a str, String>,
    /// Nanoseconds and line.
    values: Vec<[String; 2]>,
}

impl Loki {
    pub(super) fn new(labels: &[(String, String)], identity: &Identity) -> Self {
        let service = ("service_name".to_owned(), identity.service.clone());
        Self { labels: std::iter::once(service).chain(labels.iter().cloned()).collect() }
    }

    fn labels_of(&self, worker: Option<u16>, stream: Stream, level: Level) -> BTreeMap<&str, String> {
        let mut labels: BTreeMap<&str, String> =
            self.labels.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        labels.insert("level", level.word().to_owned());
        labels.insert("stream", stream.word().to_owned());
        if let Some(worker) = worker {
            labels.insert("worker", worker.to_string());
        }
        labels
    }
}

impl Encoding<Record> for Loki {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8> {
        let mut streams: BTreeMap<_, Vec<[String; 2]>> = BTreeMap::new();
        for record in batch {
            let stream = (record.worker.map(|worker| worker.index), record.stream, record.level);
            let line = String::from_utf8_lossy(&record.line).into_owned();
            streams.entry(stream).or_default().push([record.at.to_string(), line]);
        }
        let streams = streams.into_iter().map(|((worker, stream, level), values)| PushStream {
            stream: self.labels_of(worker, stream, level),
            values,
        });
        // Strings alone: there is nothing in it that JSON could not say.
        serde_json::to_vec(&Push { streams: streams.collect() }).unwrap_or_default()
    }
}
