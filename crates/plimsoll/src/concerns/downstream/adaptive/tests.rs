//! Simulated time: a service with so many places, a queue before it, and workers that keep to the limit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

const STEP_US: u64 = 500;
/// How long a call takes when the service is not busy, in the mean.
const SERVICE_US: u64 = 20_000;

struct World {
    adaptive: Adaptive,
    start: Instant,
    now_us: u64,
    places: usize,
    /// Calls that are made per second.
    offered: u64,
    /// The limit is fixed instead.
    fixed: Option<u32>,
    waiting: u64,
    in_flight: u32,
    /// At the service: when each began, by the limit's clock.
    queue: VecDeque<u64>,
    /// When it ends, and when it began.
    working: BinaryHeap<Reverse<(u64, u64)>>,
    took: Vec<u32>,
    peak: u32,
    random: u64,
    done: u64,
    latencies: Vec<u32>,
}

impl World {
    fn new(places: usize, offered: u64) -> Self {
        let start = Instant::now();
        Self {
            adaptive: Adaptive::new(200, start),
            start,
            now_us: 0,
            places,
            offered,
            fixed: None,
            waiting: 0,
            in_flight: 0,
            queue: VecDeque::new(),
            working: BinaryHeap::new(),
            took: Vec::new(),
            peak: 0,
            random: 7,
            done: 0,
            latencies: Vec::new(),
        }
    }

    fn limit(&self) -> u32 {
        self.fixed.unwrap_or_else(|| self.adaptive.limit())
    }

    /// xorshift: the same in every run.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn run(&mut self, seconds: u64) {
        let until = self.now_us + seconds * 1_000_000;
        self.done = 0;
        self.latencies.clear();
        while self.now_us < until {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now_us += STEP_US;
        while self.working.peek().is_some_and(|Reverse((end, _))| *end <= self.now_us) {
            let Some(Reverse((_, began))) = self.working.pop() else { break };
            self.in_flight -= 1;
            self.done += 1;
            let took = u32::try_from(self.now_us - began).unwrap();
            self.took.push(took);
            self.latencies.push(took);
        }
        if self.random() % 1_000_000 < self.offered * STEP_US {
            // As many as may wait, as in a worker.
            self.waiting = (self.waiting + 1).min(200);
        }
        while self.waiting > 0 && self.in_flight < self.limit() {
            self.waiting -= 1;
            self.in_flight += 1;
            self.queue.push_back(self.now_us);
        }
        self.peak = self.peak.max(self.in_flight);
        while self.working.len() < self.places
            && let Some(began) = self.queue.pop_front()
        {
            let takes = SERVICE_US / 2 + self.random() % SERVICE_US;
            self.working.push(Reverse((self.now_us + takes, began)));
        }
        if self.now_us.is_multiple_of(100_000) {
            let now = self.start + Duration::from_micros(self.now_us);
            self.adaptive.hear(self.peak, &std::mem::take(&mut self.took), now);
            self.peak = self.in_flight;
        }
    }

    /// Calls per second since the last `run`.
    fn rate(&self, seconds: u64) -> f64 {
        self.done as f64 / seconds as f64
    }

    /// How many times as long as alone, in the median.
    fn slowness(&mut self) -> f64 {
        median(&mut self.latencies).unwrap() / SERVICE_US as f64
    }
}

/// What so many places serve in a second.
fn capacity(places: usize) -> f64 {
    places as f64 * 1e6 / SERVICE_US as f64
}

#[test]
fn it_follows_a_service_that_loses_places_and_gets_them_back() {
    // First a while with little to do: from it comes the baseline.
    let mut world = World::new(20, 100);
    world.run(10);
    world.offered = 1500;
    for (places, seconds) in [(20, 60), (8, 60), (20, 90)] {
        world.places = places;
        world.run(10);
        world.run(seconds);
        let (rate, slowness, limit) = (world.rate(seconds), world.slowness(), world.limit());
        assert!(
            rate >= 0.95 * capacity(places),
            "{places} places: {rate} calls per second with a limit of {limit}"
        );
        assert!(slowness <= 2.0, "{places} places: {slowness} times as slow with a limit of {limit}");
    }
}

#[test]
fn it_is_never_much_worse_than_a_limit_that_was_chosen_well() {
    let mut adaptive = World::new(10, 750);
    let mut fixed = World::new(10, 750);
    fixed.fixed = Some(12);
    adaptive.run(30);
    fixed.run(30);
    for _ in 0..10 {
        adaptive.run(20);
        fixed.run(20);
        let (one, other) = (adaptive.rate(20), fixed.rate(20));
        assert!(one >= 0.95 * other, "{one} calls per second, {other} with a fixed limit");
    }
}

#[test]
fn where_few_calls_are_made_the_limit_stays() {
    let mut world = World::new(20, 50);
    world.run(120);
    assert_eq!(world.limit(), 20);
}

#[test]
fn without_a_quiet_moment_it_makes_one_once_a_minute() {
    let mut world = World::new(20, 1500);
    world.run(55);
    assert_eq!(world.adaptive.baseline_us, None, "all calls began with many in flight");
    let mut probes = 0;
    let mut was_probing = false;
    for _ in 0..1300 {
        for _ in 0..100_000 / STEP_US {
            world.step();
        }
        let is_probing = world.adaptive.probe_until.is_some();
        probes += u32::from(is_probing && !was_probing);
        was_probing = is_probing;
    }
    assert!((2..=4).contains(&probes), "{probes} probes in 130 seconds");
    let baseline = world.adaptive.baseline_us.unwrap();
    assert!((15_000.0..25_000.0).contains(&baseline), "{baseline} µs");
}

#[test]
fn it_stays_within_its_bounds_whatever_is_told() {
    let start = Instant::now();
    for took in [u32::MAX, 0, 1] {
        let mut adaptive = Adaptive::new(50, start);
        for tick in 0..2000 {
            let now = start + SLOT * tick;
            let peak = if tick < 100 { 1 } else { u32::MAX };
            adaptive.hear(peak, &[took; 10], now);
            assert!((3..=50).contains(&adaptive.limit()), "{took}: {}", adaptive.limit());
        }
    }
    assert_eq!(Adaptive::new(1, start).limit(), 3);
}
