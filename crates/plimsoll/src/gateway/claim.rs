//! Claims: how the gateway knows whether a request it sent has begun to run, and how it takes one back.
//!
//! Each link of a worker with a page owns one slot in it (`plimsoll_wire::page` has the states and who moves
//! them). The agent claims a request before anything of the app runs; what is not claimed can be taken back,
//! and then never runs there.
//!
//! ```text
//!   link opens ── take ──► FREE ── send ──► SENT ──► STARTED ── answer complete: settle ──► FREE ── send ──► …
//!                                            │          │
//!                                            │          ├─ link gone, worker lives: Drop ──► FREE, for another link
//!                                            │          └─ worker dead: abandon ──► STARTED for good
//!                                            └─ REVOKED ─┬─ marker seen: settle ──► FREE
//!                                                        ├─ worker lives, and has left the link: settle ──► FREE
//!                                                        └─ link gone: Drop ──► REVOKED for good
//! ```
//!
//! So a page in which nothing moves any more tells what its worker left behind: `STARTED` is what it was running, `SENT`
//! and `REVOKED` what it had not begun.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plimsoll_wire::page::{self, Revoked, SLOTS, Ticket};

use super::endpoint::Turn;
use crate::concerns::event_loop::incident::ContentType;
use crate::ids::RouteId;
use crate::sys::page::Page;

/// The watchdog tells of a request some ten milliseconds after its end; meanwhile so many others may end that took long
/// as well.
const PAST_MAX: usize = 256;

/// The slots of one worker, shared by all gateway threads. Touched when links open and close, not per request.
#[derive(Debug)]
pub(super) struct Claims {
    page: Arc<Page>,
    free: Mutex<Vec<u16>>,
    /// What each slot's request asks for: the upper half is the ticket's word, the lower one the route. Not in the page:
    /// the worker must not be able to change it.
    asked: Box<[AtomicU64]>,
    /// The body of each slot's request, as [`pack_body`] writes it; of the same request as long as `asked` is.
    bodies: Box<[AtomicU64]>,
    /// The last request of each slot in which the loop stood still: its word.
    stalls: Box<[AtomicU32]>,
    /// The last ones that took long.
    past: Mutex<VecDeque<Past>>,
}

#[derive(Debug)]
struct Past {
    slot: u16,
    word: u32,
    route: RouteId,
}

impl Claims {
    pub(super) fn new(page: Arc<Page>) -> Self {
        let all = (0..u16::try_from(SLOTS).unwrap_or(u16::MAX)).rev().collect();
        let words = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        let stalls = (0..SLOTS).map(|_| AtomicU32::new(0)).collect();
        Self { page, free: Mutex::new(all), asked: words(), bodies: words(), stalls, past: Mutex::default() }
    }

    /// The route of a request that the worker tells of; `None` where it ended before that, and had not taken long.
    pub(super) fn route_of(&self, slot: u16, word: u32) -> Option<RouteId> {
        let of_past = || {
            let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
            past.iter()
                .rev()
                .find(|one| one.slot == slot && page::is_same(one.word, word))
                .map(|one| one.route)
        };
        self.route_now(slot, word).or_else(of_past)
    }

    fn route_now(&self, slot: u16, word: u32) -> Option<RouteId> {
        let asked = self.asked.get(usize::from(slot))?.load(Ordering::Relaxed);
        let sent = u32::try_from(asked >> 32).ok()?;
        let route = u16::try_from(asked & u64::from(u16::MAX)).ok()?;
        page::is_same(sent, word).then_some(RouteId(route))
    }

    /// The body of a request that runs: its length, where it was told, and what it is.
    pub(super) fn body_of(&self, slot: u16, word: u32) -> Option<(u64, ContentType)> {
        let body = self.bodies.get(usize::from(slot))?.load(Ordering::Relaxed);
        self.route_now(slot, word)?;
        (body > 0).then(|| unpack_body(body))
    }

    /// The loop stands still in a request.
    pub(super) fn note_stall(&self, slot: u16, word: u32) {
        if let Some(stall) = self.stalls.get(usize::from(slot)) {
            stall.store(word, Ordering::Relaxed);
        }
    }

    /// The one request that runs, if it is one.
    pub(super) fn only_running(&self) -> Option<(u16, u32)> {
        let words = (0..).zip(self.page.slots()).map(|(slot, word)| (slot, word.load(Ordering::Relaxed)));
        let mut running = words.filter(|(_, word)| page::state(*word) == page::State::Started);
        let first = running.next()?;
        running.next().is_none().then_some(first)
    }

    /// Routes of the requests that are in flight, each as often as it is asked for.
    pub(super) fn in_flight(&self) -> BTreeMap<RouteId, u32> {
        let mut routes = BTreeMap::new();
        for (slot, word) in (0..).zip(self.page.slots()) {
            let word = word.load(Ordering::Relaxed);
            let is_in_flight = matches!(page::state(word), page::State::Started | page::State::Sent);
            if let Some(route) = is_in_flight.then(|| self.route_now(slot, word)).flatten() {
                *routes.entry(route).or_default() += 1;
            }
        }
        routes
    }

