//! A world of holders in simulated time: messages are delayed, overtaken and lost, holders die, and demand moves. Never
//! may more be in use than there is; and where nothing is lost, what is free goes to who is hungry.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_wire::lease::Ask;
use proptest::prelude::*;

use super::{Book, Grant, Terms};

const TERM_MS: u64 = 400;
const LINGER_MS: u64 = 50;

/// A holder as the agent is one: see `js/lease.js`.
#[derive(Debug, Default)]
struct Holder {
    serial: u32,
    amount: u32,
    /// Its lease runs from here; `None`: it never had one.
    stamp: Option<u64>,
    in_use: u32,
    queued: u32,
    /// What it last asked with, and when.
    asked: Option<(u32, u32, u32)>,
    asked_at: u64,
}

impl Holder {
    fn amount(&self, now: u64) -> u32 {
        self.stamp.filter(|stamp| now < stamp + TERM_MS).map_or(0, |_| self.amount)
    }

    fn hear(&mut self, grant: Grant) {
        // Overtaken by a later one. After a lease that ended the serial begins anew, and the stamp is later.
        if self.stamp.is_some_and(|stamp| (grant.stamp, grant.serial) < (stamp, self.serial)) {
            return;
        }
        (self.serial, self.amount, self.stamp) = (grant.serial, grant.amount, Some(grant.stamp));
    }

    fn start(&mut self, now: u64) {
        let room = self.amount(now).saturating_sub(self.in_use).min(self.queued);
        self.in_use += room;
        self.queued -= room;
    }

    fn ask(&mut self, now: u64) -> Option<Ask> {
        if self.stamp.is_some_and(|stamp| now >= stamp + TERM_MS) {
            (self.serial, self.amount) = (0, 0);
        }
        let wants = self.in_use + self.queued;
        let held = self.amount(now).max(self.in_use);
        let said = (self.serial, wants, held);
        let is_due = wants > 0 && now >= self.asked_at + TERM_MS / 4;
        if self.asked == Some(said) && !is_due {
            return None;
        }
        self.asked = Some(said);
        self.asked_at = now;
        Some(Ask { serial: self.serial, wants, held, stamp: now })
    }
}

enum Message {
    Ask(u32, Ask),
    Grant(u32, Grant),
    Died(u32),
}

#[derive(Debug, Clone)]
enum Step {
    Demand { holder: u32, calls: u32 },
    Finish { holder: u32, calls: u32 },
    Pass { ms: u64 },
    Crash { holder: u32 },
    Total { total: u32 },
}

struct World {
    epoch: Instant,
    now: u64,
    total: u32,
    /// The most that may be in use since the total was made smaller.
    bound: u32,
    book: Book<u32>,
    holders: BTreeMap<u32, Holder>,
    /// Calls of the dead that are still seen where they went.
    dying: Vec<(u64, u32)>,
    wire: Vec<(u64, Message)>,
    next: u32,
    chance: u64,
    lossy: bool,
}

impl World {
    fn new(total: u32, holders: u32, seed: u64, lossy: bool) -> Self {
        let terms =
            Terms { length: Duration::from_millis(TERM_MS), linger: Duration::from_millis(LINGER_MS) };
        Self {
            epoch: Instant::now(),
            now: 1000,
            total,
            bound: total,
            book: Book::new(total, terms),
            holders: (0..holders).map(|id| (id, Holder::default())).collect(),
            dying: Vec::new(),
            wire: Vec::new(),
            next: holders,
            chance: seed | 1,
            lossy,
        }
    }

    fn instant(&self) -> Instant {
        self.epoch + Duration::from_millis(self.now)
    }

    /// A number below `bound`, by xorshift.
    fn random(&mut self, bound: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % bound
    }

    fn id(&self, holder: u32) -> u32 {
        let ids: Vec<u32> = self.holders.keys().copied().collect();
        ids[holder as usize % ids.len()]
    }

