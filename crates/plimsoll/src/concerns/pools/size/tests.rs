use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use plimsoll_wire::pools::{Figures, Times, bound_us};

use super::super::window::{Summary, Window};
use super::{Pools, needed, peakedness};

fn summary(rate: f64, use_mean_ms: f64) -> Summary {
    let in_use = rate * use_mean_ms / 1000.0;
    Summary { rate, got_rate: rate, use_mean_ms, in_use, peakedness: 1.0, ..Summary::default() }
}

fn one(size: u32) -> Pools {
    Pools { size, workers: 1, is_lent: false }
}

#[test]
fn the_needed_size_is_the_load_and_what_chance_adds_to_it() {
    let even = |summary| Summary { peakedness: 0.0, ..summary };
    let full =
        |waiting, got_rate| Summary { waiting, full_share: 1.0, got_rate, ..even(summary(200.0, 50.0)) };
    let eight = Pools { size: 160, workers: 8, is_lent: false };
    let table = [
        (Summary::default(), one(10), 0),
        (even(summary(500.0, 50.0)), one(10), 25),
        (summary(500.0, 50.0), one(10), 30),
        (summary(310.0, 62.0), one(160), 24),
        // Pools that do not help one another out need more together, and one connection each.
        (summary(310.0, 62.0), Pools { is_lent: true, ..eight }, 24),
        (summary(310.0, 62.0), eight, 32),
        (summary(5.0, 1.0), one(10), 1),
        (summary(5.0, 1.0), eight, 8),
        // Always full, and as many come as go: 25 callers take turns.
        (full(15.0, 200.0), one(10), 25),
        (full(150.0, 200.0), one(10), 30),
        // The queue grows: its length says nothing.
        (full(150.0, 150.0), one(10), 10),
        (summary(f64::MAX, 50.0), one(10), 1_000_000),
    ];
    for (summary, pools, expected) in table {
        assert_eq!(needed(&summary, pools), expected, "{summary:?} {pools:?}");
    }
}

#[test]
fn how_much_varies_depends_on_what_is_asked_for_and_for_how_long_it_is_kept() {
    let bucket = |ms: f64| (0..).find(|bucket| bound_us(*bucket).is_none_or(|us| us as f64 >= ms * 1000.0));
    let mut same = Times::default();
    same.0[bucket(100.0).unwrap()] = 1000;
    let mut exponential = Times::default();
    for quantile in 0..10_000 {
        let ms = -100.0 * (1.0 - (f64::from(quantile) + 0.5) / 10_000.0).ln();
        exponential.0[bucket(ms).unwrap()] += 1;
    }
    for (spread, uses, expected) in [
        (1.0, &same, 1.0),
        (1.0, &exponential, 1.0),
        (0.0, &same, 0.0),
        (0.0, &exponential, 0.5),
        (5.0, &exponential, 1.0),
        (f64::MAX, &same, 1.0),
        (1.0, &Times::default(), 1.0),
    ] {
        let found = peakedness(spread, uses);
        assert!((found - expected).abs() < 0.06, "{spread}: {found}, not {expected}");
    }
}

/// A generator of Lehmer's: the same numbers on each run.
struct Random(u64);

impl Random {
    /// Between 0 and 1, and neither.
    fn next(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 as f64 / f64::from(0x7fff_ffff_u32)
    }
}

#[derive(Debug, Clone, Copy)]
enum Arrivals {
    Regular,
    Poisson,
}

#[derive(Debug, Clone, Copy)]
enum Use {
    Same,
    Uniform,
    Exponential,
    /// Nine of ten take a fifth of the mean, the tenth forty times as long.
    Rarely,
}

const MEAN_MS: f64 = 100.0;

impl Arrivals {
    /// When connections are asked for, in milliseconds.
    fn times(self, per_ms: f64, until: f64, random: &mut Random) -> Vec<f64> {
        let (mut at, mut times) = (0.0, Vec::new());
        while at < until {
            at += match self {
                Self::Regular => 1.0 / per_ms,
                Self::Poisson => -random.next().ln() / per_ms,
            };
            times.push(at);
        }
        times
    }
}

impl Use {
    fn ms(self, random: &mut Random) -> f64 {
        let chance = random.next();
        match self {
            Self::Same => MEAN_MS,
            Self::Uniform => 2.0 * MEAN_MS * chance,
            Self::Exponential => -MEAN_MS * chance.ln(),
            Self::Rarely if chance < 0.9 => 0.2 * MEAN_MS,
            Self::Rarely => 8.2 * MEAN_MS,
        }
    }
}

