//! One database server: how many connections it allows us, and who has been lent how many.

use std::time::{Duration, Instant};

use plimsoll_wire::lease::Ask;

use crate::concerns::downstream::Holder;
use crate::config::{PoolLimits, PoolsMode};
use crate::lease::{Book, Grant, Terms};

/// One pool of one process.
pub(super) type Member = (Holder, u32);

/// A worker whose loop stands still for so long loses what it was lent. The connections of a process that died are given
/// the time in which the server sees that they ended.
const TERMS: Terms = Terms { length: Duration::from_secs(30), linger: Duration::from_secs(1) };
pub(super) const LEASE_MS: u32 = 30_000;

/// Of `max_connections` PostgreSQL keeps so many for its superusers, if nothing else was set.
const RESERVED: u32 = 3;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) limits: PoolLimits,
    is_postgres: bool,
    /// What it says of itself: the connections that it allows, and those of others.
    told: Option<(u32, u32)>,
    book: Option<Book<Member>>,
}

impl Server {
    pub(super) fn new(limits: PoolLimits, library: &str) -> Self {
        // Of a pool of `knex`: `tarn/pg`.
        let driver = library.rsplit('/').next().unwrap_or_default();
        let is_postgres = matches!(driver, "pg" | "postgres");
        let mut server = Self { limits, is_postgres, told: None, book: None };
        server.open_book(0, Instant::now());
        server
    }

    /// Connections that this instance may have: its part of what others leave. `None`: not known.
    pub(super) fn allowed(&self) -> Option<u32> {
        let replicas = u32::try_from(self.limits.replicas).unwrap_or(u32::MAX).max(1);
        let set = self.limits.max_connections.map(|limit| {
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            if self.is_postgres { limit.saturating_sub(RESERVED) } else { limit }
        });
        let told = self.told.map(|(limit, others)| match replicas {
            1 => limit.saturating_sub(others),
            // Who of the others is a replica is not known.
            _ => limit,
        });
        let all = match (set, told) {
            (Some(set), Some(told)) => Some(set.min(told)),
            (set, told) => set.or(told),
        };
        all.map(|all| (all / replicas).max(1))
    }

    pub(super) fn enforces(&self) -> bool {
        self.book.is_some()
    }

    /// What the server said. Whether connections are shared out from now on that were not before.
    pub(super) fn hear(&mut self, limit: u32, others: u32) {
        self.told = Some((limit, others));
    }

    /// There is something to share out, all but what pools have that cannot be re-sized: the book is there from now on.
    pub(super) fn open_book(&mut self, fixed: u32, now: Instant) -> Vec<(Member, Grant)> {
        let total = self.allowed().filter(|_| self.limits.mode == PoolsMode::Enforce);
        match (total.map(|total| total.saturating_sub(fixed).max(1)), &mut self.book) {
            (Some(total), Some(book)) if book.total() != total => book.set_total(total, now),
            (Some(total), place @ None) => {
                *place = Some(Book::new(total, TERMS));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn ask(&mut self, member: Member, ask: Ask, now: Instant) -> Vec<(Member, Grant)> {
        self.book.as_mut().map_or_else(Vec::new, |book| book.ask(member, ask, now))
    }

    /// `fixed`: what it had besides what it was lent.
    pub(super) fn lose(&mut self, member: Member, fixed: u32, now: Instant) {
        if let Some(book) = &mut self.book {
            book.lose(member, now);
            book.await_end_of(fixed, now);
        }
    }

    pub(super) fn lent(&self) -> u32 {
        self.book.as_ref().map_or(0, Book::owed)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.book.as_ref()?.deadline()
    }

    pub(super) fn balance(&mut self, now: Instant) -> Vec<(Member, Grant)> {
        match &mut self.book {
            Some(book) if book.deadline().is_some_and(|deadline| deadline <= now) => book.balance(now),
            _ => Vec::new(),
        }
    }
}
