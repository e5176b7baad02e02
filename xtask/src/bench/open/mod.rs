//! Load at a fixed rate of arrivals, whatever the answers do: an open loop.
//!
//! A closed loop (wrk) sends the next request when the last one was answered, and so waits politely while a server
//! stalls; users do not. Here each request has a time at which it is due, and its latency counts from then, so that
//! a late start of ours counts as well.

mod answer;
mod connection;
mod engine;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use engine::Engine;

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
    /// From when it was due, a client waits so long for its answer.
    pub(crate) patience: Duration,
    /// So many connections at most; what is due beyond waits for one, and that counts.
    pub(crate) connections_max: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { port: 0, seconds: 0.0, streams: Vec::new(), patience: PATIENCE, connections_max: usize::MAX }
    }
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
    /// From the beginning of the load.
    pub(crate) due: Duration,
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
            let records = Engine::new(self, begun)?.run(&self.schedule());
            let result = other.join().ok().context("what was done beside the load panicked")??;
            Ok((records?, result))
        })
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
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// Answers each request so, and counts connections; an empty answer ends the connection.
    fn server(answer: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || answer_all(&stream, answer));
            }
        });
        (port, connections)
    }

    fn answer_all(mut stream: &TcpStream, answer: &[u8]) {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.is_empty() && (answer.is_empty() || stream.write_all(answer).is_err()) {
                return;
            }
        }
    }

    fn load(port: u16, requests: u32) -> Load {
        let stream = Stream {
            name: "a",
            per_second: f64::from(requests) * 10.0,
            method: "GET",
            target: "/{id}".to_owned(),
            fresh_percent: 0,
        };
        Load { port, seconds: 0.1, streams: vec![stream], ..Load::default() }
    }

    #[test]
    fn no_more_connections_are_opened_than_may_be() {
        let (port, connections) = server(OK);
        let (records, ()) = Load { connections_max: 2, ..load(port, 50) }.run(|_| Ok(())).unwrap();
        assert_eq!(records.len(), 50);
        assert_eq!(failures(&records), BTreeMap::new());
        assert!(connections.load(Ordering::Relaxed) <= 2);
    }

    #[test]
    fn a_fresh_request_has_a_connection_of_its_own() {
        let (port, connections) = server(OK);
        let mut load = load(port, 20);
        load.streams.iter_mut().for_each(|stream| stream.fresh_percent = 100);
        let (records, ()) = load.run(|_| Ok(())).unwrap();
        assert_eq!((records.len(), failures(&records).len()), (20, 0));
        assert_eq!(connections.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn every_request_ends_in_one_way() {
        let (closing, _) = server(b"");
        let (cutting, _) = server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n");
        let (failing, _) = server(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let short = |port| Load { patience: Duration::from_millis(200), ..load(port, 5) };
        for (load, ended) in [
            (load(closing, 5), "reset"),
            (short(cutting), "timed out"),
            (load(failing, 5), "500"),
            (load(nobody, 5), "refused"),
        ] {
            let (records, ()) = load.run(|_| Ok(())).unwrap();
            assert_eq!(failures(&records), BTreeMap::from([(ended.to_owned(), 5)]));
        }
    }

    #[test]
    fn what_is_done_beside_runs_beside() {
        let (port, _) = server(OK);
        let (sender, receiver) = mpsc::channel();
        let (_, done) = load(port, 5).run(move |_| Ok(sender.send(1).is_ok())).unwrap();
        assert!(done && receiver.recv().is_ok());
    }

    #[test]
    fn requests_are_due_in_order_and_at_their_rate() {
        let stream = |per_second| Stream {
            name: "a",
            per_second,
            method: "GET",
            target: "/".to_owned(),
            fresh_percent: 0,
        };
        let load = Load { seconds: 2.0, streams: vec![stream(100.0), stream(10.0)], ..Load::default() };
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
            due: Duration::ZERO,
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