/// Asked for, got, and given back, in microseconds.
struct Turn {
    asked: u64,
    got: u64,
    given: u64,
}

/// Who asks first gets the first that is free.
fn run(asked: &[f64], uses: &[f64], size: usize) -> Vec<Turn> {
    let us = |ms: f64| (ms * 1000.0).round() as u64;
    let mut free: BinaryHeap<_> = (0..size).map(|_| std::cmp::Reverse(0)).collect();
    let turn = |(asked, used): (&f64, &f64)| {
        let asked = us(*asked);
        let got = asked.max(free.pop().unwrap().0);
        let given = got + us(*used);
        free.push(std::cmp::Reverse(given));
        Turn { asked, got, given }
    };
    asked.iter().zip(uses).map(turn).collect()
}

/// What an agent tells of it every second from then on, for ten seconds.
fn told(turns: &[Turn], size: usize, from_s: u64) -> Summary {
    let bucket = |us: u64| (0..).find(|bucket| bound_us(*bucket).is_none_or(|bound| us <= bound)).unwrap();
    let begun = Instant::now();
    let (mut window, mut before) = (Window::default(), Figures::default());
    for second in from_s..from_s + 10 {
        let mut figures = before.clone();
        let mut tenths = [0.0; 10];
        let is_now = |at: u64| at / 1_000_000 == second;
        for turn in turns.iter().filter(|turn| is_now(turn.asked)) {
            figures.asked += 1;
            tenths[(turn.asked % 1_000_000 / 100_000) as usize] += 1.0;
        }
        for turn in turns.iter().filter(|turn| is_now(turn.got)) {
            figures.got += 1;
            figures.waited_us += turn.got - turn.asked;
            figures.waits.0[bucket(turn.got - turn.asked)] += 1;
        }
        for turn in turns.iter().filter(|turn| is_now(turn.given)) {
            figures.used_us += turn.given - turn.got;
            figures.uses.0[bucket(turn.given - turn.got)] += 1;
        }
        let mean = tenths.iter().sum::<f64>() / 10.0;
        let variance = tenths.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / 9.0;
        figures.spread = if mean > 0.0 { (1000.0 * variance / mean) as u64 } else { 1000 };
        let waits = figures.asked > figures.got;
        figures.over_us = 1_000_000;
        figures.max = size as u64;
        (figures.used_peak, figures.waiting_peak) = (if waits { figures.max } else { 0 }, u64::from(waits));
        window.add(&figures, &before, begun + Duration::from_secs(second - from_s + 1));
        before = figures;
    }
    window.summary(begun + Duration::from_secs(10))
}

/// The smallest pool in which one in five has to wait.
fn enough(asked: &[f64], uses: &[f64], load: usize) -> u32 {
    let calm = |size: &usize| {
        let turns = run(asked, uses, *size);
        let waits = turns.iter().skip(turns.len() / 10).filter(|turn| turn.got > turn.asked + 1000).count();
        waits * 5 <= turns.len()
    };
    (load..).find(calm).unwrap() as u32
}

/// Within 20 %, or one connection of few.
fn check(arrivals: Arrivals, uses: Use, load: usize) {
    let mut random = Random(4_711);
    let asked = arrivals.times(load as f64 / MEAN_MS, 200_000.0, &mut random);
    let times: Vec<f64> = asked.iter().map(|_| uses.ms(&mut random)).collect();
    let right = enough(&asked, &times, load);
    // Also a pool that is far too small, and has a queue that grows, tells the size that is needed.
    for size in [load * 2 / 5, load * 3].map(|size| size.max(1)) {
        let said = needed(&told(&run(&asked, &times, size), size, 5), one(size as u32));
        let off = said.abs_diff(right);
        assert!(
            off * 5 <= right || off <= 1,
            "{arrivals:?} {uses:?} {load}, a pool of {size}: {said}, not {right}"
        );
    }
}

#[test]
fn the_size_that_is_said_is_the_one_that_simulation_finds() {
    // Few of what is rarely long come in ten seconds of a small load: its mean is a matter of chance.
    let all = [
        (Use::Same, &[3, 10, 25, 60][..]),
        (Use::Uniform, &[3, 10, 25, 60]),
        (Use::Exponential, &[3, 10, 25, 60]),
        (Use::Rarely, &[25, 60]),
    ];
    for (uses, loads) in all {
        for load in loads {
            check(Arrivals::Regular, uses, *load);
            check(Arrivals::Poisson, uses, *load);
        }
    }
}
