use std::time::{Duration, Instant};

use plimsoll_wire::lease::Ask;
use plimsoll_wire::pools::{About, Figures, FromAgent, ToAgent};

use super::desk::{Answers, Note};
use super::{Desk, Rules};
use crate::concerns::downstream::Holder;
use crate::config::{PoolLimits, Pools, PoolsMode};
use crate::ids::WorkerId;

fn holder(index: u16) -> Holder {
    Holder { worker: WorkerId { index, incarnation: 1 }, channel: 7 }
}

fn about() -> About {
    let (library, server, database) = ("pg".into(), "db:5432".into(), "shop".into());
    About { library, server, database, max: 20, is_sizeable: true, is_shared: false }
}

fn desk(limits: PoolLimits) -> Desk {
    Desk::new(Rules::new(&Pools { default: limits, named: Vec::new() }, 1))
}

fn enforced(max_connections: usize) -> PoolLimits {
    PoolLimits { mode: PoolsMode::Enforce, max_connections: Some(max_connections), ..PoolLimits::default() }
}

fn meets(desk: &mut Desk, holder: Holder, about: About, now: Instant) -> bool {
    let Answers { messages, .. } = desk.hear(holder, FromAgent::Pool { pool: 0, about }, now);
    let [(to, ToAgent::Rule { pool: 0, rule })] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(*to, holder);
    rule.enforce
}

fn asks(
    desk: &mut Desk,
    holder: Holder,
    (serial, wants, held): (u32, u32, u32),
    now: Instant,
) -> Vec<(u16, u32)> {
    let ask = Ask { serial, wants, held, stamp: 1 };
    let Answers { messages, .. } = desk.hear(holder, FromAgent::Ask { pool: 0, ask }, now);
    amounts(messages)
}

fn amounts(messages: Vec<(Holder, ToAgent)>) -> Vec<(u16, u32)> {
    let grants = messages.into_iter().map(|(holder, message)| match message {
        ToAgent::Grant { grant, .. } => (holder.worker.index, grant.amount),
        other => panic!("{other:?}"),
    });
    grants.collect()
}

/// What a worker with a pool of 10 counts in a second: so many asked for, all used for 50 ms, and who waited 500 ms.
fn second(before: &Figures, asked: u64, got: u64, waits: u64) -> Figures {
    let mut figures = before.clone();
    (figures.max, figures.used_peak, figures.open) = (10, 10, 10);
    figures.over_us = 1_000_000;
    figures.asked += asked;
    figures.got += got;
    figures.waiting = figures.asked - figures.got;
    figures.waiting_peak = waits;
    figures.oldest_us = if waits > 0 { 500_000 } else { 0 };
    // Of 45 to 50 ms, and of 0.5 to 0.56 s.
    figures.uses.0[54] += got;
    figures.used_us += got * 50_000;
    figures.waits.0[if waits > 0 { 75 } else { 0 }] += got;
    figures
}

fn tells(desk: &mut Desk, holder: Holder, figures: &Figures, now: Instant) -> Vec<Note> {
    desk.hear(holder, FromAgent::Figures { pool: 0, figures: Box::new(figures.clone()) }, now).notes
}

#[test]
fn a_queue_in_our_own_process_is_said_with_the_size_that_is_needed() {
    let mut desk = desk(PoolLimits::default());
    let start = Instant::now();
    assert!(!meets(&mut desk, holder(0), about(), start));
    let mut figures = Figures::default();
    let mut notes = Vec::new();
    for seconds in 1..=4 {
        figures = second(&figures, 500, 200, 143);
        notes.extend(tells(&mut desk, holder(0), &figures, start + Duration::from_secs(seconds)));
    }
    let [Note::Bad(said)] = &notes[..] else { panic!("{notes:?}") };
    assert!(
        said.starts_with("pool pg@db:5432/shop: 600 requests wait for a connection in our own process"),
        "{said}"
    );
    let now = start + Duration::from_secs(4);
    let seen = desk.seen(now);
    assert!((20..=30).contains(&seen[0].needed), "{:?}", seen[0].summary);
    assert_eq!(seen[0].findings.len(), 1, "{:?}", seen[0].findings);
    assert_eq!(desk.queues()[0].ended, None);

    // It ends when nobody has waited for a while, also where nobody reports any more.
    tells(&mut desk, holder(0), &second(&figures, 10, 10, 0), now + Duration::from_secs(1));
    let mut over = Vec::new();
    let mut at = now;
    while over.is_empty() && at < now + Duration::from_secs(20) {
        at = desk.deadline().unwrap();
        over.extend(desk.look(at).notes);
    }
    let [Note::Good(said)] = &over[..] else { panic!("{over:?}") };
    assert!(said.contains("no request waits for a connection any more"), "{said}");
    assert!(desk.queues()[0].ended.is_some() && desk.deadline().is_none());
}