    /// A slot for a new link; `None` when the worker has more links than slots.
    pub(super) fn take(self: &Arc<Self>) -> Option<Claim> {
        let index = self.free().pop()?;
        let slot = Slot {
            claims: Arc::clone(self),
            index,
            ticket: Cell::new(None),
            offer: RefCell::default(),
            waited: Cell::default(),
        };
        Some(Claim { slot: Rc::new(slot), announced: false, abandoned: false })
    }

    fn free(&self) -> MutexGuard<'_, Vec<u16>> {
        // A list of numbers is whole after every statement.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body in one word; 0: none.
pub(super) fn pack_body(bytes: u64, content_type: ContentType) -> u64 {
    bytes.min(u64::MAX >> 8) << 8 | content_type as u64
}

fn unpack_body(packed: u64) -> (u64, ContentType) {
    let kinds = [
        ContentType::Json,
        ContentType::Form,
        ContentType::Multipart,
        ContentType::Xml,
        ContentType::Text,
        ContentType::Other,
    ];
    let kind = kinds.into_iter().find(|kind| *kind as u64 == packed & 0xff);
    (packed >> 8, kind.unwrap_or_default())
}

/// One link's slot, as the link has it.
#[derive(Debug)]
pub(super) struct Claim {
    slot: Rc<Slot>,
    /// The agent knows that this slot is the link's.
    announced: bool,
    /// The worker died over the request: the slot says so for as long as there is a page.
    abandoned: bool,
}

#[derive(Debug)]
struct Slot {
    claims: Arc<Claims>,
    index: u16,
    /// Of the request that the link carries, until its answer has come.
    ticket: Cell<Option<Ticket>>,
    /// Another worker would take the request.
    offer: RefCell<Option<Turn>>,
    /// How long the request had lain in the worker when it was first seen that it has begun.
    waited: Cell<Duration>,
}

impl Slot {
    fn ask<A>(&self, question: impl FnOnce(&AtomicU32, Ticket) -> A) -> Option<A> {
        Some(question(self.claims.page.slot(self.index.into())?, self.ticket.get()?))
    }
}

/// One request that was sent, as those see it who wait for its claim.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    slot: Rc<Slot>,
    ticket: Ticket,
}

impl Sent {
    /// It may still be taken back.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.slot.ticket.get() == Some(self.ticket) && self.slot.ask(page::has_started) == Some(false)
    }

    /// It was seen that it has begun, so long after it was sent.
    pub(super) fn note_begun(&self, age: Duration) {
        if self.slot.ticket.get() == Some(self.ticket) {
            self.slot.waited.set(age);
        }
    }

    /// Another worker would take it, if it has not begun.
    pub(super) fn offer(&self, turn: Turn) {
        *self.slot.offer.borrow_mut() = Some(turn);
    }
}

impl Claim {
    pub(super) fn index(&self) -> u16 {
        self.slot.index
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced
    }

    /// A request is about to be sent on the link.
    pub(super) fn send(&mut self, route: RouteId, body: u64) {
        let ticket = self.slot.claims.page.slot(self.slot.index.into()).map(page::send);
        let (claims, index) = (&self.slot.claims, usize::from(self.slot.index));
        if let (Some(ticket), Some(asked), Some(kept)) =
            (ticket, claims.asked.get(index), claims.bodies.get(index))
        {
            kept.store(body, Ordering::Relaxed);
            asked.store(u64::from(ticket.word()) << 32 | u64::from(route.0), Ordering::Relaxed);
        }
        self.slot.ticket.set(ticket);
        self.slot.waited.set(Duration::ZERO);
        self.announced = true;
    }

    /// The request that the link carries.
    pub(super) fn sent(&self) -> Option<Sent> {
        let ticket = self.slot.ticket.get()?;
        Some(Sent { slot: Rc::clone(&self.slot), ticket })
    }

    /// The request has taken long, and is over.
    pub(super) fn remember(&self) {
        let Some(ticket) = self.slot.ticket.get() else { return };
        let claims = &self.slot.claims;
        let Some(route) = claims.route_now(self.slot.index, ticket.word()) else { return };
        let mut past = claims.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() >= PAST_MAX {
            past.pop_front();
        }
        past.push_back(Past { slot: self.slot.index, word: ticket.word(), route });
    }

    /// The slot of the request and its word, by which the worker knows it; and whether the loop stood still in it.
    pub(super) fn running(&self) -> Option<(u16, u32, bool)> {
        let word = self.slot.ticket.get()?.word();
        let stall = self.slot.claims.stalls.get(usize::from(self.slot.index))?.load(Ordering::Relaxed);
        Some((self.slot.index, word, stall != 0 && page::is_same(stall, word)))
    }

