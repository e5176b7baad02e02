//! Hears what the agents say of the app's calls, and tells them what they may do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_wire::calls::{Budget, Figures, FromAgent, Limit, OTHERS, ToAgent};
use plimsoll_wire::lease::Grant as Told;

use super::adaptive::Adaptive;
use super::callers::{Caller, Callers};
use super::finding;
use super::rules::Rules;
use super::tally::Tally;
use crate::ids::WorkerId;
use crate::lease::{Ask, Book, Grant, Terms};

/// Origins of all workers together; whatever is called beyond is one of the others.
const ORIGINS_MAX: usize = 256;

/// A worker whose loop stands still for so long loses what it was lent. A process that is gone loses it at once, but
/// for the time in which its connections are seen to end where they went.
const TERMS: Terms = Terms { length: Duration::from_secs(30), linger: Duration::from_millis(50) };

/// A process that makes calls: with `node:cluster` a worker has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    pub worker: WorkerId,
    pub channel: u32,
}

/// One origin, as it is shown.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: String,
    pub limit: Limit,
    /// Of `limit.concurrency`: what is lent to workers now.
    pub lent: u32,
    pub figures: Figures,
    /// Routes whose requests make parallel calls, the widest first.
    pub callers: Vec<Caller>,
    pub finding: Option<String>,
    /// What would help.
    pub hint: Option<String>,
}

#[derive(Debug)]
pub struct Desk {
    rules: Rules,
    /// It was said that calls of children are not seen.
    is_fork_told: bool,
    origins: BTreeMap<String, Origin>,
    /// Which origin a number of a process means.
    numbers: BTreeMap<(Holder, u32), String>,
}

#[derive(Debug)]
struct Origin {
    limit: Limit,
    concurrency: Option<Book<Holder>>,
    /// It sets the total of `concurrency`.
    adaptive: Option<Adaptive>,
    rate: Option<Book<Holder>>,
    tally: Tally<Holder>,
    callers: Callers,
}

type Answers = Vec<(Holder, ToAgent)>;

