use std::time::{Duration, Instant};

use super::allot::{Allotment, MAIN, allot, learned};
use super::cost::{Change, Costs};
use super::demand::{Capacity, Demand};
use super::yielding::{LIMITS, may_begin, may_go_before_others, tenure};
use crate::concerns::event_loop::overload::Overload;

const THRESHOLD: Duration = Duration::from_millis(50);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Has every request of a route end with its cost, told where it is worth it; gives when the route changed sides.
fn changes(costs: impl IntoIterator<Item = u64>) -> Vec<(u64, bool)> {
    let (mut known, mut changes) = (Costs::new(THRESHOLD), Vec::new());
    for (ended, cost) in (1..).zip(costs) {
        let change = if cost >= 20 { known.observe(1, ended, ended, ms(cost)) } else { known.look(1, ended) };
        changes.extend(change.map(|change| (ended, matches!(change, Change::Heavy { .. }))));
    }
    changes
}

#[test]
fn a_route_is_heavy_when_its_usual_request_is() {
    let one_in = |each: usize, heavy: u64| (1..=5000).map(move |n| if n % each == 0 { heavy } else { 0 });
    let then = |first: Vec<u64>, second: Vec<u64>| first.into_iter().chain(second).collect::<Vec<_>>();
    let table = [
        ("two are not enough", vec![180; 2], None),
        ("three are", vec![180; 3], Some((3, true))),
        ("just below the threshold", vec![49; 500], None),
        ("a popular route that is heavy once in a hundred times", one_in(100, 150).collect(), None),
        ("one stop of a process for a minute", then(vec![0; 10], vec![60_000, 0, 0, 0]), None),
        ("two in a row, again and again", then(vec![200, 200], vec![0; 3]).repeat(1), None),
        ("it became heavy after long", then(vec![0; 1000], vec![180; 3]), Some((1003, true))),
        ("a little over the threshold", vec![60; 3], Some((3, true))),
        ("every other request", one_in(2, 300).take(200).collect(), None),
    ];
    for (case, costs, expected) in table {
        let found = changes(costs);
        if case != "every other request" {
            assert_eq!(found.first().copied(), expected, "{case}");
        }
        assert!(found.len() <= 1, "{case}: {found:?}");
    }
}

#[test]
fn a_heavy_route_is_light_again_only_well_below_the_threshold() {
    let still: Vec<u64> = [180; 5].into_iter().chain([30; 100]).collect();
    assert_eq!(changes(still), [(5 - 2, true)], "30 of 50 ms is not well below");
    let light: Vec<u64> = [180; 5].into_iter().chain([0; 100]).collect();
    let found = changes(light);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], (3, true));
    assert!(!found[1].1 && (10..30).contains(&found[1].0), "{found:?}");
    let swings: Vec<u64> = [45, 55].into_iter().cycle().take(1000).collect();
    assert!(changes(swings).len() <= 1, "it does not go back and forth around the threshold");
}

#[test]
fn the_parts_of_one_request_are_added_up() {
    let mut costs = Costs::new(THRESHOLD);
    for request in 1..=3 {
        assert_eq!(costs.observe("a", request - 1, request, ms(30)), None);
        let change = costs.observe("a", request - 1, request, ms(30));
        assert_eq!(change.is_some(), request == 3, "{request}");
    }
    assert_eq!(costs.mean("a"), ms(60));
    assert_eq!(costs.heavy().collect::<Vec<_>>(), [("a", ms(60))]);
    assert!(costs.is_heavy("a") && !costs.is_heavy("b"));
}

#[test]
fn requests_that_ended_at_the_same_time_on_two_workers_do_not_confuse_it() {
    let mut costs = Costs::new(THRESHOLD);
    let mut found = Vec::new();
    // Two end, then both are told.
    for pair in 1..=3 {
        for one in [0, 1] {
            found.extend(costs.observe(1, pair * 2, pair * 2 + one, ms(150)));
        }
    }
    assert!(matches!(found[..], [Change::Heavy { .. }]), "{found:?}");
}

