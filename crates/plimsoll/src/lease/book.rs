//! The lender's side of one budget.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_wire::lease::Ask;

use super::share::fair;

/// Holders of one budget; whoever comes when there are so many gets nothing.
const HOLDERS_MAX: usize = 1024;

/// Where there is less than one for each who is hungry they take turns: who has had some for so long is asked to give. Long
/// against a message there and back, short against how long calls may wait.
const TURN: Duration = Duration::from_millis(150);

/// What does not change with demand.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// A lease that was not asked for again for so long is over.
    pub length: Duration,
    /// How long what a dead holder had stays out: for its calls to be seen to have ended where they went.
    pub linger: Duration,
}

/// What a holder is told: from now on it may have `amount`, until `stamp` plus the length of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub serial: u32,
    pub amount: u32,
    pub stamp: u64,
}

/// One budget and who holds it.
#[derive(Debug)]
pub struct Book<H> {
    total: u32,
    terms: Terms,
    holders: BTreeMap<H, Holder>,
    /// What the dead had, and from when on it may be lent again.
    returning: Vec<(Instant, u32)>,
    /// When it is to be looked whose turn it is.
    turns_at: Option<Instant>,
}

#[derive(Debug)]
struct Holder {
    wants: u32,
    granted: u32,
    serial: u32,
    /// The most that it may be using. At least `granted`.
    owed: u32,
    stamp: u64,
    /// The stamp in the last grant that was sent.
    told: u64,
    expires: Instant,
    /// Since when it has been granted something, or nothing.
    since: Instant,
}

impl<H: Copy + Ord> Book<H> {
    #[must_use]
    pub fn new(total: u32, terms: Terms) -> Self {
        Self { total, terms, holders: BTreeMap::new(), returning: Vec::new(), turns_at: None }
    }

    /// A smaller total takes effect as holders give back.
    pub fn set_total(&mut self, total: u32, now: Instant) -> Vec<(H, Grant)> {
        self.total = total;
        self.balance(now)
    }

    /// A holder says what it wants and has. Answers what is to be told, and to whom.
    pub fn ask(&mut self, holder: H, ask: Ask, now: Instant) -> Vec<(H, Grant)> {
        // More than there is nobody can have where it was not more before.
        let most = self.holders.get(&holder).map_or(0, |one| one.owed).max(self.total);
        let ask = Ask { held: ask.held.min(most), ..ask };
        if !self.holders.contains_key(&holder) && self.holders.len() >= HOLDERS_MAX {
            return Vec::new();
        }
        let expires = now + self.terms.length;
        let one = self.holders.entry(holder).or_insert_with(|| Holder::new(ask.stamp, expires, now));
        one.hear(ask, expires);
        let mut grants = self.balance(now);
        if let Some(renewal) = self.renew(holder, &grants, now) {
            grants.push((holder, renewal));
        }
        grants
    }

    /// The holder is dead. What it had can be lent again after the linger.
    pub fn lose(&mut self, holder: H, now: Instant) {
        if let Some(dead) = self.holders.remove(&holder) {
            self.await_end_of(dead.owed, now);
        }
    }

    /// The dead had so much that nobody had lent them: it is out for as long as what was, if the total grows by it.
    pub fn await_end_of(&mut self, amount: u32, now: Instant) {
        if amount > 0 {
            self.returning.push((now + self.terms.linger, amount));
        }
    }

    /// Lends what has come back by itself, and asks for more where some are short.
    pub fn balance(&mut self, now: Instant) -> Vec<(H, Grant)> {
        self.returning.retain(|(from, _)| *from > now);
        self.end_leases(now);
        let targets = self.targets(now);
        let mut changed = self.give(&targets, now);
        changed.extend(self.take(&targets, now));
        self.turns_at = self.takes_turns().then_some(now + TURN);
        changed
    }