    fn send(&mut self, message: Message) {
        let is_lost = self.lossy && !matches!(message, Message::Died(_)) && self.random(5) == 0;
        let delay = if self.lossy { self.random(30) } else { 1 };
        if !is_lost {
            self.wire.push((self.now + delay, message));
        }
    }

    fn grants(&mut self, grants: Vec<(u32, Grant)>) {
        for (id, grant) in grants {
            self.send(Message::Grant(id, grant));
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Demand { holder, calls } => {
                let id = self.id(holder);
                self.holders.get_mut(&id).unwrap().queued += calls;
            }
            Step::Finish { holder, calls } => {
                let one = self.holders.get_mut(&self.id(holder)).unwrap();
                one.in_use = one.in_use.saturating_sub(calls);
            }
            Step::Crash { holder } => {
                let id = self.id(holder);
                let dead = self.holders.remove(&id).unwrap();
                // Its connections are closed with it, and that is seen within the linger.
                self.dying.push((self.now + LINGER_MS - 1, dead.in_use));
                self.send(Message::Died(id));
                self.holders.insert(self.next, Holder::default());
                self.next += 1;
            }
            Step::Total { total } => {
                self.total = total;
                let grants = self.book.set_total(total, self.instant());
                self.grants(grants);
            }
            Step::Pass { ms } => {
                for _ in 0..ms {
                    self.now += 1;
                    self.tick();
                }
            }
        }
        self.tick();
    }

    fn tick(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.wire).into_iter().partition(|(at, _)| *at <= now);
        self.wire = later;
        let due: Vec<(u64, Message)> = due;
        for (_, message) in due {
            match message {
                Message::Ask(id, ask) => {
                    let grants = self.book.ask(id, ask, self.instant());
                    self.grants(grants);
                }
                Message::Grant(id, grant) => {
                    if let Some(holder) = self.holders.get_mut(&id) {
                        holder.hear(grant);
                    }
                }
                // Known from the end of the channel, after which nothing comes by it.
                Message::Died(id) => {
                    self.book.lose(id, self.instant());
                    self.wire.retain(|(_, later)| !matches!(later, Message::Ask(of, _) if *of == id));
                }
            }
        }
        if self.book.deadline().is_some_and(|deadline| deadline <= self.instant()) {
            let grants = self.book.balance(self.instant());
            self.grants(grants);
        }
        self.dying.retain(|(until, _)| *until > now);
        let mut asks = Vec::new();
        for (id, holder) in &mut self.holders {
            holder.start(now);
            // What is still in use when a lease ends is given up with it.
            if holder.stamp.is_some_and(|stamp| now >= stamp + TERM_MS) {
                holder.in_use = 0;
            }
            asks.extend(holder.ask(now).map(|ask| Message::Ask(*id, ask)));
        }
        for ask in asks {
            self.send(ask);
        }
    }

    fn in_use(&self) -> u32 {
        let living: u32 = self.holders.values().map(|holder| holder.in_use).sum();
        living + self.dying.iter().map(|(_, calls)| calls).sum::<u32>()
    }

    /// A smaller total holds once what was out has come back; until then nothing is added.
    fn check(&mut self) {
        let in_use = self.in_use();
        self.bound = self.total.max(self.bound.min(self.book.owed()));
        assert!(in_use <= self.bound, "{in_use} in use, bound {}", self.bound);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let holder = 0..8_u32;
    prop_oneof![
        4 => (holder.clone(), 1..12_u32).prop_map(|(holder, calls)| Step::Demand { holder, calls }),
        4 => (holder.clone(), 1..6_u32).prop_map(|(holder, calls)| Step::Finish { holder, calls }),
        4 => (1..40_u64).prop_map(|ms| Step::Pass { ms }),
        1 => (200..900_u64).prop_map(|ms| Step::Pass { ms }),
        1 => holder.prop_map(|holder| Step::Crash { holder }),
    ]
}