    pub(super) fn has_offer(&self) -> bool {
        self.slot.offer.borrow().is_some()
    }

    pub(super) fn take_offer(&self) -> Option<Turn> {
        self.slot.offer.borrow_mut().take()
    }

    /// How long the request lay in the worker before it began: it is looked every few milliseconds, and what is shorter
    /// is 0.
    pub(super) fn waited(&self) -> Duration {
        self.slot.waited.get()
    }

    /// Careful: also `true` where the slot makes no sense.
    pub(super) fn has_started(&self) -> bool {
        self.slot.ask(page::has_started).unwrap_or(true)
    }

    /// The agent has claimed this very request.
    pub(super) fn was_claimed(&self) -> bool {
        self.slot.ask(page::was_claimed).unwrap_or(true)
    }

    /// It was answered, and yet nobody claimed it.
    pub(super) fn was_ignored(&self) -> bool {
        !self.has_started()
    }

    /// Takes the request back, if it has not begun to run.
    pub(super) fn revoke(&self) -> Revoked {
        self.slot.ask(page::revoke).unwrap_or(Revoked::Started)
    }

    /// The answer is complete, or the marker of a revoked request has come: the agent is done with the slot. The
    /// questions above are for the time before.
    pub(super) fn settle(&mut self) {
        self.slot.ask(page::free);
        self.slot.ticket.set(None);
        *self.slot.offer.borrow_mut() = None;
    }

    /// The worker died over the request.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for Claim {
    /// A slot whose request the agent may still find in the link's socket is never given to another link: the
    /// agent would take the one for the other. Such slots are rare, and end with the worker.
    fn drop(&mut self) {
        let is_under_way = self.slot.ticket.get().is_some();
        if is_under_way && (self.revoke() == Revoked::Yes || self.abandoned) {
            // Those who wait for its claim need not look any more.
            self.slot.ticket.set(None);
            drop(self.take_offer());
            return;
        }
        self.settle();
        self.slot.claims.free().push(self.slot.index);
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::page::{SLOT_FIRST, State, WORDS, start, state};

    use super::*;
    use crate::sys::page as memory;

    fn settle(claim: &mut Claim, _slot: &AtomicU32) {
        claim.settle();
    }

    fn begin(_claim: &mut Claim, slot: &AtomicU32) {
        assert!(start(slot));
    }

    fn send(claim: &mut Claim, slot: &AtomicU32) {
        claim.send(RouteId(7), pack_body(2_000_000, ContentType::Json));
        assert_eq!(state(slot.load(Ordering::Relaxed)), State::Sent);
    }

    fn revoke(claim: &mut Claim, _slot: &AtomicU32) {
        assert_eq!(claim.revoke(), Revoked::Yes);
    }

    fn abandon(claim: &mut Claim, _slot: &AtomicU32) {
        claim.abandon();
    }

    fn spoil(_claim: &mut Claim, slot: &AtomicU32) {
        slot.store(0xFFFF_FFF1, Ordering::Relaxed);
    }

    #[test]
    fn a_slot_is_given_away_unless_somebody_may_still_look_at_it() {
        type Step = fn(&mut Claim, &AtomicU32);
        // What the slot says before the link goes, what afterwards, and whether another link may have it.
        let table: [(&[Step], State, State, bool); 10] = [
            (&[], State::Free, State::Free, true),
            (&[send], State::Sent, State::Revoked, false),
            (&[send, begin], State::Started, State::Free, true),
            (&[send, begin, settle], State::Free, State::Free, true),
            (&[send, begin, settle, send], State::Sent, State::Revoked, false),
            (&[send, begin, settle, abandon], State::Free, State::Free, true),
            (&[send, begin, abandon], State::Started, State::Started, false),
            (&[send, revoke], State::Revoked, State::Revoked, false),
            (&[send, revoke, settle], State::Free, State::Free, true),
            (&[send, spoil], State::Sent, State::Free, true),
        ];
        let directory = tempfile::tempdir().unwrap();
        let page = Arc::new(Page::create(directory.path(), &[0; WORDS], SLOT_FIRST).unwrap());
        memory::remove(directory.path());
        for (row, (steps, before, after, is_given_back)) in table.into_iter().enumerate() {
            let claims = Arc::new(Claims::new(Arc::clone(&page)));
            let mut claim = claims.take().unwrap();
            let slot = page.slot(claim.index().into()).unwrap();
            slot.store(0, Ordering::Relaxed);
            steps.iter().for_each(|step| step(&mut claim, slot));
            assert_eq!(state(slot.load(Ordering::Relaxed)), before, "row {row}");
            drop(claim);
            assert_eq!(state(slot.load(Ordering::Relaxed)), after, "row {row}");
            assert_eq!(claims.free().len(), SLOTS - usize::from(!is_given_back), "row {row}");
        }
    }
}
