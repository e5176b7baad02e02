use std::time::{Duration, Instant};

use plimsoll_wire::calls::{Breaker, Budget, Figures, FromAgent, OTHERS, Outcomes, Probed, ToAgent, Watched};
use plimsoll_wire::lease::Ask;

use super::{Desk, Holder, News, Rules};
use crate::config::{
    BreakerMode, BreakerRules, Concurrency, Downstream, DownstreamLimits, DownstreamMode, Rate,
};
use crate::ids::WorkerId;

fn enforced(concurrency: usize) -> DownstreamLimits {
    DownstreamLimits {
        mode: DownstreamMode::Enforce,
        concurrency: Some(Concurrency::Exactly(concurrency)),
        ..DownstreamLimits::default()
    }
}

fn rules(named: &[(&str, usize)]) -> Rules {
    let named = named.iter().map(|(name, limit)| ((*name).to_owned(), enforced(*limit))).collect();
    Rules::new(&Downstream { named, ..Downstream::default() })
}

fn holder(index: u16) -> Holder {
    Holder { worker: WorkerId { index, incarnation: 1 }, channel: 7 }
}

fn ask(origin: u32, serial: u32, wants: u32, held: u32) -> FromAgent {
    FromAgent::Ask { origin, budget: Budget::Concurrency, ask: Ask { serial, wants, held, stamp: 1 } }
}

fn meets(desk: &mut Desk, holder: Holder, origin: u32, name: &str) -> ToAgent {
    let answers = desk.hear(holder, FromAgent::Origin { origin, name: name.into() }, Instant::now());
    let [(to, answer), ..] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*to, holder);
    answer.clone()
}

fn amounts(answers: &[(Holder, ToAgent)]) -> Vec<(u16, u32, u32)> {
    let grants = answers.iter().map(|(holder, answer)| match answer {
        ToAgent::Grant { origin, grant, .. } => (holder.worker.index, *origin, grant.amount),
        other => panic!("{other:?}"),
    });
    grants.collect()
}

#[test]
fn the_most_exact_name_of_an_origin_wins() {
    let rules = rules(&[
        ("*.example.com", 1),
        ("api.example.com", 2),
        ("API.example.com:8443", 3),
        ("http://api.example.com", 4),
        ("*.eu.example.com", 5),
        ("[::1]:9000", 6),
    ]);
    let table = [
        ("https://www.example.com", 1),
        ("https://api.example.com", 2),
        ("https://api.example.com:9000", 2),
        ("https://api.example.com:8443", 3),
        ("http://api.example.com:81", 4),
        ("http://a.eu.example.com", 5),
        ("http://[::1]:9000", 6),
    ];
    for (origin, limit) in table {
        let found = rules.limit_of(origin);
        assert!(found.enforce && found.concurrency == limit, "{origin}: {found:?}");
    }
    for origin in ["https://example.com", "http://[::1]", "unix:/run/x.sock", OTHERS] {
        assert!(!rules.limit_of(origin).enforce, "{origin}");
    }
}

#[test]
fn what_is_observed_has_a_limit_to_compute_with_and_what_is_off_has_none() {
    let observed = Rules::new(&Downstream::default());
    assert!(observed.watches() && !observed.enforces());
    assert_eq!(observed.limit_of("http://a").concurrency, 10);
    let off = DownstreamLimits { mode: DownstreamMode::Off, ..DownstreamLimits::default() };
    let off = Rules::new(&Downstream { default: off, named: Vec::new() });
    assert_eq!(Desk::new(off.clone()).greet(), None);
    assert_eq!(off.limit_of("http://a").concurrency, 0);
    let rate = DownstreamLimits {
        mode: DownstreamMode::Enforce,
        rate: Some(Rate { per_second: 200 }),
        ..DownstreamLimits::default()
    };
    let limit = Rules::new(&Downstream { default: rate, named: Vec::new() }).limit_of("http://a");
    assert_eq!((limit.concurrency, limit.rate, limit.burst), (0, 200, 20));
}