#[test]
fn waiting_for_a_connection_to_be_opened_is_no_queue() {
    let mut desk = desk(PoolLimits::default());
    let start = Instant::now();
    meets(&mut desk, holder(0), about(), start);
    let mut figures = Figures::default();
    for seconds in 1..=4 {
        figures = Figures { used_peak: 3, ..second(&figures, 20, 20, 0) };
        figures.waits.0[75] += 10;
        assert_eq!(tells(&mut desk, holder(0), &figures, start + Duration::from_secs(seconds)), []);
    }
}

#[test]
fn all_workers_together_have_what_the_server_allows_and_no_more() {
    let mut desk = desk(enforced(100));
    let now = Instant::now();
    assert!(meets(&mut desk, holder(0), about(), now) && meets(&mut desk, holder(1), about(), now));
    // Three of a hundred are PostgreSQL's own.
    assert_eq!(asks(&mut desk, holder(0), (0, 200, 0), now), [(0, 97)]);
    assert_eq!(asks(&mut desk, holder(1), (0, 200, 0), now), [(0, 49)]);
    assert_eq!(asks(&mut desk, holder(0), (2, 200, 60), now), [(1, 37)]);
    assert_eq!(asks(&mut desk, holder(0), (2, 200, 49), now), [(1, 48)]);
    assert_eq!(desk.seen(now)[0].lent, 97);
    assert!(desk.seen(now)[0].enforced);

    // The server needs a while to see that the connections of a dead process have ended.
    desk.lose(holder(0), now);
    assert!(desk.look(now).messages.is_empty());
    let later = desk.deadline().unwrap();
    assert!(later >= now + Duration::from_millis(500) && later <= now + Duration::from_secs(2));
    assert_eq!(amounts(desk.look(later).messages), [(1, 97)]);
}

#[test]
fn what_holds_for_a_server_depends_on_its_name() {
    let named = |name: &str, replicas| (name.to_owned(), PoolLimits { replicas, ..PoolLimits::default() });
    let named = vec![named("db", 2), named("db:5433", 3), named("/run/postgresql", 4)];
    let rules = Rules::new(&Pools { default: PoolLimits::default(), named }, 1);
    let table = [("db:5432", 2), ("DB:5433", 3), ("/run/postgresql:5432", 4), ("other:5432", 1), ("", 1)];
    for (server, replicas) in table {
        assert_eq!(rules.limits_of(server).replicas, replicas, "{server}");
    }
}

#[test]
fn replicas_share_and_a_pool_that_cannot_be_resized_keeps_what_it_has() {
    let mut desk = desk(PoolLimits { replicas: 2, ..enforced(103) });
    let now = Instant::now();
    let fixed = About { library: "postgres".into(), is_sizeable: false, ..about() };
    assert!(!meets(&mut desk, holder(0), fixed, now));
    assert!(meets(&mut desk, holder(1), about(), now));
    assert_eq!(asks(&mut desk, holder(1), (0, 100, 0), now), [(1, 30)]);
    let seen = desk.seen(now);
    let said = seen.iter().flat_map(|seen| &seen.findings).any(|said| said.contains("cannot be re-sized"));
    assert!(said, "{seen:?}");
}

#[test]
fn each_replica_has_whole_connections_and_what_is_said_is_their_sum() {
    let limits = PoolLimits { replicas: 3, max_connections: Some(100), ..PoolLimits::default() };
    let mut desk = desk(limits);
    let now = Instant::now();
    for index in 0..8 {
        meets(&mut desk, holder(index), about(), now);
    }
    let seen = desk.seen(now).remove(0);
    assert_eq!(seen.allowed, Some(32));
    let said = "3 replicas x 8 workers x 20 = 480 connections, and db:5432 allows 96";
    assert!(seen.findings.iter().any(|finding| finding.contains(said)), "{:?}", seen.findings);
}

