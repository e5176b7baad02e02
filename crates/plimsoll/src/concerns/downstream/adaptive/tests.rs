//! Simulated time: a service with so many places, a queue before it, and workers that keep to the limit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

/// A step is so small a part of how long a call takes, but not more than a 20th of a tenth of a second.
const STEPS: u64 = 40;
const SERVICE_US: u64 = 20_000;

struct World {
    adaptive: Adaptive,
    /// How long a call takes when the service is not busy, in the mean.
    service_us: u64,
    step_us: u64,
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
    /// Tenths of a second, and those in which the limit was lowered.
    ticks: u64,
    probing: u64,
}

impl World {
    fn new(places: usize, offered: u64) -> Self {
        Self::slow(SERVICE_US, places, offered)
    }

    fn slow(service_us: u64, places: usize, offered: u64) -> Self {
        let start = Instant::now();
        Self {
            adaptive: Adaptive::new(200, start),
            service_us,
            step_us: (service_us / STEPS).min(5000),
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
            ticks: 0,
            probing: 0,
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
        self.now_us += self.step_us;
        while self.working.peek().is_some_and(|Reverse((end, _))| *end <= self.now_us) {
            let Some(Reverse((_, began))) = self.working.pop() else { break };
            self.in_flight -= 1;
            self.done += 1;
            let took = u32::try_from(self.now_us - began).unwrap();
            self.took.push(took);
            self.latencies.push(took);
        }
        // As many as may wait, as in a worker.
        let made = (self.offered * self.step_us + self.random() % 1_000_000) / 1_000_000;
        self.waiting = (self.waiting + made).min(200);
        while self.waiting > 0 && self.in_flight < self.limit() {
            self.waiting -= 1;
            self.in_flight += 1;
            self.queue.push_back(self.now_us);
        }
        self.peak = self.peak.max(self.in_flight);
        while self.working.len() < self.places
            && let Some(began) = self.queue.pop_front()
        {
            let takes = self.service_us / 2 + self.random() % self.service_us;
            self.working.push(Reverse((self.now_us + takes, began)));
        }
        if self.now_us.is_multiple_of(100_000) {
            let now = self.start + Duration::from_micros(self.now_us);
            // A worker without calls says nothing.
            if self.peak > 0 {
                self.adaptive.hear(self.peak, &std::mem::take(&mut self.took), now);
            }
            self.ticks += 1;
            self.probing += u64::from(self.adaptive.probe.is_some());
            self.peak = self.in_flight;
        }
    }

    /// Calls per second since the last `run`.
    fn rate(&self, seconds: u64) -> f64 {
        self.done as f64 / seconds as f64
    }

    /// How many times as long as alone, in the median.
    fn slowness(&mut self) -> f64 {
        median(&mut self.latencies).unwrap() / self.service_us as f64
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
        for _ in 0..100_000 / world.step_us {
            world.step();
        }
        let is_probing = world.adaptive.probe.is_some();
        probes += u32::from(is_probing && !was_probing);
        was_probing = is_probing;
    }
    assert!((2..=4).contains(&probes), "{probes} probes in 130 seconds");
    let baseline = world.adaptive.baseline_us.unwrap();
    assert!((15_000.0..25_000.0).contains(&baseline), "{baseline} µs");
}

#[test]
fn it_finds_out_what_slow_services_stand_and_seldom_lowers_the_limit_for_it() {
    for (service_us, seconds) in [(20_000, 120), (300_000, 500), (1_000_000, 500), (3_000_000, 700)] {
        for places in [8, 20, 60] {
            let capacity = places as f64 * 1e6 / service_us as f64;
            let mut world = World::slow(service_us, places, (capacity * 1.5) as u64);
            world.run(seconds);
            (world.ticks, world.probing) = (0, 0);
            world.run(2 * seconds);
            let (rate, slowness, limit) = (world.rate(2 * seconds), world.slowness(), world.adaptive.limit);
            let probing = world.probing as f64 / world.ticks as f64;
            let about = format!(
                "{places} places of {service_us} µs: {rate:.1} calls of {capacity:.1} per second, {slowness:.2} times as \
                 slow with a limit of {limit:.1}, {:.1} % of the time lowered",
                probing * 100.0
            );
            let places = places as f64;
            assert!((places * 0.9..=places * 2.0).contains(&limit), "{about}");
            assert!(rate >= 0.95 * capacity && slowness <= 1.8, "{about}");
            assert!(probing <= 0.04, "{about}");
        }
    }
}

#[test]
fn a_time_without_calls_is_no_time_without_a_quiet_moment() {
    let mut world = World::new(20, 1500);
    world.run(10);
    world.offered = 0;
    world.run(300);
    world.offered = 1500;
    (world.ticks, world.probing) = (0, 0);
    world.run(20);
    assert_eq!(world.probing, 0);
    // But under load it is looked for.
    world.run(40);
    assert!(world.probing > 0);
}

#[test]
fn where_no_call_can_be_quiet_the_limit_is_lowered_less_and_less_often() {
    // What is told of is more in flight than the limit, as where it is only observed.
    let start = Instant::now();
    let mut adaptive = Adaptive::new(200, start);
    let mut lowered = [0; 2];
    for tick in 0..72_000 {
        adaptive.hear(100, &[20_000; 10], start + SLOT * tick);
        lowered[usize::from(tick >= 36_000)] += u32::from(adaptive.probe.is_some());
    }
    assert!(
        (1..=36_000 / 20).contains(&lowered[0]) && (1..=36_000 / 100).contains(&lowered[1]),
        "{lowered:?}"
    );
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