    /// When `balance` should be called again although nobody has said anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let is_short = self.holders.values().any(|holder| holder.granted < holder.wants.min(self.total));
        let back = self.returning.iter().map(|(from, _)| *from);
        let ends = self.holders.values().map(|holder| holder.expires).filter(|_| is_short);
        back.chain(ends).chain(self.turns_at).min()
    }

    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The most that may be in use.
    #[must_use]
    pub fn owed(&self) -> u32 {
        let dead = self.returning.iter().map(|(_, amount)| *amount);
        self.holders.values().map(|holder| holder.owed).chain(dead).fold(0, u32::saturating_add)
    }

    /// What a holder was granted last.
    #[must_use]
    pub fn granted(&self, holder: H) -> u32 {
        self.holders.get(&holder).map_or(0, |holder| holder.granted)
    }

    /// Nothing is remembered of a lease that is over: its holder does not use it either. It may have died at its end, so
    /// what it had stays out for as long as that of the dead.
    fn end_leases(&mut self, now: Instant) {
        let Self { holders, returning, terms, .. } = self;
        holders.retain(|_, holder| {
            let is_over = holder.expires <= now;
            if is_over && holder.owed > 0 && !terms.linger.is_zero() {
                returning.push((now + terms.linger, holder.owed));
            }
            !is_over
        });
    }

    /// What is fair, for each holder in order.
    fn targets(&self, now: Instant) -> Vec<u32> {
        let wants: Vec<u32> = self.holders.values().map(|holder| holder.wants).collect();
        let mut order: Vec<usize> = (0..wants.len()).collect();
        if self.is_scarce() {
            let holders: Vec<&Holder> = self.holders.values().collect();
            order.sort_by_key(|index| holders.get(*index).map(|holder| holder.turn(now)));
        }
        fair(self.total, &wants, &order)
    }

    /// There is less than one for each who is hungry.
    fn is_scarce(&self) -> bool {
        self.holders.values().filter(|holder| holder.wants > 0).count() > self.total as usize
    }

    /// Somebody has nothing who is hungry, while others have some.
    fn takes_turns(&self) -> bool {
        let mut holders = self.holders.values();
        let is_waiting = |holder: &Holder| holder.wants > 0 && holder.granted == 0;
        self.is_scarce() && self.holders.values().any(is_waiting) && holders.any(|holder| holder.granted > 0)
    }

    /// Gives from what is free to those who have less than their target, the one who has least first, and where
    /// nobody is short a part of the spare, so that the next call need not ask.
    fn give(&mut self, targets: &[u32], now: Instant) -> Vec<(H, Grant)> {
        let owed = self.owed();
        let mut free = self.total.saturating_sub(owed);
        let excess = owed.saturating_sub(self.total);
        let count = u32::try_from(self.holders.len()).unwrap_or(u32::MAX).max(1);
        let mut short: Vec<(&H, &mut Holder, u32)> = self
            .holders
            .iter_mut()
            .zip(targets)
            .filter(|((_, holder), target)| holder.granted < **target)
            .map(|((id, holder), target)| (id, holder, *target))
            .collect();
        short.sort_by_key(|(_, holder, _)| (holder.granted, holder.since));
        let missing: u32 =
            short.iter().map(|(_, holder, target)| target - holder.granted).fold(0, u32::saturating_add);
        let spare = self.total.saturating_sub(targets.iter().sum());
        let extra = if missing <= free { spare.min(free - missing) / count } else { 0 };
        let mut grants = Vec::new();
        for (id, holder, target) in short {
            // What it owes beyond its grant it has not given back yet: it may as well keep it, unless somebody else has it by
            // now. That is so when it says late what it had in a lease that has ended.
            let kept = (holder.owed - holder.granted).min(target - holder.granted).saturating_sub(excess);
            let fresh = (target + extra - holder.granted - kept).min(free);
            if kept + fresh > 0 {
                free -= fresh;
                grants.push((*id, holder.grant(holder.granted + kept + fresh, now)));
            }
        }
        grants
    }

    /// Asks for what some have too much of while others are short; who wants it least first.
    fn take(&mut self, targets: &[u32], now: Instant) -> Vec<(H, Grant)> {
        let holders = || self.holders.values().zip(targets);
        let missing: u32 = holders()
            .map(|(holder, target)| target.saturating_sub(holder.granted))
            .fold(0, u32::saturating_add);
        let excess = self.owed().saturating_sub(self.total);
        let coming: u32 = holders()
            .map(|(holder, _)| holder.owed - holder.granted)
            .chain(self.returning.iter().map(|(_, amount)| *amount))
            .fold(0, u32::saturating_add);
        let mut wanted = missing.saturating_add(excess).saturating_sub(coming);
        let mut rich: Vec<(&H, &mut Holder, u32)> = self
            .holders
            .iter_mut()
            .zip(targets)
            .filter(|((_, holder), target)| holder.granted > **target)
            .map(|((id, holder), target)| (id, holder, *target))
            .collect();
        rich.sort_by_key(|(_, holder, _)| std::cmp::Reverse(holder.granted.saturating_sub(holder.wants)));
        let mut grants = Vec::new();
        for (id, holder, target) in rich {
            let cut = (holder.granted - target).min(wanted);
            if cut > 0 {
                wanted -= cut;
                grants.push((*id, holder.grant(holder.granted - cut, now)));
            }
        }
        grants
    }

    /// A lease runs from the last ask that its holder knows to have been heard; it is told now and then.
    fn renew(&mut self, holder: H, grants: &[(H, Grant)], now: Instant) -> Option<Grant> {
        let quarter = u64::try_from(self.terms.length.as_millis() / 4).unwrap_or(u64::MAX);
        let is_told = grants.iter().any(|(id, _)| *id == holder);
        let one = self.holders.get_mut(&holder)?;
        let is_due = one.serial > 0 && one.stamp.saturating_sub(one.told) >= quarter;
        (is_due && !is_told).then(|| one.grant(one.granted, now))
    }
}

impl Holder {
    fn new(stamp: u64, expires: Instant, since: Instant) -> Self {
        Self { wants: 0, granted: 0, serial: 0, owed: 0, stamp, told: stamp, expires, since }
    }

    /// Who comes first where not all can have some: who has just got it, then who has gone longest without, then who got it
    /// last.
    fn turn(&self, now: Instant) -> (u8, Duration) {
        let age = now.saturating_duration_since(self.since);
        match self.granted {
            0 => (1, Duration::MAX - age),
            _ if age < TURN => (0, age),
            _ => (2, age),
        }
    }

    fn hear(&mut self, ask: Ask, expires: Instant) {
        // What came late, or twice, says nothing new.
        if ask.stamp < self.stamp {
            return;
        }
        self.stamp = ask.stamp;
        self.expires = expires;
        self.wants = ask.wants;
        if ask.serial == self.serial {
            self.owed = ask.held.max(self.granted);
        } else {
            // A grant is on its way. It may be using what it says and what is about to reach it.
            self.owed = self.owed.max(ask.held);
        }
    }

    fn grant(&mut self, amount: u32, now: Instant) -> Grant {
        if (amount == 0) != (self.granted == 0) {
            self.since = now;
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        self.granted = amount;
        self.owed = self.owed.max(amount);
        self.told = self.stamp;
        Grant { serial: self.serial, amount, stamp: self.stamp }
    }
}
