use plimsoll_wire::tax::{What, callback};

use super::*;

const FIRST: Process = (WorkerId { index: 0, incarnation: 1 }, 1);
const SECOND: Process = (WorkerId { index: 1, incarnation: 1 }, 1);

fn ledger() -> Ledger {
    let mut ledger = Ledger::new(Origin { directory: "/app".into(), agent: Some("/run/p".into()) });
    ledger.open(FIRST, "v22.12.0");
    ledger
}

fn author(what: What, callbacks: u8, stack: &str) -> FromAgent {
    FromAgent::Author { what, callbacks, stack: stack.to_owned() }
}

fn rate(is_on: bool, callbacks: u8, has_frame: bool, second: u64) -> FromAgent {
    // 100,000 resources in each second, half of which is busy.
    FromAgent::Rate { is_on, callbacks, has_frame, resources: second * 100_000, active_us: second * 500_000 }
}

/// Ten seconds of it.
fn pay(ledger: &mut Ledger, process: Process, (is_on, callbacks, frame): (bool, u8, bool)) -> Instant {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    for second in 0..=10 {
        ledger.hear(process, rate(is_on, callbacks, frame, second), at(second));
    }
    at(10)
}

#[test]
fn what_is_paid_for_is_known_by_what_is_on() {
    let destroy = callback::INIT | callback::DESTROY;
    let table = [
        ((false, 0, false), Class::None),
        ((false, 0, true), Class::Free),
        ((true, 0, false), Class::Storage),
        ((true, 0, true), Class::Hook(callback::INIT)),
        ((true, callback::INIT, false), Class::Hook(callback::INIT)),
        ((true, destroy, true), Class::Destroy(destroy)),
    ];
    for ((is_on, callbacks, has_frame), expected) in table {
        assert_eq!(class(is_on, callbacks, has_frame), expected, "{is_on} {callbacks} {has_frame}");
    }
}

#[test]
fn the_share_is_what_resources_cost_of_the_busy_time() {
    let mut ledger = ledger();
    ledger.hear(FIRST, author(What::Run, 0, "    at ctx (/app/src/ctx.js:7:9)"), Instant::now());
    let class = ledger.hear(FIRST, rate(true, 0, false, 0), Instant::now());
    assert_eq!(class, Some(Class::Storage), "its cost is to be measured");
    assert_eq!(ledger.hear(FIRST, rate(true, 0, false, 0), Instant::now()), None, "once");
    let now = pay(&mut ledger, FIRST, (true, 0, false));
    assert_eq!(ledger.tax(now).unwrap().share_per_mille, None);
    ledger.measured(Class::Storage, Cost::measured(100.0));
    let tax = ledger.tax(now).unwrap();
    // 100,000 × 100 ns = 10 ms of 500 ms.
    assert_eq!((tax.share_per_mille, tax.resources_per_s), (Some(20), 100_000));
    assert_eq!(ledger.share_of(FIRST.0, now), Some(20));
    assert_eq!(ledger.share_of(SECOND.0, now), None);
    assert_eq!(
        tax.text,
        "AsyncLocalStorage.run at src/ctx.js:7 makes each promise 100 ns dearer here (Node v22.12.0), of which there are \
         100000 a second; that is at least 2.0 % of the loops' time"
    );
    assert_eq!((tax.fix, tax.class.as_str()), (Fix::ContextFrame, "storage"));
    let later = now + Duration::from_secs(60);
    assert_eq!(ledger.tax(later).unwrap().share_per_mille, None, "who is silent pays nothing");
}

#[test]
fn workers_are_weighed_by_how_busy_they_are() {
    let mut ledger = ledger();
    ledger.open(SECOND, "v22.12.0");
    let destroy = callback::INIT | callback::DESTROY;
    ledger.measured(Class::Storage, Cost::measured(100.0));
    ledger.measured(Class::Destroy(destroy), Cost::measured(1000.0));
    let now = pay(&mut ledger, FIRST, (true, 0, false)).max(pay(&mut ledger, SECOND, (true, destroy, false)));
    // 10 and 100 of 500 ms each.
    let tax = ledger.tax(now).unwrap();
    assert_eq!((tax.share_per_mille, tax.class), (Some(110), Class::Destroy(destroy)));
    assert_eq!(tax.resources_per_s, 200_000);
    ledger.lose(SECOND);
    assert_eq!(ledger.tax(now).unwrap().class, Class::Storage);
}

