use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::concerns::logs::record::{RequestId, Shape, Stream};

const ENFORCE: Rules = Rules { mode: Mode::Enforce, rate: Some(1000), sample: None };

/// Simulated time, and what came out.
struct Simulation {
    keeper: Keeper,
    now: Instant,
    kept: Vec<Arc<Record>>,
    offered: u64,
    changes: Vec<Change>,
}

impl Simulation {
    fn new(rules: Rules) -> Self {
        let now = Instant::now();
        Self { keeper: Keeper::new(rules, now), now, kept: Vec::new(), offered: 0, changes: Vec::new() }
    }

    fn line(&mut self, level: Level, request: Option<u64>, text: &str) {
        let line = Bytes::from(format!("{{\"msg\":\"{text}\"}}"));
        let message = 8..line.len() - 2;
        let record = Record {
            worker: None,
            pid: 1,
            stream: Stream::Stdout,
            level,
            at: 0,
            shape: Shape::Json,
            line,
            of_request: request.map(|number| RequestId::Apart(Bytes::from(format!("req-{number}")))),
            trace: None,
            weight: 1,
        };
        self.offered += 1;
        self.keeper.take(Candidate { record, message, is_traced: false }, self.now, &mut self.kept);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.changes.extend(self.keeper.tick(self.now));
    }

    /// `per_second` lines for some seconds, five to a request.
    fn load(&mut self, per_second: u64, seconds: u64) {
        for _ in 0..seconds * 100 {
            for _ in 0..per_second / 100 {
                let request = self.offered / 5;
                self.line(Level::Info, Some(request), "hello");
            }
            self.pass(Duration::from_millis(10));
        }
    }

    fn weights(&self) -> u64 {
        self.kept.iter().map(|record| u64::from(record.weight)).sum()
    }
}

#[test]
fn below_the_budget_everything_passes_untouched() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(1000, 60);
    assert_eq!(simulation.kept.len(), 60_000);
    assert!(simulation.kept.iter().all(|record| record.line == "{\"msg\":\"hello\"}" && record.weight == 1));
}

#[test]
fn a_burst_passes_as_a_whole() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(19_000, 1);
    simulation.load(100, 60);
    simulation.load(19_000, 1);
    assert_eq!(simulation.kept.len() as u64, simulation.offered);
}

#[test]
fn above_the_budget_the_rate_settles_and_counts_stay_true() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(50_000, 5);
    simulation.kept.clear();
    let before = simulation.offered;
    simulation.load(50_000, 10);
    let per_second = simulation.kept.len() / 10;
    assert!((900..=1100).contains(&per_second), "{per_second} lines a second");
    let (weights, offered) = (simulation.weights(), simulation.offered - before);
    assert!(weights.abs_diff(offered) * 100 <= offered, "{weights} of {offered}");
    simulation.load(100, 60);
    assert!(simulation.keeper.share() >= 1.0, "calm again");
    assert!(matches!(
        simulation.changes[..],
        [Change::Begins { lines_per_second: 20_000.0.. }, Change::Ends]
    ));
}

#[test]
fn no_request_is_kept_in_part() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(20_000, 10);
    let mut lines: BTreeMap<&[u8], u32> = BTreeMap::new();
    for record in &simulation.kept {
        *lines.entry(record.request().unwrap()).or_default() += 1;
    }
    let torn = lines.values().filter(|count| **count != 5).count();
    assert_eq!(torn, 0, "of {}", lines.len());
}

