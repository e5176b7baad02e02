//! What the doctor finds of the shop with its faults switched on one by one.

use crate::harness::{Database, until};
use crate::shop::{Shop, codes, of_the_shop};

/// The shop with the fault, until it is the first thing that is found and told, both while it is asked: some faults are
/// over with the last request.
fn is_found_first(fault: &str, code: &str, also: impl FnOnce(&Shop)) {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, Some(fault));
    shop.asked_meanwhile(|| {
        also(&shop);
        until(&format!("{code} is found first"), || {
            let findings = shop.findings();
            let is_first = codes(&findings).first().is_some_and(|first| first == code);
            // What was seen for a moment only is soon not worth a word.
            (findings["too_little"].is_null() && is_first).then_some(())
        });
        until("the doctor tells the finding", || {
            let first = of_the_shop(&shop.findings()).into_iter().next().unwrap_or_default();
            let text = shop.server.plimsoll(&["doctor"]);
            let told = String::from_utf8(text.stdout).unwrap();
            assert_eq!(text.status.code(), Some(1), "{told}");
            let told = without_figures(&told);
            let is_told = |part: &str| told.contains(&without_figures(first[part].as_str().unwrap()));
            (first["code"] == code && is_told("what") && is_told("fix")).then_some(())
        });
    });
}

/// They change from one look to the next.
fn without_figures(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '0'..='9' | '.' | ',')).collect()
}

#[test]
fn a_function_that_blocks_is_found_first() {
    is_found_first("event_loop", "stall", |_| {});
}

#[test]
fn a_fan_out_is_found_first() {
    is_found_first("downstream", "fan_out", |_| {});
}

#[test]
fn a_pool_that_is_too_small_is_found_first() {
    is_found_first("pools", "pool_too_small", |_| {});
}

#[test]
fn a_hook_on_every_promise_is_found_first() {
    is_found_first("context", "async_tax", |_| {});
}

#[test]
fn churn_is_found_first() {
    is_found_first("memory", "gc_pressure", |_| {});
}

#[test]
fn an_app_that_does_not_end_is_found_first() {
    is_found_first("shutdown", "sigterm_ignored", |shop| {
        let reloaded = shop.server.plimsoll(&["reload"]);
        assert!(reloaded.status.success(), "{reloaded:?}");
    });
}

#[test]
fn a_log_that_blocks_is_found_first() {
    is_found_first("logs", "log_blocks", |_| {});
}

#[test]
fn of_a_shop_without_a_fault_nothing_is_found() {
    let Some(database) = Database::start(50) else { return };
    let shop = Shop::open(&database, None);
    assert!(shop.findings()["too_little"].is_string(), "it has just started");
    let young = shop.server.plimsoll(&["doctor"]);
    assert_eq!(young.status.code(), Some(1));
    let text = String::from_utf8(young.stdout).unwrap();
    assert!(text.contains("too little"), "{text}");
    let findings = shop.asked_meanwhile(|| {
        until("there is enough to judge", || {
            let findings = shop.findings();
            findings["too_little"].is_null().then_some(findings)
        })
    });
    assert_eq!(codes(&findings), Vec::<String>::new(), "{findings:#}");
}