proptest! {
    #[test]
    fn never_more_is_in_use_than_there_is(
        total in 1..20_u32,
        holders in 1..7_u32,
        seed in any::<u64>(),
        lossy in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(total, holders, seed, lossy);
        for step in &steps {
            world.step(step);
            world.check();
            // What comes late from a lease that has ended is counted again, to be careful.
            prop_assert!(lossy || world.book.owed() <= total, "{} of {total} are out", world.book.owed());
        }
    }

    #[test]
    fn a_smaller_total_holds_once_what_was_out_has_come_back(
        seed in any::<u64>(),
        totals in prop::collection::vec(1..20_u32, 1..10),
        steps in prop::collection::vec(step(), 10..60),
    ) {
        let mut world = World::new(10, 4, seed, true);
        for (index, step) in steps.iter().enumerate() {
            if index % 5 == 0 {
                world.step(&Step::Total { total: totals[index / 5 % totals.len()] });
            }
            world.step(step);
            world.check();
        }
    }

    #[test]
    fn whoever_is_hungry_gets_what_nobody_uses(
        total in 1..20_u32,
        holders in 1..7_u32,
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new(total, holders, seed, false);
        for step in &steps {
            world.step(step);
        }
        // All calls end, all queues but one are emptied, and the leases of the dead come back.
        for holder in world.holders.values_mut() {
            (holder.in_use, holder.queued) = (0, 0);
        }
        world.step(&Step::Demand { holder: 0, calls: 100 });
        world.step(&Step::Pass { ms: LINGER_MS + 10 });
        prop_assert_eq!(world.in_use(), total);
        // And who comes then gets its fair part when the other's calls end.
        world.step(&Step::Demand { holder: 1, calls: 100 });
        for _ in 0..total {
            world.step(&Step::Finish { holder: 0, calls: 1 });
            world.step(&Step::Pass { ms: 5 });
            prop_assert_eq!(world.in_use(), total);
        }
        let least = world.holders.values().filter(|holder| holder.queued > 0).map(|holder| holder.in_use).min();
        prop_assert!(least >= Some(total / 2), "{:?}", world.holders);
    }
}

proptest! {
    #[test]
    fn where_there_is_less_than_one_for_each_they_take_turns(
        total in 1..5_u32,
        more in 1..5_u32,
        takes_ms in 1..60_u64,
        seed in any::<u64>(),
        lossy in any::<bool>(),
    ) {
        let holders = total + more;
        let mut world = World::new(total, holders, seed, lossy);
        for holder in 0..holders {
            world.step(&Step::Demand { holder, calls: 1_000_000 });
        }
        let mut last_had = vec![world.now; holders as usize];
        let begun = world.now;
        let mut used = 0;
        while world.now < begun + 20_000 {
            for _ in 0..takes_ms {
                world.step(&Step::Pass { ms: 1 });
                world.check();
            }
            used += u64::from(world.in_use());
            for (id, holder) in &mut world.holders {
                let last = &mut last_had[*id as usize];
                if holder.in_use > 0 {
                    *last = world.now;
                    holder.in_use = 0;
                }
                prop_assert!(lossy || world.now - *last < 2000, "{id} has had nothing for {} ms", world.now - *last);
            }
        }
        let part = used as f64 / ((20_000 / takes_ms) * u64::from(total)) as f64;
        prop_assert!(lossy || part > 0.8, "{part} of what there is was in use");
    }
}

