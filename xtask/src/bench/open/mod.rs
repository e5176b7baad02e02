//! Load at a fixed rate of arrivals, whatever the answers do: an open loop.
//!
//! A closed loop (wrk) sends the next request when the last one was answered, and so waits politely while a server
//! stalls; users do not. Here each request has a time at which it is due, and its latency counts from then, so that
//! a late start of ours counts as well.

pub(crate) mod client;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use client::Clients;

/// A client that waits for longer than this has given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// One kind of request and how many of it there are.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    pub(crate) per_second: f64,
    pub(crate) method: &'static str,
    /// `{id}` becomes a number that no other request of the run has.
    pub(crate) target: String,
    /// Of a hundred requests so many open a connection of their own.
    pub(crate) fresh_percent: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) seconds: f64,
    pub(crate) streams: Vec<Stream>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Ok,
    /// Another status than 200, with the gateway's code for it if it has one.
    Status(u16, Option<String>),
    Refused,
    /// The connection ended before the first byte of an answer.
    Reset,
    /// It ended in the middle of an answer.
    Cut,
    TimedOut,
}

impl Outcome {
    fn name(&self) -> String {
        match self {
            Self::Ok => "ok".to_owned(),
            Self::Status(status, None) => status.to_string(),
            Self::Status(status, Some(code)) => format!("{status} {code}"),
            Self::Refused => "refused".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Cut => "cut".to_owned(),
            Self::TimedOut => "timed out".to_owned(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) stream: usize,
    pub(crate) id: u64,
    /// From the time when it was due.
    pub(crate) latency: Duration,
    /// So much later than due it was begun, by us.
    pub(crate) late: Duration,
    pub(crate) outcome: Outcome,
}

impl Load {
    /// Sends everything, on one thread, and waits for the last answer. `beside` runs meanwhile on a thread of its own:
    /// what is done to the server.
    pub(crate) fn run<T: Send>(
        &self,
        beside: impl FnOnce(Instant) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<(Vec<Record>, T)> {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let other = scope.spawn(move || beside(begun));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let local = tokio::task::LocalSet::new();
            let records = local.block_on(&runtime, self.send_all(begun));
            let result = other.join().ok().context("what was done beside the load panicked")??;
            Ok((records, result))
        })
    }

    async fn send_all(&self, begun: Instant) -> Vec<Record> {
        let clients = Clients::new(self.port);
        let mut records = Vec::new();
        // An answered request leaves nothing behind but its record: a load may last for half an hour.
        let mut tasks = tokio::task::JoinSet::new();
        for (id, (stream, due)) in (0..).zip(self.schedule()) {
            let due = begun + due;
            tokio::time::sleep_until(due.into()).await;
            let Some(what) = self.streams.get(stream) else { continue };
            let request = format!(
                "{} {} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n",
                what.method,
                what.target.replace("{id}", &id.to_string())
            );
            let fresh = id % 100 < what.fresh_percent;
            let clients = clients.clone();
            while let Some(ended) = tasks.try_join_next() {
                records.extend(ended.ok());
            }
            tasks.spawn_local(async move {
                let late = due.elapsed();
                let answer = tokio::time::timeout(PATIENCE, clients.ask(&request, fresh)).await;
                let outcome = answer.unwrap_or(Outcome::TimedOut);
                Record { stream, id, latency: due.elapsed(), late, outcome }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            records.extend(ended.ok());
        }
        records.sort_by_key(|record| record.id);
        records
    }

    /// When requests of which stream are due, in order.
    fn schedule(&self) -> Vec<(usize, Duration)> {
        let mut all = Vec::new();
        for (index, stream) in self.streams.iter().enumerate() {
            let step = 1.0 / stream.per_second;
            // Streams of the same rate do not fall on the same moments.
            let offset = step * (index as f64 + 0.5) / self.streams.len() as f64;
            let times = (0u32..).map(|number| offset + f64::from(number) * step);
            all.extend(
                times
                    .take_while(|time| *time < self.seconds)
                    .map(|time| (index, Duration::from_secs_f64(time))),
            );
        }
        all.sort_by_key(|(_, time)| *time);
        all
    }
}

/// Latencies of the requests of one stream that were answered, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) worst: f64,
}

pub(crate) fn latency<'a>(records: impl IntoIterator<Item = &'a Record>) -> Option<Latency> {
    let answered = records.into_iter().filter(|record| record.outcome == Outcome::Ok);
    let mut all: Vec<f64> = answered.map(|record| record.latency.as_secs_f64() * 1000.0).collect();
    all.sort_by(f64::total_cmp);
    let quantile = |part: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the list")]
        let index = (all.len() as f64 * part) as usize;
        all.get(index.min(all.len().checked_sub(1)?)).copied()
    };
    Some(Latency { p50: quantile(0.5)?, p99: quantile(0.99)?, p999: quantile(0.999)?, worst: quantile(1.0)? })
}

/// How late the requests were sent, in milliseconds: 99 of 100 were less late. Beyond that the figures tell of the load
/// generator.
pub(crate) fn lateness<'a>(records: impl IntoIterator<Item = &'a Record>) -> f64 {
    let mut all: Vec<f64> = records.into_iter().map(|record| record.late.as_secs_f64() * 1000.0).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() * 99 / 100).copied().unwrap_or(0.0)
}

/// How many ended in which way, the good ones left out.
pub(crate) fn failures<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records.into_iter().filter(|record| record.outcome != Outcome::Ok) {
        *counts.entry(record.outcome.name()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_in_order_and_at_their_rate() {
        let stream = |per_second| Stream {
            name: "a",
            per_second,
            method: "GET",
            target: "/".to_owned(),
            fresh_percent: 0,
        };
        let load = Load { port: 1, seconds: 2.0, streams: vec![stream(100.0), stream(10.0)] };
        let schedule = load.schedule();
        assert_eq!(schedule.len(), 220);
        assert!(schedule.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        assert_eq!(schedule.iter().filter(|(stream, _)| *stream == 1).count(), 20);
    }

    #[test]
    fn quantiles_leave_failures_out() {
        let record = |latency, outcome| Record {
            stream: 0,
            id: 0,
            latency: Duration::from_millis(latency),
            late: Duration::ZERO,
            outcome,
        };
        let mut records: Vec<_> = (1..=1000).map(|latency| record(latency, Outcome::Ok)).collect();
        records.push(record(90_000, Outcome::Reset));
        let found = latency(&records).unwrap();
        assert_eq!((found.p50, found.p99, found.p999, found.worst), (501.0, 991.0, 1000.0, 1000.0));
        assert_eq!(failures(&records), BTreeMap::from([("reset".to_owned(), 1)]));
        assert!(latency(&[]).is_none());
    }
}