#[test]
fn the_lanes_are_made_of_the_last_workers() {
    // Workers, wanted per lane; group of each worker, home of each lane.
    type Row = (usize, &'static [usize], &'static [usize], &'static [usize]);
    let table: [Row; 9] = [
        (0, &[1], &[], &[MAIN]),
        (1, &[1], &[MAIN], &[MAIN]),
        (2, &[1], &[MAIN, 1], &[1]),
        (4, &[1], &[MAIN, MAIN, MAIN, 1], &[1]),
        (4, &[0], &[MAIN; 4], &[MAIN]),
        (3, &[5], &[MAIN, 1, 1], &[1]),
        (4, &[1, 2], &[MAIN, 2, 2, 1], &[1, 2]),
        (2, &[1, 1], &[MAIN, 1], &[1, 1]),
        (4, &[0, 1], &[MAIN, MAIN, MAIN, 2], &[MAIN, 2]),
    ];
    for (workers, wanted, groups, homes) in table {
        let expected = Allotment { groups: groups.to_vec(), homes: homes.to_vec() };
        assert_eq!(allot(workers, wanted), expected, "{workers} {wanted:?}");
    }
}

#[test]
fn the_learned_lane_is_a_quarter_of_the_workers() {
    let table = [(1, None, 1), (2, None, 1), (4, None, 1), (8, None, 2), (15, None, 3), (8, Some(3), 3)];
    for (workers, setting, expected) in table {
        assert_eq!(learned(workers, setting), expected, "{workers} {setting:?}");
    }
}

/// A minute of requests a second: heavy ones of 100 ms, and others. Gives whether the lane is lifted in the end, and how
/// often that changed.
fn lifted(heavy: u64, others: u64, capacity: Capacity) -> (bool, usize) {
    let start = Instant::now();
    let mut demand = Demand::new(start, 0);
    let (mut requests, mut changes) = (0, 0);
    for second in 0..60 {
        requests += others;
        for n in 0..heavy {
            requests += 1;
            let now = start + Duration::from_secs(second) + Duration::from_secs(1) * n as u32 / heavy as u32;
            changes += usize::from(demand.arrived(now, ms(100), requests, capacity).is_some());
        }
    }
    (demand.is_lifted(), changes)
}

#[test]
fn a_lane_that_would_turn_away_what_all_could_carry_is_lifted() {
    let four = Capacity { lane: 1, all: 4 };
    // Heavy and other requests a second; is the lane lifted?
    let table = [
        ("a report now and then", 1, 2000, false),
        ("the lane is nearly full", 8, 200, false),
        ("more than it has, and all can carry it", 20, 200, true),
        ("the service is made of heavy requests", 35, 5, true),
        ("even all could not carry it, and many others are there", 100, 1000, false),
        ("few requests, all heavy", 2, 0, false),
    ];
    for (case, heavy, others, expected) in table {
        let (is_lifted, changes) = lifted(heavy, others, four);
        assert_eq!((is_lifted, changes), (expected, usize::from(expected)), "{case}");
    }
}

#[test]
fn a_lifted_lane_is_set_up_again_when_it_is_large_enough() {
    let start = Instant::now();
    let capacity = Capacity { lane: 1, all: 4 };
    let mut demand = Demand::new(start, 0);
    let mut at = |millisecond: u64, requests: u64| {
        demand.arrived(start + ms(millisecond), ms(100), requests, capacity);
        demand.is_lifted()
    };
    let is_lifted = (1..=200).map(|n| at(n * 50, n * 10)).last();
    assert_eq!(is_lifted, Some(true), "20 a second are too many for it");
    // One a second.
    assert!((12..30).any(|second| !at(second * 1000, second * 200)), "it is set up again");
}

#[test]
fn heavy_requests_wait_for_long_before_the_lane_turns_somebody_away() {
    let start = Instant::now();
    // How long everybody waits who is served, one each 200 ms, and for how many seconds; is that too much?
    let table = [(900, 60, false), (2000, 4, false), (2000, 7, true)];
    for (waits, seconds, expected) in table {
        let mut overload = Overload::new(LIMITS);
        for turn in 0..seconds * 5 {
            overload.left(start + ms(turn * 200), ms(waits), ms(waits));
        }
        assert_eq!(overload.is_on(), expected, "{waits} {seconds}");
        assert_eq!(overload.is_too_long(ms(5001)), expected);
        assert!(!overload.is_too_long(ms(5000)));
    }
}

#[test]
fn a_heavy_request_begins_when_its_worker_has_nothing_else_or_has_taken_long() {
    let table = [(0, 0, true), (0, 3, false), (24, 1, false), (25, 3, true)];
    for (kept_free, in_flight, expected) in table {
        assert_eq!(may_begin(ms(kept_free), in_flight), expected, "{kept_free} {in_flight}");
    }
    let table = [(0, false, true), (10, true, false), (999, true, false), (1000, true, true)];
    for (waited, others_wait, expected) in table {
        assert_eq!(may_go_before_others(ms(waited), others_wait), expected, "{waited} {others_wait}");
    }
    assert_eq!([tenure(ms(1)), tenure(ms(180)), tenure(ms(100_000))], [ms(100), ms(360), ms(60_000)]);
}
