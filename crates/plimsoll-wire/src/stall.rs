//! What is known of a blocked event loop, and where the agent notes which request runs.
//!
//! The agent's JavaScript notes the request whose synchronous part runs in a few words of memory that only its own
//! process has ([`mark`]); the watchdog, a thread of the addon, reads them. They do not stand in the page: with
//! `node:cluster` several processes share one.

/// Longest stack of [`Stalled`](crate::message::FromAgent::Stalled), in bytes.
pub const STACK_MAX: usize = 8 * 1024;

/// The threshold, in milliseconds, where there is no page that says it.
pub const THRESHOLD_MS: u32 = 100;

/// The threshold of a collection's pause, in milliseconds, where there is no page that says it.
pub const PAUSE_MS: u32 = 50;

/// Shortest synchronous part of a request that is told as [`Busy`](crate::message::FromAgent::Busy).
pub const BUSY_MS: u32 = 20;

/// Synchronous parts from this length on are looked at now and then, in milliseconds: what a heavy route does.
pub const GLIMPSE_MS: u32 = 30;

/// Indices of the words that the agent's JavaScript and the watchdog share.
pub mod mark {
    /// The slot plus one of the request whose synchronous part runs; 0: none is known.
    pub const SLOT: usize = 0;
    /// The word it claimed with.
    pub const WORD: usize = 1;
    /// Not 0: the watchdog sleeps, and who claims a request wakes it.
    pub const ASLEEP: usize = 2;
    /// Not 0: the running part has taken long, and its end is to be told to the watchdog.
    pub const ARMED: usize = 3;
    /// Not 0: the loop stands still, and nobody knows for which request. The first answer that ends says whose it is, as
    /// `SLOT` and `WORD` do, in the two words behind.
    pub const LOST: usize = 4;
    pub const ANSWERED_SLOT: usize = 5;
    pub const ANSWERED_WORD: usize = 6;
    /// Not 0: requests should be followed through `await`, where that is free. Asked for with `ASLEEP`.
    pub const FOLLOW: usize = 7;
    /// The request in whose context the loop was interrupted, if it is followed.
    pub const CONTEXT_SLOT: usize = 8;
    pub const CONTEXT_WORD: usize = 9;
    /// Bits: who begins a request next does what they say. [`MEASURE`] writes what follows.
    pub const WANTED: usize = 10;
    /// In units of 1,024 bytes: the heap, its limit, and what is held outside it.
    pub const HEAP_USED: usize = 11;
    pub const HEAP_TOTAL: usize = 12;
    pub const HEAP_LIMIT: usize = 13;
    pub const EXTERNAL: usize = 14;
    pub const ARRAY_BUFFERS: usize = 15;
    /// Bytes that were allocated in the heap, the lower half, and not 0 where that is known: written by the addon when asked.
    /// Two of them can be compared where the second word is the same.
    pub const ALLOCATED: usize = 16;
    pub const ALLOCATED_KNOWN: usize = 17;
    /// How many there are.
    pub const WORDS: usize = 18;

    /// Of `WANTED`: the memory is measured; one request is weighed; one is being weighed; semi-spaces should grow at once.
    pub const MEASURE: u32 = 1;
    pub const WEIGH: u32 = 2;
    pub const WEIGHING: u32 = 4;
    pub const GROW: u32 = 8;
}
