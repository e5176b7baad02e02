//! What was found of one contender, all rounds together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::full::Full;
use super::plan::Turn;
use crate::bench::open::{self, Latency, Load, Outcome, Record};
use crate::bench::peer::Used;
use crate::bench::report::{Better, Headline, figure};
use crate::bench::stats::{max, median, min};

pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) turns: Vec<Turn>,
    /// Where a scenario asks for as much as goes.
    pub(super) full: Vec<Full>,
}

impl Found {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, turns: Vec::new(), full: Vec::new() }
    }

    fn records(&self) -> impl Iterator<Item = &Record> + Clone {
        self.turns.iter().flat_map(|turn| &turn.records)
    }

    pub(super) fn requests(&self) -> usize {
        self.records().count()
    }

    /// Of the requests of some streams.
    pub(super) fn latency(&self, of: fn(usize) -> bool) -> Option<Latency> {
        open::latency(self.records().filter(|record| of(record.stream)))
    }

    pub(super) fn answered(&self, of: fn(usize) -> bool) -> usize {
        self.records().filter(|record| of(record.stream) && record.outcome == Outcome::Ok).count()
    }

    pub(super) fn failures(&self) -> BTreeMap<String, usize> {
        open::failures(self.records())
    }

    pub(super) fn failed(&self) -> usize {
        self.failures().values().sum()
    }

    pub(super) fn how_failed(&self) -> String {
        let how: Vec<String> = self.failures().iter().map(|(how, count)| format!("{count} {how}")).collect();
        if how.is_empty() { "–".to_owned() } else { how.join(", ") }
    }

    pub(super) fn seconds(&self, load: &Load) -> f64 {
        load.seconds * self.turns.len() as f64
    }

    pub(super) fn quantiles(&self, of: fn(usize) -> bool) -> Vec<String> {
        let latency = self.latency(of);
        let reads: [fn(Latency) -> f64; 4] = [|l| l.p50, |l| l.p99, |l| l.p999, |l| l.worst];
        reads.map(|read| milliseconds(latency.map(read))).into()
    }

    pub(super) fn by_round(&self, of: fn(usize) -> bool, read: fn(Latency) -> f64) -> String {
        let rounds = self.turns.iter();
        let latency =
            |turn: &Turn| open::latency(turn.records.iter().filter(|record| of(record.stream))).map(read);
        rounds.map(|turn| figure(latency(turn), "", 1)).collect::<Vec<_>>().join(", ")
    }

    fn each(&self, read: impl Fn(&Turn) -> f64) -> Vec<f64> {
        self.turns.iter().map(read).collect()
    }

    /// CPUs of all that serves, in the least disturbed round.
    pub(super) fn cpus(&self) -> Option<f64> {
        min(&self.each(Turn::cpus))
    }

    /// Under full load, in the least disturbed round.
    pub(super) fn full_us(&self) -> Option<f64> {
        min(&self.each_full(|full| full.us_per_request))
    }

    pub(super) fn full_per_second(&self) -> Option<f64> {
        median(&self.each_full(|full| full.per_second))
    }

    fn each_full(&self, read: fn(&Full) -> f64) -> Vec<f64> {
        self.full.iter().map(read).collect()
    }

    pub(super) fn pss(&self) -> Option<f64> {
        median(&self.each(Turn::pss))
    }

    pub(super) fn started_ms(&self) -> Option<f64> {
        median(&self.each(|turn| turn.started_ms))
    }

    /// CPUs of the contender, and of the load generator where it used most.
    pub(super) fn load_columns(&self) -> [String; 2] {
        [figure(self.cpus(), "", 2), figure(max(&self.each(|turn| turn.driver_cpus)), "", 2)]
    }

    /// What the host took of all CPUs, and how often it was tried: by round.
    pub(super) fn taken_columns(&self) -> [String; 2] {
        let taken = self.turns.iter().map(|turn| format!("{:.1}", turn.taken * 100.0));
        let tries = self.turns.iter().map(|turn| turn.tries.to_string());
        [taken.collect::<Vec<_>>().join(", ") + " %", tries.collect::<Vec<_>>().join(", ")]
    }

    /// Processes of the same role together, in the least disturbed round: role, how many, CPUs, memory.
    pub(super) fn by_role(&self) -> Vec<(String, usize, f64, f64)> {
        let mut roles: Vec<(String, usize, f64, f64)> = Vec::new();
        let least = self.turns.iter().min_by(|one, other| one.cpus().total_cmp(&other.cpus()));
        for Used { role, cpus, rss_bytes, .. } in least.into_iter().flat_map(|turn| &turn.used) {
            let known = roles.iter_mut().find(|(name, ..)| name == role);
            match known {
                Some((_, count, sum, bytes)) => {
                    (*count, *sum, *bytes) = (*count + 1, *sum + cpus, *bytes + *rss_bytes as f64);
                }
                None => roles.push((role.clone(), 1, *cpus, *rss_bytes as f64)),
            }
        }
        roles
    }

    pub(super) fn raw(&self) -> Value {
        let turns: Vec<Value> = self
            .turns
            .iter()
            .map(|turn| {
                json!({
                    "latency": open::latency(&turn.records), "p99_sent_late_ms": open::lateness(&turn.records),
                    "failed": open::failures(&turn.records), "requests": turn.records.len(),
                    "driver_cpus": turn.driver_cpus, "taken": turn.taken, "tries": turn.tries,
                    "started_ms": turn.started_ms, "used": turn.used,
                })
            })
            .collect();
        json!({ "name": self.name, "turns": turns, "full": self.full })
    }
}

/// To what is known of the contender in this place.
pub(super) fn add(all: &mut [Found], place: usize, turn: Turn) {
    if let Some(one) = all.get_mut(place) {
        one.turns.push(turn);
    }
}

pub(super) fn milliseconds(value: Option<f64>) -> String {
    figure(value, " ms", if value.is_some_and(|value| value < 10.0) { 2 } else { 0 })
}

impl Headline {
    pub(super) fn of(
        what: &str,
        unit: &str,
        better: Better,
        found: &[Found],
        read: impl Fn(&Found) -> Option<f64>,
    ) -> Self {
        let values = found.iter().map(|one| (one.name.to_owned(), read(one))).collect();
        Self { what: what.to_owned(), unit: unit.to_owned(), better, goal: None, values }
    }
}
