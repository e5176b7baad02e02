//! The page of a worker that writes anything into it, at any time, between the gateway's own steps.
//!
//! A worker that runs a request and then puts the word back as it was sent lies in a way that nobody can see, and
//! harms itself alone. All else holds: no panic, nothing outside the page, and a request is only ever called "not begun"
//! when taking it back from there works and makes it impossible to begin.
#![no_main]

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use libfuzzer_sys::fuzz_target;
use plimsoll::sys::page::{self as memory, Page};
use plimsoll_wire::page::{self, Revoked, SLOT_FIRST, SLOTS, State, Ticket, WORDS};

/// What is known of a slot whose request is not over.
struct Request {
    ticket: Ticket,
    /// The agent claimed it, by the rules.
    began: bool,
    revoked: bool,
    /// The worker wrote to the word against the rules.
    is_spoiled: bool,
}

/// A step: what is done, at which slot, and a word (little-endian) for the worker to write.
const STEP: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    let page = shared();
    let mut requests = HashMap::new();
    let mut touched = Vec::new();
    for bytes in bytes.chunks_exact(STEP) {
        let (step, index) = (bytes[0], slot_index(bytes[1]));
        let word = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        let Some(slot) = page.slot(index) else {
            assert!(index >= SLOTS);
            continue;
        };
        assert!(index < SLOTS);
        touched.push(slot);
        match (step % 7, requests.get_mut(&index)) {
            (0, None) => {
                let ticket = page::send(slot);
                assert!(!page::has_started(slot, ticket) && !page::was_claimed(slot, ticket));
                requests.insert(index, Request { ticket, began: false, revoked: false, is_spoiled: false });
            }
            (1, request) => {
                let claimed = page::start(slot);
                if let Some(request) = request.filter(|request| !request.is_spoiled) {
                    assert!(!(claimed && (request.began || request.revoked)), "claimed again, or after all");
                    request.began |= claimed;
                }
            }
            (2, Some(request)) => {
                let revoked = page::revoke(slot, request.ticket) == Revoked::Yes;
                assert!(!revoked || !page::start(slot), "taken back, and begun");
                assert!(request.is_spoiled || revoked != request.began);
                request.revoked |= revoked;
            }
            (3, Some(request)) => {
                if !page::has_started(slot, request.ticket) {
                    assert!(request.is_spoiled || !(request.began || request.revoked));
                    assert_eq!(page::revoke(slot, request.ticket), Revoked::Yes);
                    assert!(page::has_started(slot, request.ticket) && !page::start(slot));
                    request.revoked = true;
                }
            }
            (4, Some(request)) => {
                let claimed = page::was_claimed(slot, request.ticket);
                assert!(request.is_spoiled || claimed == request.began);
                assert!(!claimed || page::revoke(slot, request.ticket) == Revoked::Started);
            }
            (5, Some(request)) => {
                let old = request.ticket;
                page::free(slot, old);
                assert_eq!(page::state(slot.load(Ordering::Relaxed)), State::Free);
                assert!(!page::start(slot) && page::has_started(slot, old));
                assert_eq!(page::revoke(slot, old), Revoked::Started);
                requests.remove(&index);
            }
            (6, request) => {
                slot.store(word, Ordering::Release);
                if let Some(request) = request {
                    request.is_spoiled = true;
                }
            }
            _ => {}
        }
    }
    touched.into_iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
});

/// Few slots, so that they meet again; and those at and beyond the end of the page.
fn slot_index(byte: u8) -> usize {
    match byte {
        0..250 => usize::from(byte),
        250..253 => SLOTS - 253 + usize::from(byte),
        253 => SLOTS,
        254 => WORDS,
        255 => usize::MAX,
    }
}

/// One page for all runs: making one costs more than a run does.
fn shared() -> &'static Page {
    static PAGE: OnceLock<Page> = OnceLock::new();
    PAGE.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("plimsoll-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let page = Page::create(&directory, &[0; WORDS], SLOT_FIRST).unwrap();
        memory::remove(&directory);
        let _not_empty = std::fs::remove_dir(&directory);
        page
    })
}
