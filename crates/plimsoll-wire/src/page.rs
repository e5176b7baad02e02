//! The gauge: one page of shared memory per worker incarnation, written by gateway and agent with atomics.
//!
//! ```text
//! word 0   MAGIC            word 1   VERSION          word 2   SLOTS       word 3   STALL_THRESHOLD
//! word 4   PAUSE_THRESHOLD  word 5   SEMI_SPACE_GROWTH
//! word 64  slot 0, slot 1, … one word each
//! ```
//!
//! A **slot** belongs to one link for as long as the link lives; a link carries one request at a time. Its word
//! says how far that request has come, and in which generation, so that a late answer is never taken for that
//! of another request:
//!
//! ```text
//!          gateway: send                  agent: start
//!   FREE ──────────────────────► SENT ──────────────────────► STARTED
//!    ▲     (generation + 1)       │                              │
//!    │                            │ gateway: revoke              │
//!    │                            ▼                              │
//!    ├─────────────────────── REVOKED                            │
//!    │  gateway: free, when the agent has answered the marker    │
//!    │                                                           │
//!    └───────────────────────────────────────────────────────────┘
//!       gateway: free, when the answer is complete or the link is gone
//! ```
//!
//! `start` and `revoke` are compare-and-swap on the same word: one of them wins. A request that was revoked is
//! never run by the worker it was sent to, so it can be sent to another, whatever its method.
//!
//! `free` is a plain store, and keeps the generation: the agent writes to the word only from `SENT` to `STARTED`, and
//! has done so before the first byte of an answer, or found the request revoked before the marker. So nothing
//! of the agent's can come after it. What it gives: `STARTED` means *runs now, for a client who waits*, and that is
//! what is still there to be read when the worker dies.
//!
//! The other side may write anything into the page, or die between two writes. So nothing read from it is used
//! as an index or a length, and every state that makes no sense counts as started: the careful answer.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, Ordering};

/// `PLIM`, little-endian.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PLIM");
/// Links per worker that can claim. More links than that carry requests that count as started when sent.
pub const SLOTS: usize = 1024;
/// First slot's word; what stands before is the header and room for the worker's figures.
pub const SLOT_FIRST: usize = 64;
/// Word of the header that says how long the loop may stand still, in milliseconds; the supervisor writes it once.
pub const STALL_THRESHOLD: usize = 3;
/// Word of the header that says how long a collection may take before it is told, in milliseconds; written once, too.
pub const PAUSE_THRESHOLD: usize = 4;
/// Word of the header that says by how much semi-spaces grow at once, 0: as V8 does it. Written once, too.
pub const SEMI_SPACE_GROWTH: usize = 5;
/// Words of a page.
pub const WORDS: usize = SLOT_FIRST + SLOTS;
/// Bytes of a page.
pub const BYTES: usize = WORDS * 4;

/// File of the page in the worker's private directory.
pub const FILE: &str = "page";

/// Status line of the answer that the agent gives to a revoked request: the gateway swallows it.
/// 599 is in nobody's use, and the reason is checked with it.
pub const MARKER_STATUS: u16 = 599;

/// Status line of the interim answer that tells that a request with [`WAITS`](crate::names::peer::WAITS) was
/// claimed and is about to run: the gateway swallows it.
pub const STARTED_STATUS: u16 = 199;

/// What the reason in [`Hello`](crate::message::FromAgent::Hello) begins with where the addon was loaded and only
/// the page could not be mapped: addresses are known, and nothing is claimed.
pub const MISSING: &str = "page: ";

const STATE_BITS: u32 = 2;
const STATE_MASK: u32 = 0b11;

/// How far the request of a slot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Free = 0,
    Sent = 1,
    Started = 2,
    Revoked = 3,
}

/// A request that was sent: the word that its slot had then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

impl Ticket {
    /// The word that the slot had.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The word that the slot has when the same request has come so far.
    const fn with(self, state: State) -> u32 {
        self.0 & !STATE_MASK | state as u32
    }
}

/// What became of taking a request back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It will never run there.
    Yes,
    /// The worker was first: its handler runs or has run.
    Started,
}

/// Gateway: a request is about to be sent. The slot must be `FREE`: the last request's answer is complete.
#[must_use]
pub fn send(slot: &AtomicU32) -> Ticket {
    let generation = (slot.load(Ordering::Relaxed) >> STATE_BITS).wrapping_add(1) << STATE_BITS;
    let word = generation | State::Sent as u32;
    // The bytes of the request follow through a socket, which orders this store before the agent's load.
    slot.store(word, Ordering::Release);
    Ticket(word)
}

/// Gateway: take the request back, if its handler has not begun.
#[must_use]
pub fn revoke(slot: &AtomicU32, ticket: Ticket) -> Revoked {
    let revoked = ticket.with(State::Revoked);
    match slot.compare_exchange(ticket.0, revoked, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Revoked::Yes,
        Err(word) if word == revoked => Revoked::Yes,
        Err(_) => Revoked::Started,
    }
}

/// Agent (in JavaScript; here for tests and models): claim the request before its handler runs.
#[must_use]
pub fn start(slot: &AtomicU32) -> bool {
    let word = slot.load(Ordering::Acquire);
    state(word) == State::Sent
        && slot.compare_exchange(word, word + 1, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// Gateway: has the handler of this request begun? Only asked until the request's slot is freed; afterwards it counts
/// as begun, like everything that is not known to be still waiting.
#[must_use]
pub fn has_started(slot: &AtomicU32, ticket: Ticket) -> bool {
    slot.load(Ordering::Acquire) != ticket.0
}

/// Gateway: has this very request been claimed, and nothing else happened to the slot?
#[must_use]
pub fn was_claimed(slot: &AtomicU32, ticket: Ticket) -> bool {
    slot.load(Ordering::Acquire) == ticket.with(State::Started)
}

/// Gateway: the request is over, and whatever the slot says by now is forgotten.
///
/// Not for a request that the agent may still come across: a slot that was freed is sent on again, and the agent
/// would take the one for the other.
pub fn free(slot: &AtomicU32, ticket: Ticket) {
    slot.store(ticket.with(State::Free), Ordering::Release);
}

/// Whether two words of a slot, read at different times, are of the same request.
#[must_use]
pub const fn is_same(one: u32, other: u32) -> bool {
    (one ^ other) & !STATE_MASK == 0
}

#[must_use]
pub const fn state(word: u32) -> State {
    match word & STATE_MASK {
        0 => State::Free,
        1 => State::Sent,
        2 => State::Started,
        _ => State::Revoked,
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