#[test]
fn workers_share_the_limit_of_an_origin_whatever_number_they_give_it() {
    let mut desk = Desk::new(rules(&[("stock", 10)]));
    let now = Instant::now();
    meets(&mut desk, holder(0), 0, "http://other:1");
    let ToAgent::Limit { origin: 1, limit } = meets(&mut desk, holder(0), 1, "http://stock:8080") else {
        panic!("no limit")
    };
    assert!(limit.enforce);
    meets(&mut desk, holder(1), 0, "http://stock:8080");
    assert_eq!(amounts(&desk.hear(holder(0), ask(1, 0, 50, 0), now)), [(0, 1, 10)]);
    assert_eq!(amounts(&desk.hear(holder(1), ask(0, 0, 50, 0), now)), [(0, 1, 5)]);
    assert_eq!(amounts(&desk.hear(holder(0), ask(1, 2, 50, 8), now)), [(1, 0, 2)]);
    assert!(desk.hear(holder(1), ask(9, 0, 50, 0), now).is_empty(), "an origin that it has not named");
    let seen = desk.seen().into_iter().find(|seen| seen.name == "http://stock:8080").unwrap();
    assert_eq!(seen.lent, 10);

    desk.lose(holder(0), now);
    assert!(desk.balance(now).is_empty(), "its connections may not have ended yet");
    let later = desk.deadline().unwrap();
    assert!(later <= now + Duration::from_millis(200));
    assert_eq!(amounts(&desk.balance(later)), [(1, 0, 10)]);
}

#[test]
fn what_a_process_counted_is_not_lost_with_it() {
    let mut desk = Desk::new(rules(&[]));
    let now = Instant::now();
    for index in [0, 1] {
        meets(&mut desk, holder(index), 0, "http://a");
        let figures =
            Figures { calls: 30, in_flight: 2, errors: u64::MAX - 1, fan_out_max: 4, ..Figures::default() };
        desk.hear(holder(index), FromAgent::Calls { origin: 0, figures: Box::new(figures) }, now);
    }
    desk.lose(holder(0), now);
    let figures = &desk.seen()[0].figures;
    let found = (figures.calls, figures.in_flight, figures.errors, figures.fan_out_max);
    assert_eq!(found, (60, 2, u64::MAX, 4));
}

#[test]
fn too_many_origins_are_counted_together() {
    let mut desk = Desk::new(rules(&[]));
    for worker in 0..8 {
        for number in 0..65 {
            meets(&mut desk, holder(worker), number, &format!("http://a{worker}.{number}"));
        }
    }
    assert_eq!(desk.seen().len(), 257);
    assert!(desk.seen().iter().any(|seen| seen.name == OTHERS));
}

#[test]
fn what_a_service_is_found_to_stand_is_what_is_lent() {
    let adaptive = DownstreamLimits { concurrency: Some(Concurrency::Adaptive), ..enforced(0) };
    let mut desk = Desk::new(Rules::new(&Downstream { default: adaptive, named: Vec::new() }));
    let start = Instant::now();
    let answer = meets(&mut desk, holder(0), 0, "http://a");
    let ToAgent::Limit { limit, .. } = answer else { panic!("{answer:?}") };
    assert!(limit.adaptive && limit.concurrency == 200, "{limit:?}");
    let wants = |stamp| FromAgent::Ask {
        origin: 0,
        budget: Budget::Concurrency,
        ask: Ask { serial: 0, wants: 200, held: 0, stamp },
    };
    assert_eq!(amounts(&desk.hear(holder(0), wants(1), start)), [(0, 0, 20)]);
    // Fast with few in flight, ten times as slow with many.
    let mut tick = 0;
    let mut samples = |desk: &mut Desk, peak, took: u32, ticks: u32| {
        (0..ticks).fold(Vec::new(), |last, _| {
            tick += 1;
            let now = start + Duration::from_millis(100) * tick;
            let said = FromAgent::Samples { origin: 0, peak, took_us: vec![took; 10] };
            let told = desk.hear(holder(0), said, now);
            if told.is_empty() { last } else { told }
        })
    };
    samples(&mut desk, 2, 20_000, 40);
    let told = amounts(&samples(&mut desk, 20, 200_000, 200));
    let seen = &desk.seen()[0];
    assert!(seen.limit.concurrency < 10 && seen.limit.adaptive, "{:?}", seen.limit);
    assert!(told.iter().any(|(_, _, amount)| *amount < 20), "less is lent: {told:?}");
}

