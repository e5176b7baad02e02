use std::time::Duration;

use super::meter::{Meter, Reading};
use super::ring::Rings;
use super::*;
use crate::ids::RouteId;
use crate::observe::control;
use crate::observe::http::Method;
use crate::observe::status::{Worker, fixture, pools};
use crate::observe::testing::app_loop;

/// Readings of one instance, each a second after the one before.
struct Instance {
    status: Status,
    threads: Vec<Arc<ThreadStats>>,
    meter: Meter,
    t: u64,
}

impl Instance {
    fn new(status: Status) -> Self {
        Self { status, threads: vec![Arc::default(), Arc::default()], meter: Meter::default(), t: 10_000_000 }
    }

    fn look(&mut self) -> Option<(Sample, Option<Sample>)> {
        self.t += 1000;
        self.meter.take(Reading::of(&self.status, &self.threads, self.t))
    }

    fn answer(&mut self, status: u16, ms: u64) {
        self.status.requests.total += 1;
        self.threads[0].record(RouteId::OTHER, Method::Get, status, Duration::from_millis(ms));
    }
}

#[test]
fn a_sample_is_what_happened_since_the_one_before() {
    let mut instance = Instance::new(fixture());
    assert!(instance.look().is_none(), "nothing is known of what was before");
    instance.answer(200, 10);
    instance.answer(503, 100);
    let worker = &mut instance.status.workers[0];
    worker.event_loop.busy_us += 400_000;
    worker.event_loop.stalled_ms += 300;
    worker.event_loop.stalls += 1;
    worker.memory.as_mut().unwrap().gc[0].total_us += 7000;
    instance.status.pools[0].figures.0.waited_us += 40_000;
    instance.status.downstreams[0].figures.0.calls += 5;
    instance.status.logs.sampled += 3;
    let (sample, _) = instance.look().unwrap();
    assert_eq!((sample.span_ms, sample.requests, sample.answers), (1000, 2, [0, 0, 1, 0, 0, 1]));
    assert!((100_000..115_000).contains(&sample.p99_us) && sample.p50_us < 12_000, "{sample:?}");
    let worker = sample.workers[0];
    assert_eq!((worker.busy_ms, worker.stalled_ms, worker.stalls, worker.gc_ms), (400, 300, 1, 7));
    assert_eq!((worker.heap_bytes, worker.in_flight), (31 << 20, 3), "these are no differences");
    assert_eq!((sample.pools[0].waited_ms, sample.pools[0].in_use), (40, 3));
    assert_eq!((sample.downstreams[0].calls, sample.downstreams[0].in_flight), (5, 4));
    assert_eq!((sample.logs.sampled, sample.logs.errors), (3, 0));
    let (quiet, _) = instance.look().unwrap();
    assert_eq!((quiet.requests, quiet.p99_us, quiet.workers[0].stalls), (0, 0, 0));
}

#[test]
fn ten_seconds_are_the_sum_of_each_and_have_quantiles_of_their_own() {
    let mut instance = Instance::new(fixture());
    instance.look();
    for second in 0..9_u32 {
        instance.status.workers[0].event_loop.late_ms = second;
        instance.answer(200, 1);
        assert_eq!(instance.look().unwrap().1, None, "{second}");
    }
    instance.answer(200, 900);
    instance.status.workers[0].event_loop.late_ms = 0;
    let (short, long) = instance.look().unwrap();
    let long = long.unwrap();
    assert_eq!((long.requests, long.answers[2], long.span_ms, long.t), (10, 10, 10_000, short.t));
    assert!(long.p50_us < 2000 && long.p99_us > 900_000, "{long:?}");
    assert_eq!(long.workers[0].late_ms, 8, "a peak stays one");
    assert_eq!(instance.look().unwrap().1, None, "the next one begins");
}

#[test]
fn what_is_beyond_the_number_of_rows_is_one_row() {
    let mut status = fixture();
    let worker = status.workers[0].clone();
    status.workers = (0..100).map(|id| Worker { id, ..worker.clone() }).collect();
    status.pools = (0..40)
        .map(|at| pools::Pool { name: "\u{e4}".repeat(at + 100), in_use: 1, ..pools::fixture() })
        .collect();
    let mut instance = Instance::new(status);
    instance.look();
    instance.status.workers[99].requests += 5;
    let (sample, _) = instance.look().unwrap();
    let rest = sample.workers[64];
    assert_eq!((sample.workers.len(), rest.requests, rest.in_flight), (65, 5, 36 * 3));
    assert_eq!((sample.pools.len(), &*sample.pools[16].name, sample.pools[16].in_use), (17, "others", 24));
    assert_eq!(sample.pools[0].name.chars().count(), 81);
}

#[test]
fn a_process_that_is_replaced_and_a_clock_that_is_set_back_are_no_flood() {
    let mut instance = Instance::new(fixture());
    instance.look();
    instance.status.workers[0].event_loop.busy_us = 1000;
    assert_eq!(instance.look().unwrap().0.workers[0].busy_ms, 0);
    instance.t -= 3_600_000;
    assert!(instance.look().is_none());
    assert_eq!(instance.look().unwrap().0.span_ms, 1000);
}

#[test]
fn the_rings_forget_what_is_oldest_and_give_the_finer_one_where_it_reaches() {
    let mut rings = Rings::default();
    let sample = |t: u64| Sample { t, ..Sample::default() };
    for second in 1..=4000 {
        rings.add(sample(second * 1000), (second % 10 == 0).then(|| sample(second * 1000)));
    }
    assert_eq!((rings.short().count(), rings.long().count()), (300, 360));
    let times = |time_ms| rings.last(time_ms, 4_000_000).map(|sample| sample.t).collect::<Vec<_>>();
    assert_eq!(times(2000), [3_998_000, 3_999_000, 4_000_000]);
    assert_eq!((times(60_000).len(), times(600_000).len(), times(9_999_999).len()), (61, 61, 360));
}

#[tokio::test]
async fn whoever_watches_gets_each_sample_and_it_is_kept() {
    let (inquiry, requests) = control::channel();
    tokio::spawn(app_loop(requests, fixture()));
    let history = History::default();
    let mut ticks = history.watch();
    tokio::spawn(run(history.clone(), inquiry, Vec::new(), std::future::pending()));
    ticks.changed().await.unwrap();
    let seen = ticks.borrow().clone().unwrap();
    assert_eq!(seen.status.name, "shop");
    assert_eq!(history.last(Duration::from_secs(60)), std::slice::from_ref(&seen.sample));
}