#[test]
fn authors_are_named_by_package_and_line_and_the_dearest_is_the_first() {
    let mut ledger = ledger();
    let stack = "    at AsyncHook.enable (node:async_hooks:9:1)\n    at new Cls (/app/node_modules/cls-x/lib/a.js:12:3)\n    \
                 at boot (/app/server.js:3:1)";
    ledger.hear(FIRST, author(What::EnterWith, 0, "    at /app/b.js:1:2"), Instant::now());
    ledger.hear(FIRST, author(What::Hook, callback::INIT | callback::DESTROY, stack), Instant::now());
    ledger.hear(FIRST, author(What::Hook, callback::INIT | callback::DESTROY, stack), Instant::now());
    let tax = ledger.tax(Instant::now()).unwrap();
    let [first, second] = &tax.authors[..] else { panic!("{:?}", tax.authors) };
    assert_eq!((first.package.as_deref(), first.at.as_str()), (Some("cls-x"), "cls-x/lib/a.js:12"));
    assert_eq!((first.from.as_deref(), first.workers()), (Some("server.js:3"), 1));
    assert_eq!((second.what, second.at.as_str()), (What::EnterWith, "b.js:1"));
}

#[test]
fn what_helps_follows_from_what_is_paid_and_the_version() {
    let table = [
        (Class::None, "v22.12.0", Fix::Nothing),
        (Class::Free, "v24.1.0", Fix::Nothing),
        (Class::Storage, "v22.6.0", Fix::Upgrade),
        (Class::Storage, "v22.7.0", Fix::ContextFrame),
        (Class::Storage, "v20.19.0", Fix::Upgrade),
        (Class::Storage, "nonsense", Fix::Upgrade),
        (Class::Hook(1), "v24.1.0", Fix::RemoveHook),
        (Class::Destroy(9), "v18.0.0", Fix::RemoveDestroy),
    ];
    for (class, node, expected) in table {
        assert_eq!(words::fix(class, node), expected, "{class:?} {node}");
    }
}

#[test]
fn what_is_free_is_told_as_free_and_silence_is_nothing() {
    let mut ledger = ledger();
    assert_eq!(ledger.tax(Instant::now()), None);
    ledger.hear(FIRST, rate(false, 0, true, 0), Instant::now());
    assert_eq!(ledger.tax(Instant::now()), None, "nobody has asked");
    ledger.hear(FIRST, author(What::Run, 0, "    at /app/b.js:1:2"), Instant::now());
    let tax = ledger.tax(Instant::now()).unwrap();
    assert_eq!(tax.text, "AsyncLocalStorage.run at b.js:1 costs no promise anything on Node v22.12.0");
    assert_eq!((tax.hint, tax.fix), (None, Fix::Nothing));
}

#[test]
fn hostile_numbers_and_many_authors_are_bounded() {
    let mut ledger = ledger();
    let now = Instant::now();
    for line in 0..40 {
        ledger.hear(FIRST, author(What::Run, 255, &format!("    at x (/app/a.js:{line}:1)")), now);
    }
    let tax = ledger.tax(now).unwrap();
    assert_eq!((tax.authors.len(), tax.authors_forgotten), (16, 24));
    for (second, resources) in [(0, u64::MAX), (4, 0), (8, u64::MAX), (12, 7)] {
        let rate =
            FromAgent::Rate { is_on: true, callbacks: 0, has_frame: false, resources, active_us: resources };
        ledger.hear(FIRST, rate, now + Duration::from_secs(second));
    }
    ledger.measured(Class::Storage, Cost::measured(99_999.0));
    let share = ledger.tax(now + Duration::from_secs(9)).unwrap().share_per_mille;
    assert!(share.is_none_or(|share| share <= 1000));
    assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(Cost::measured), [None; 3]);
}