#[test]
fn that_calls_of_children_are_not_seen_is_told_once_and_where_it_matters() {
    let off = DownstreamLimits { mode: DownstreamMode::Off, ..DownstreamLimits::default() };
    let off = Rules::new(&Downstream { default: off, named: Vec::new() });
    for (rules, expected) in
        [(off, None), (Rules::new(&Downstream::default()), Some(false)), (rules(&[("a", 1)]), Some(true))]
    {
        let mut desk = Desk::new(rules);
        assert_eq!((desk.forks(), desk.forks()), (expected, None));
    }
}

#[test]
fn a_breaker_that_opens_is_told_to_all_that_call_the_origin_and_to_whoever_comes() {
    let breaking = DownstreamLimits {
        mode: DownstreamMode::Enforce,
        breaker: BreakerRules { mode: BreakerMode::Enforce, ..BreakerRules::default() },
        ..DownstreamLimits::default()
    };
    let mut desk = Desk::new(Rules::new(&Downstream { default: breaking, named: Vec::new() }));
    let now = Instant::now();
    let answer = meets(&mut desk, holder(0), 3, "http://a");
    assert!(
        matches!(answer, ToAgent::Limit { limit, .. } if limit.breaker == Watched::Enforce && limit.enforce)
    );
    meets(&mut desk, holder(1), 0, "http://other");
    meets(&mut desk, holder(1), 1, "http://a");
    let failed = Outcomes { calls: 5, failed: 5, run: 5, ..Outcomes::default() };
    let told = desk.hear(holder(0), FromAgent::Outcomes { origin: 3, outcomes: failed }, now);
    let open = |origin| ToAgent::Breaker {
        origin,
        breaker: Breaker::Open { for_ms: 5000, why: "5 calls in a row failed".into() },
    };
    assert_eq!(told, [(holder(0), open(3)), (holder(1), open(1))]);
    let told = News {
        origin: "http://a".into(),
        open: Some((Duration::from_secs(5), "5 calls in a row failed".into())),
    };
    assert_eq!(desk.news().collect::<Vec<_>>(), [told]);
    let answers = desk.hear(holder(2), FromAgent::Origin { origin: 0, name: "http://a".into() }, now);
    assert_eq!(answers[0], (holder(2), open(0)));

    let later = now + Duration::from_secs(5);
    let probe = ToAgent::Breaker { origin: 1, breaker: Breaker::Probe };
    assert_eq!(desk.hear(holder(1), FromAgent::Probe { origin: 1 }, later), [(holder(1), probe)]);
    let told = desk.lose(holder(1), later);
    let again = |origin, breaker| ToAgent::Breaker { origin, breaker };
    let ask = Breaker::Open { for_ms: 0, why: "5 calls in a row failed".into() };
    assert_eq!(told, [(holder(0), again(3, ask.clone())), (holder(2), again(0, ask))]);
    desk.hear(holder(2), FromAgent::Probe { origin: 0 }, later);
    let told = desk.hear(holder(2), FromAgent::Probed { origin: 0, probed: Probed::Answered }, later);
    assert_eq!(told, [(holder(0), again(3, Breaker::Closed)), (holder(2), again(0, Breaker::Closed))]);
    assert_eq!(desk.news().collect::<Vec<_>>(), [News { origin: "http://a".into(), open: None }]);
    assert_eq!(desk.seen()[0].breaker.as_ref().map(|shown| shown.opened), Some(1));
}

#[test]
fn a_breaker_holds_only_where_limits_are_held() {
    let modes = [DownstreamMode::Off, DownstreamMode::Observe, DownstreamMode::Enforce];
    let breakers = [BreakerMode::Off, BreakerMode::Observe, BreakerMode::Enforce];
    let mut found = Vec::new();
    for (mode, breaker) in modes.into_iter().flat_map(|mode| breakers.map(|breaker| (mode, breaker))) {
        let breaker = BreakerRules { mode: breaker, ..BreakerRules::default() };
        let limits = DownstreamLimits { mode, breaker, ..DownstreamLimits::default() };
        let rules = Rules::new(&Downstream { default: limits, named: Vec::new() });
        found.push(rules.limit_of("http://a").breaker);
    }
    let (off, observe, enforce) = (Watched::Off, Watched::Observe, Watched::Enforce);
    assert_eq!(found, [off, off, off, off, observe, observe, off, observe, enforce]);
}