#[test]
fn whose_turn_it_is_is_looked_at_only_while_somebody_waits() {
    let terms = Terms { length: Duration::from_secs(30), linger: Duration::ZERO };
    let mut book = Book::new(1, terms);
    let start = Instant::now();
    let ask = Ask { serial: 0, wants: 1, held: 0, stamp: 0 };
    book.ask('a', ask, start);
    assert_eq!(book.deadline(), None);
    book.ask('b', ask, start);
    let turn = book.deadline().unwrap();
    assert!(turn < start + Duration::from_secs(1));
    assert_eq!(book.balance(turn), [('a', Grant { serial: 2, amount: 0, stamp: 0 })]);
    // It has a call that takes long: there is nobody to ask.
    assert_eq!(book.deadline(), Some(start + terms.length));
    let given = book.ask('a', Ask { serial: 2, stamp: 1, ..ask }, turn);
    assert_eq!(given, [('b', Grant { serial: 1, amount: 1, stamp: 0 })]);
    assert!(book.deadline().unwrap() < turn + Duration::from_secs(1));
}

#[test]
fn a_dead_holders_part_comes_back_after_the_linger_and_an_idle_ones_at_once() {
    let mut world = World::new(10, 2, 1, false);
    world.step(&Step::Demand { holder: 0, calls: 10 });
    world.step(&Step::Pass { ms: 4 });
    assert_eq!(world.in_use(), 10);
    world.step(&Step::Demand { holder: 1, calls: 20 });
    world.step(&Step::Crash { holder: 0 });
    world.step(&Step::Pass { ms: LINGER_MS - 2 });
    assert_eq!(world.in_use(), 10, "the calls of the dead are still seen");
    world.step(&Step::Pass { ms: 6 });
    assert_eq!(world.holders.values().map(|holder| holder.in_use).sum::<u32>(), 10);

    world.step(&Step::Finish { holder: 0, calls: 10 });
    world.holders.values_mut().for_each(|holder| holder.queued = 0);
    world.step(&Step::Finish { holder: 0, calls: 10 });
    world.step(&Step::Pass { ms: 5 });
    world.step(&Step::Demand { holder: 1, calls: 10 });
    // An ask, a grant that asks the idle one to give, its answer, a grant.
    world.step(&Step::Pass { ms: 5 });
    assert_eq!(world.in_use(), 10);
}

#[test]
fn who_says_nothing_for_a_whole_lease_has_nothing() {
    let terms = Terms { length: Duration::from_secs(1), linger: Duration::ZERO };
    let mut book = Book::new(4, terms);
    let start = Instant::now();
    let ask = Ask { serial: 0, wants: 4, held: 0, stamp: 0 };
    assert_eq!(book.ask('a', ask, start), [('a', Grant { serial: 1, amount: 4, stamp: 0 })]);
    assert_eq!(book.deadline(), None, "nobody waits");
    let after = start + Duration::from_millis(500);
    let short = book.ask('b', Ask { stamp: 70, ..ask }, after);
    assert_eq!(short, [('a', Grant { serial: 2, amount: 2, stamp: 0 })], "it is asked to give");
    assert_eq!(book.deadline(), Some(start + terms.length));
    let over = start + terms.length;
    assert_eq!(book.balance(over), [('b', Grant { serial: 1, amount: 4, stamp: 70 })]);
    // It comes back with calls that have not ended: they count.
    let late = book.ask('a', Ask { serial: 1, wants: 3, held: 3, stamp: 1200 }, over);
    assert_eq!(
        late,
        [('b', Grant { serial: 2, amount: 2, stamp: 70 })],
        "what the other has by now it is not given again"
    );
    assert_eq!(book.owed(), 7);
}

#[test]
fn a_claim_to_hold_more_than_there_is_does_not_overflow() {
    let terms = Terms { length: Duration::from_secs(1), linger: Duration::ZERO };
    let mut book = Book::new(4, terms);
    let now = Instant::now();
    let ask = Ask { serial: u32::MAX, wants: u32::MAX, held: u32::MAX, stamp: u64::MAX };
    for holder in 0..2000 {
        book.ask(holder, ask, now);
    }
    assert_eq!(book.owed(), 4 * 1024);
    assert!((0..2000).all(|holder| book.granted(holder) <= 4));
}