#[test]
fn what_a_pool_of_fixed_size_had_is_shared_out_when_it_is_gone() {
    let mut desk = desk(enforced(103));
    let now = Instant::now();
    let fixed = || About { library: "postgres".into(), is_sizeable: false, ..about() };
    // A reload: the new process is there before the old one goes.
    for index in [0, 1, 2] {
        meets(&mut desk, holder(index), fixed(), now);
    }
    meets(&mut desk, holder(3), about(), now);
    assert_eq!(asks(&mut desk, holder(3), (0, 200, 0), now), [(3, 40)]);
    desk.lose(holder(0), now);
    assert_eq!(asks(&mut desk, holder(3), (1, 200, 40), now), [], "its connections are still seen");
    let later = now + Duration::from_secs(1);
    assert_eq!(desk.deadline(), Some(later));
    assert_eq!(amounts(desk.look(later).messages), [(3, 60)]);
    desk.hear(holder(1), FromAgent::Gone { pool: 0 }, later);
    let last = later + Duration::from_secs(1);
    assert_eq!(amounts(desk.look(last).messages), [(3, 80)]);
    assert_eq!(desk.seen(last).iter().map(|seen| seen.lent).max(), Some(80));
}

#[test]
fn nothing_is_shared_out_before_it_is_known_how_much_there_is() {
    let unknown = PoolLimits { max_connections: None, inspect: true, ..enforced(1) };
    let mut desk = desk(unknown);
    let now = Instant::now();
    assert!(!meets(&mut desk, holder(0), about(), now));
    assert_eq!(asks(&mut desk, holder(0), (0, 5, 0), now), []);
    let figures = Figures { open: 4, ..Figures::default() };
    tells(&mut desk, holder(0), &figures, now);
    let told = desk.hear(holder(0), FromAgent::Server { pool: 0, limit: 50, open: 14 }, now).messages;
    let [(_, ToAgent::Rule { rule, .. })] = &told[..] else { panic!("{told:?}") };
    assert!(rule.enforce);
    // Ten of the fourteen belong to others.
    assert_eq!(asks(&mut desk, holder(0), (0, 100, 4), now), [(0, 40)]);
}

#[test]
fn what_a_process_counted_is_not_lost_with_it_and_not_counted_twice() {
    let mut desk = desk(PoolLimits::default());
    let now = Instant::now();
    let figures = |asked| Figures { asked, open: 3, idle: 1, got: u64::MAX, ..Figures::default() };
    for index in [0, 1] {
        meets(&mut desk, holder(index), about(), now);
        tells(&mut desk, holder(index), &figures(20), now);
        tells(&mut desk, holder(index), &figures(30), now);
    }
    desk.lose(holder(0), now);
    let seen = desk.seen(now).remove(0);
    assert_eq!((seen.figures.asked, seen.figures.open, seen.workers), (60, 3, 1));
    // The number is given again, to another pool.
    meets(&mut desk, holder(1), About { database: "other".into(), ..about() }, now);
    tells(&mut desk, holder(1), &figures(5), now);
    let counts: Vec<_> = desk.seen(now).into_iter().map(|seen| (seen.figures.asked, seen.workers)).collect();
    assert_eq!(counts, [(5, 1), (60, 0)]);
}

#[test]
fn a_forgotten_connection_is_told_with_the_place_that_took_it() {
    let mut desk = desk(PoolLimits::default());
    let now = Instant::now();
    meets(&mut desk, holder(3), about(), now);
    let taker = "    at invoice (/app/server.js:88:30)\n    at \x1b[2J".to_owned();
    for _ in 0..20 {
        let leak = FromAgent::Leak { pool: 0, held_ms: 31_400, taker: taker.clone() };
        let expected = "pool pg@db:5432/shop: worker 3 has held a connection for 31 s, taken at invoice \
                        (/app/server.js:88:30): is it ever given back?";
        assert_eq!(desk.hear(holder(3), leak, now).notes, [Note::Bad(expected.into())]);
    }
    assert_eq!(desk.seen(now)[0].leaks.len(), 16);
    // Whatever a process says, the log is not filled with it.
    let more = (0..200).map(|_| FromAgent::Leak { pool: 0, held_ms: 31_400, taker: String::new() });
    let notes: usize = more.map(|leak| desk.hear(holder(3), leak, now).notes.len()).sum();
    assert_eq!(notes, 80);
}

#[test]
fn too_many_pools_and_those_that_are_off_are_left_alone() {
    let mut desk = desk(PoolLimits::default());
    let now = Instant::now();
    for worker in 0..6 {
        for pool in 0..32 {
            let about = About { database: format!("{worker}.{pool}"), ..about() };
            desk.hear(holder(worker), FromAgent::Pool { pool, about }, now);
        }
    }
    assert_eq!(desk.seen(now).len(), 128);
    let off = PoolLimits { mode: PoolsMode::Off, ..PoolLimits::default() };
    let mut desk = self::desk(off);
    assert_eq!(desk.greet(), None);
    assert!(!meets(&mut desk, holder(0), about(), now));
    assert!(desk.seen(now).is_empty());
}
