//! What has begun in the last seconds, and what is one matter though two rules see it.

use super::*;

/// Some seconds after it, with as many requests as before.
fn after(then: &Status, seconds: u64) -> Status {
    let mut now = then.clone();
    now.uptime_s += seconds;
    now.requests.total += 100 * seconds;
    now.requests.took_ms += 2000 * seconds;
    now
}

#[test]
fn what_has_begun_lately_is_told_though_it_is_little_in_minutes() {
    let then = Status { uptime_s: 0, requests: Requests::default(), ..stalled(Kind::JavaScript, None) };
    let before = after(&then, 290);
    let mut now = after(&before, 10);
    let both = Then { minutes: Some(&then), lately: Some(&before) };
    assert_eq!(codes(&judge(&now, both, TODAY)), Vec::<&str>::new());
    // A stall of 0.3 s: 1 ms of every second of the minutes, and 30 of the last ten.
    let group = &mut now.incidents.groups[0];
    (group.count, group.cost_ms) = (group.count + 1, group.cost_ms + 300);
    let found = judge(&now, both, TODAY);
    let one = &found.findings[0];
    assert_eq!((one.code.as_str(), one.seconds, one.damage_ms_per_s), ("stall", 10, 30.0));
    assert_eq!((found.seconds, found.findings.len(), one.lately_ms_per_s), (300, 1, None));
    // And is over.
    let later = after(&now, 10);
    let both = Then { minutes: Some(&then), lately: Some(&now) };
    assert_eq!(codes(&judge(&later, both, TODAY)), Vec::<&str>::new());
}

#[test]
fn what_hurts_more_lately_stands_first_and_one_matter_is_told_once() {
    let groups = |costs: [u64; 2]| {
        let one = |(place, cost_ms): (&str, u64)| Group {
            place: Some(place.into()),
            count: cost_ms / 100,
            cost_ms,
            ..group(Kind::JavaScript, None)
        };
        Incidents { groups: ["old", "new"].into_iter().zip(costs).map(one).collect(), ..Incidents::default() }
    };
    let with = |status: Status, costs| Status { incidents: groups(costs), ..status };
    let start = Status { uptime_s: 0, requests: Requests::default(), ..calm() };
    let then = with(start.clone(), [0, 0]);
    let before = with(after(&start, 290), [60_000, 0]);
    let now = with(after(&start, 300), [60_000, 9000]);
    let found = judge(&now, Then { minutes: Some(&then), lately: Some(&before) }, TODAY);
    let told = found.findings.iter().map(|one| {
        (
            one.what.split(' ').next_back().unwrap(),
            one.damage_ms_per_s,
            one.lately_ms_per_s,
            one.cost.as_deref().unwrap(),
        )
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            (
                "new",
                30.0,
                Some(900.0),
                "clients wait 30 ms in every second for it, 1.5 % of all their waiting; in the last 10s 900 ms"
            ),
            (
                "old",
                200.0,
                Some(0.0),
                "clients wait 200 ms in every second for it, 10 % of all their waiting; in the last 10s not at all"
            ),
        ]
    );
    // A queue of minutes ago and one of now are of the same pool, whatever it needs.
    let slow = |pool: Pool, waited_ms| Status {
        ..with_pool(Pool { figures: Counted(pool_figures(waited_ms)), ..pool })
    };
    let then = Status { uptime_s: 0, requests: Requests::default(), ..slow(pool(), 0) };
    let before = Status { uptime_s: 290, ..slow(pool(), 60_000) };
    let now = Status { uptime_s: 300, ..slow(pool(), 90_000) };
    let found = judge(&now, Then { minutes: Some(&then), lately: Some(&before) }, TODAY);
    assert_eq!(codes(&found), ["pool_too_small"]);
}

#[test]
fn a_flood_is_told_though_the_loop_waits_for_it_for_moments_only() {
    let mut status = stalled(Kind::NativeCall, Some("console.log"));
    status.incidents.groups[0].cost_ms = 90;
    assert_eq!(codes(&judge(&status, Then::default(), TODAY)), Vec::<&str>::new());
    let logs = WorkerFigures { lines: 6_000_000, ..WorkerFigures::default() };
    status.workers[0].logs = Some(logs);
    status.logs = Logs { sampled: 5_000_000, ..Logs::default() };
    assert_eq!(codes(&judge(&status, Then::default(), TODAY)), ["log_blocks"]);
}

#[test]
fn a_heavy_route_is_told_with_what_it_does_and_with_the_log_where_it_is_that() {
    let mut status = heavy();
    let seen = |status: &mut Status, call: Option<&str>| {
        let route = &mut status.heavy_routes[0];
        route.place = Some("render (src/a.js)".into());
        route.at = Some("src/a.js:7".into());
        route.call = call.map(str::to_owned);
    };
    seen(&mut status, None);
    let found = judge(&status, Then::default(), TODAY).findings.remove(0);
    assert_eq!(
        found.what,
        "GET /reports keeps the event loop for 60 ms each time, mostly in render (src/a.js)"
    );
    assert_eq!((found.code.as_str(), found.at.as_deref()), ("heavy_route", Some("src/a.js:7")));
    seen(&mut status, Some("console.log"));
    let found = judge(&status, Then::default(), TODAY);
    assert_eq!(codes(&found), ["log_blocks"]);
    assert_eq!(
        found.findings[0].what,
        "GET /reports keeps the event loop for 60 ms each time with its log, in console.log"
    );
    // Some of its requests are stalls: it is one matter.
    let damage = found.findings[0].damage_ms_per_s;
    let stall = Group {
        route: Some("GET /reports".into()),
        cost_ms: 700,
        ..group(Kind::NativeCall, Some("console.log"))
    };
    status.incidents.groups = vec![stall];
    let found = judge(&status, Then::default(), TODAY);
    assert_eq!((codes(&found), found.findings[0].damage_ms_per_s), (vec!["log_blocks"], damage));
    assert!(found.findings[0].what.starts_with("GET /reports blocks the event loop with its log"));
    assert!(found.findings[0].seen[1].starts_with("GET /reports keeps the event loop for 60 ms each time"));
}