#[test]
fn a_request_that_fails_comes_out_as_a_whole() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(50_000, 3);
    for number in 1_000_000..1_000_050 {
        simulation.line(Level::Info, Some(number), "begins");
        simulation.line(Level::Error, Some(number), &format!("fails {}", "x".repeat(number as usize % 50)));
        simulation.line(Level::Info, Some(number), "ends");
        let own = simulation
            .kept
            .iter()
            .filter(|record| record.request() == Some(format!("req-{number}").as_bytes()));
        assert_eq!(own.count(), 3);
    }
    // Of those that are in the sample nothing is held.
    let is_held = |number: &u64| {
        let before = simulation.kept.len();
        simulation.line(Level::Debug, Some(*number), "begins");
        simulation.kept.len() == before
    };
    let held: Vec<u64> = (2_000_000..).filter(is_held).take(3).collect();
    let before = simulation.kept.len();
    for (number, (status, is_traced)) in held.into_iter().zip([(200, false), (503, false), (200, true)]) {
        let request = Some(Bytes::from(format!("req-{number}")));
        let outcome = Outcome { request, trace: None, status, is_slow: false, is_traced };
        simulation.keeper.hear(&outcome, simulation.now, &mut simulation.kept);
    }
    assert_eq!(simulation.kept.len() - before, 2, "only the one that failed, and the one that is traced");
}

#[test]
fn errors_are_kept_up_to_their_cap() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(50_000, 3);
    simulation.kept.clear();
    for index in 0..10_000 {
        simulation.line(Level::Error, None, &format!("lost {index}"));
        if index < 50 {
            simulation.line(Level::Error, None, "seldom");
        }
    }
    let seldom =
        simulation.kept.iter().filter(|record| record.line.starts_with(b"{\"msg\":\"seldom")).count();
    assert_eq!(seldom, 50);
    assert_eq!(simulation.kept.len() - seldom, 100 + 99);
    assert_eq!(simulation.weights(), 10_050);
}

#[test]
fn a_static_share_needs_no_budget() {
    let mut simulation = Simulation::new(Rules { sample: Some(0.125), rate: None, mode: Mode::Enforce });
    simulation.load(1000, 20);
    let (kept, weights) = (simulation.kept.len(), simulation.weights());
    assert!((2000..=3000).contains(&kept) && (16_000..=24_000).contains(&weights), "{kept} {weights}");
    simulation.kept.clear();
    for _ in 0..1000 {
        simulation.line(Level::Info, None, "alone");
    }
    assert_eq!((simulation.kept.len(), simulation.weights()), (125, 1000));
    assert!(simulation.kept[0].line.ends_with(b",\"plimsoll_weight\":8}"));
}

#[test]
fn observing_changes_nothing_and_counts_all() {
    let mut simulation = Simulation::new(Rules { mode: Mode::Observe, ..ENFORCE });
    simulation.load(50_000, 4);
    assert_eq!(simulation.kept.len() as u64, simulation.offered);
    assert!(simulation.kept.iter().all(|record| record.weight == 1));
    let tally = simulation.keeper.take_tally();
    assert!(tally.counts().any(|(verdict, ..)| verdict == Verdict::Sampled));
}

#[test]
fn what_is_held_is_bounded_and_let_go() {
    let mut simulation = Simulation::new(ENFORCE);
    simulation.load(50_000, 12);
    assert!(!simulation.keeper.held.is_empty());
    simulation.pass(Duration::from_secs(11));
    assert!(simulation.keeper.held.is_empty());
    let counted: u64 = simulation.keeper.take_tally().counts().map(|(.., lines, _)| lines).sum();
    assert_eq!(counted, simulation.offered, "each line is counted once");
}

#[test]
fn the_last_lines_of_a_worker_that_ends_come_out() {
    let mut simulation = Simulation::new(ENFORCE);
    for index in 0..100_000 {
        simulation.line(Level::Info, None, &format!("line {index}"));
    }
    simulation.keeper.last_words(None, Stream::Stdout, simulation.now, &mut simulation.kept);
    let last: Vec<_> = simulation.kept.iter().rev().take(3).map(|record| record.line.clone()).collect();
    let expected = [99_999, 99_998, 99_997].map(|index| format!("{{\"msg\":\"line {index}\"}}"));
    assert_eq!(last, expected);
}
