use super::*;

#[test]
fn one_of_start_and_revoke_wins() {
    let slot = AtomicU32::new(0);
    let ticket = send(&slot);
    assert!(start(&slot));
    assert_eq!(revoke(&slot, ticket), Revoked::Started);
    assert!(has_started(&slot, ticket) && was_claimed(&slot, ticket));

    free(&slot, ticket);
    let ticket = send(&slot);
    assert!(!has_started(&slot, ticket));
    assert_eq!(revoke(&slot, ticket), Revoked::Yes);
    assert_eq!(revoke(&slot, ticket), Revoked::Yes);
    assert!(!start(&slot));
}

#[test]
fn a_slot_that_was_freed_can_only_be_sent_on() {
    for begins in [true, false] {
        let slot = AtomicU32::new(0);
        let ticket = send(&slot);
        assert_eq!(begins && start(&slot), begins);
        free(&slot, ticket);
        assert_eq!(state(slot.load(Ordering::Relaxed)), State::Free);
        assert!(!start(&slot), "nothing was sent");
        assert_eq!(revoke(&slot, ticket), Revoked::Started, "the careful answer");
        assert!(has_started(&slot, ticket) && !was_claimed(&slot, ticket));

        let next = send(&slot);
        assert_ne!(next, ticket, "the generation was kept");
        assert!(start(&slot) && was_claimed(&slot, next));
    }
}

#[test]
fn a_ticket_is_of_one_generation_only() {
    let slot = AtomicU32::new(u32::MAX);
    let old = send(&slot);
    assert!(start(&slot));
    free(&slot, old);
    let new = send(&slot);
    assert_ne!(old, new);
    assert_eq!(revoke(&slot, old), Revoked::Started);
    assert!(start(&slot), "an old ticket must not touch the new request");
}

#[test]
fn nonsense_counts_as_started() {
    let slot = AtomicU32::new(0);
    let ticket = send(&slot);
    slot.store(0xDEAD_BEEF, Ordering::Relaxed);
    assert!(has_started(&slot, ticket) && !was_claimed(&slot, ticket));
    assert_eq!(revoke(&slot, ticket), Revoked::Started);
    free(&slot, ticket);
    assert_eq!(slot.load(Ordering::Relaxed), 4, "the generation is the gateway's, whatever was written");
}

#[test]
fn a_race_has_exactly_one_winner() {
    for _ in 0..2000 {
        let slot = AtomicU32::new(0);
        let ticket = send(&slot);
        let (started, revoked) = std::thread::scope(|scope| {
            let agent = scope.spawn(|| start(&slot));
            let gateway = revoke(&slot, ticket) == Revoked::Yes;
            (agent.join().unwrap(), gateway)
        });
        assert!(started ^ revoked);
    }
}