impl Desk {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, is_fork_told: false, origins: BTreeMap::new(), numbers: BTreeMap::new() }
    }

    /// What a fresh agent is told; `None`: calls are no concern of its.
    #[must_use]
    pub fn greet(&self) -> Option<ToAgent> {
        self.rules.watches().then(|| ToAgent::Watch { hold: self.rules.enforces() })
    }

    /// The app forks itself, and the calls of its children are not seen. Whether that is to be told, and then whether some of
    /// them were to be limited.
    pub fn forks(&mut self) -> Option<bool> {
        let is_first = !std::mem::replace(&mut self.is_fork_told, true);
        (is_first && self.rules.watches()).then(|| self.rules.enforces())
    }

    /// An agent says something. Answers who is to be told what.
    pub fn hear(&mut self, holder: Holder, said: FromAgent, now: Instant) -> Answers {
        match said {
            FromAgent::Origin { origin, name } => vec![(holder, self.meet(holder, origin, name, now))],
            FromAgent::Ask { origin, budget, ask } => {
                let ask = Ask { serial: ask.serial, wants: ask.wants, held: ask.held, stamp: ask.stamp };
                self.ask(holder, origin, budget, ask, now)
            }
            FromAgent::Calls { origin, figures } => {
                let name = self.numbers.get(&(holder, origin));
                if let Some(one) = name.and_then(|name| self.origins.get_mut(name)) {
                    one.tally.hear(holder, *figures);
                }
                Vec::new()
            }
            FromAgent::FanOut { .. } | FromAgent::Forks => Vec::new(),
            FromAgent::Samples { origin, peak, took_us } => self.adapt(holder, origin, peak, &took_us, now),
        }
    }

    /// A request of this route makes so many parallel calls.
    pub fn fan_out(&mut self, holder: Holder, origin: u32, route: &str, calls: u32) {
        let name = self.numbers.get(&(holder, origin));
        if let Some(one) = name.and_then(|name| self.origins.get_mut(name)) {
            one.callers.hear(route, calls);
        }
    }

    /// A process tells how long its calls took: the budget may be another then.
    fn adapt(&mut self, holder: Holder, number: u32, peak: u32, took_us: &[u32], now: Instant) -> Answers {
        let Some(name) = self.numbers.get(&(holder, number)) else { return Answers::new() };
        let Some(origin) = self.origins.get_mut(name) else { return Answers::new() };
        let (Some(adaptive), Some(book)) = (&mut origin.adaptive, &mut origin.concurrency) else {
            return Answers::new();
        };
        adaptive.hear(peak, took_us, now);
        if adaptive.limit() == book.total() {
            return Answers::new();
        }
        let grants = book.set_total(adaptive.limit(), now);
        tell(&self.numbers, name, Budget::Concurrency, grants)
    }

    /// The process is gone.
    pub fn lose(&mut self, holder: Holder, now: Instant) {
        self.numbers.retain(|(of, _), _| *of != holder);
        for origin in self.origins.values_mut() {
            origin.tally.lose(holder);
            origin.books().for_each(|(_, book)| book.lose(holder, now));
        }
    }

    /// When [`Self::balance`] should be called although nobody says anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let books = self.origins.values().flat_map(|origin| origin.concurrency.iter().chain(&origin.rate));
        books.filter_map(Book::deadline).min()
    }

    /// Lends what has come back by itself.
    pub fn balance(&mut self, now: Instant) -> Answers {
        let mut answers = Answers::new();
        let due = |book: &Book<Holder>| book.deadline().is_some_and(|deadline| deadline <= now);
        for (name, origin) in &mut self.origins {
            for (budget, book) in origin.books().filter(|(_, book)| due(book)) {
                let grants = book.balance(now);
                answers.extend(tell(&self.numbers, name, budget, grants));
            }
        }
        answers
    }

    /// What is known of all origins, by name.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.origins.iter().map(|(name, origin)| {
            let figures = origin.tally.sum();
            let callers = origin.callers.all();
            Seen {
                name: name.clone(),
                limit: origin.limit_now(),
                lent: origin.concurrency.as_ref().map_or(0, Book::owed),
                finding: finding::describe(name, &origin.limit_now(), &figures, callers.first()),
                hint: finding::hint(name, &origin.limit_now(), &figures),
                callers,
                figures,
            }
        });
        seen.collect()
    }

    /// A process calls an origin for the first time.
    fn meet(&mut self, holder: Holder, number: u32, name: String, now: Instant) -> ToAgent {
        let is_known = self.origins.contains_key(&name);
        let name = if is_known || self.origins.len() < ORIGINS_MAX { name } else { OTHERS.to_owned() };
        let limit = self.rules.limit_of(&name);
        let origin = self.origins.entry(name.clone()).or_insert_with(|| Origin::new(limit, now));
        let limit = origin.limit;
        self.numbers.insert((holder, number), name);
        ToAgent::Limit { origin: number, limit }
    }

    fn ask(&mut self, holder: Holder, number: u32, budget: Budget, ask: Ask, now: Instant) -> Answers {
        let Some(name) = self.numbers.get(&(holder, number)) else { return Answers::new() };
        let Some(origin) = self.origins.get_mut(name) else { return Answers::new() };
        let Some((_, book)) = origin.books().find(|(of, _)| *of == budget) else { return Answers::new() };
        let grants = book.ask(holder, ask, now);
        tell(&self.numbers, name, budget, grants)
    }
}

/// The grants as messages, each with the number that its process has for the origin.
fn tell(
    numbers: &BTreeMap<(Holder, u32), String>,
    name: &str,
    budget: Budget,
    grants: Vec<(Holder, Grant)>,
) -> Answers {
    let length_ms = u32::try_from(TERMS.length.as_millis()).unwrap_or(u32::MAX);
    let message = |(holder, Grant { serial, amount, stamp })| {
        let known = numbers.range((holder, 0)..=(holder, u32::MAX));
        let origin = known.into_iter().find(|(_, of)| *of == name).map(|((_, number), _)| *number)?;
        Some((holder, ToAgent::Grant { origin, budget, grant: Told { serial, amount, stamp, length_ms } }))
    };
    grants.into_iter().filter_map(message).collect()
}

impl Origin {
    fn new(limit: Limit, now: Instant) -> Self {
        let book = |total: u32| (total > 0).then(|| Book::new(total, TERMS));
        let adaptive = limit.adaptive.then(|| Adaptive::new(limit.concurrency, now));
        Self {
            limit,
            concurrency: book(adaptive.as_ref().map_or(limit.concurrency, Adaptive::limit)),
            adaptive,
            rate: book(if limit.enforce { limit.rate } else { 0 }),
            tally: Tally::new(),
            callers: Callers::default(),
        }
    }

    /// With what an adaptive one has come to.
    fn limit_now(&self) -> Limit {
        let concurrency = self.adaptive.as_ref().map_or(self.limit.concurrency, Adaptive::limit);
        Limit { concurrency, ..self.limit }
    }

    fn books(&mut self) -> impl Iterator<Item = (Budget, &mut Book<Holder>)> {
        let concurrency = self.concurrency.iter_mut().map(|book| (Budget::Concurrency, book));
        concurrency.chain(self.rate.iter_mut().map(|book| (Budget::Rate, book)))
    }
}
