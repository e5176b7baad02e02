//! Hears what the agents say of the app's calls, and tells them what they may do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use plimsoll_wire::calls::{self, Budget, Figures, FromAgent, Limit, OTHERS, ToAgent, Watched};
use plimsoll_wire::lease::{Ask, Grant as Told};

use super::adaptive::Adaptive;
use super::breaker::{Breaker, Shown};
use super::callers::{Caller, Callers};
use super::finding;
use super::rules::Rules;
use super::tally::Tally;
use crate::ids::WorkerId;
use crate::lease::{Book, Grant, Terms};

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
    /// Where there is one.
    pub breaker: Option<Shown>,
    pub finding: Option<String>,
    /// What would help.
    pub hint: Option<String>,
}

/// The breaker of an origin has opened or closed; told of those that hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub origin: String,
    /// Calls are refused for so long, and why; `None`: they may be made again.
    pub open: Option<(Duration, String)>,
}

#[derive(Debug)]
pub struct Desk {
    rules: Rules,
    /// It was said that calls of children are not seen.
    is_fork_told: bool,
    origins: BTreeMap<String, Origin>,
    /// Which origin a number of a process means.
    numbers: BTreeMap<(Holder, u32), String>,
    /// Not yet told; of each origin the latest.
    news: BTreeMap<String, News>,
}

#[derive(Debug)]
struct Origin {
    limit: Limit,
    concurrency: Option<Book<Holder>>,
    /// It sets the total of `concurrency`.
    adaptive: Option<Adaptive>,
    rate: Option<Book<Holder>>,
    breaker: Option<Breaker<Holder>>,
    tally: Tally<Holder>,
    callers: Callers,
}

type Answers = Vec<(Holder, ToAgent)>;

impl Desk {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let (origins, numbers, news) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rules, is_fork_told: false, origins, numbers, news }
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
            FromAgent::Origin { origin, name } => self.meet(holder, origin, name, now),
            FromAgent::Ask { origin, budget, ask } => self.ask(holder, origin, budget, ask, now),
            FromAgent::Calls { origin, figures } => {
                let name = self.numbers.get(&(holder, origin));
                if let Some(one) = name.and_then(|name| self.origins.get_mut(name)) {
                    one.tally.hear(holder, *figures);
                }
                Vec::new()
            }
            FromAgent::FanOut { .. } | FromAgent::Broken { .. } | FromAgent::Forks => Vec::new(),
            FromAgent::Samples { origin, peak, took_us } => self.adapt(holder, origin, peak, &took_us, now),
            FromAgent::Outcomes { origin, outcomes } => {
                self.judge(holder, origin, now, |breaker| breaker.hear(holder, &outcomes, now))
            }
            FromAgent::Probed { origin, probed } => {
                self.judge(holder, origin, now, |breaker| breaker.probed(holder, probed, now))
            }
            FromAgent::Probe { origin } => {
                let Some(breaker) = self.breaker_mut(holder, origin) else { return Answers::new() };
                let breaker = breaker.ask(holder, now);
                vec![(holder, ToAgent::Breaker { origin, breaker })]
            }
        }
    }

    /// What has become of breakers that hold since this was asked last.
    pub fn news(&mut self) -> impl Iterator<Item = News> + use<> {
        std::mem::take(&mut self.news).into_values()
    }

    fn breaker_mut(&mut self, holder: Holder, number: u32) -> Option<&mut Breaker<Holder>> {
        let name = self.numbers.get(&(holder, number))?;
        self.origins.get_mut(name)?.breaker.as_mut()
    }

    /// A breaker hears something: all that call the origin are to know where it has changed.
    fn judge(
        &mut self,
        holder: Holder,
        number: u32,
        now: Instant,
        hear: impl FnOnce(&mut Breaker<Holder>) -> bool,
    ) -> Answers {
        let Some(breaker) = self.breaker_mut(holder, number) else { return Answers::new() };
        if !hear(breaker) {
            return Answers::new();
        }
        let name = self.numbers.get(&(holder, number)).cloned().unwrap_or_default();
        self.announce(&name, now)
    }

    /// Tells all that call the origin how its breaker stands.
    fn announce(&mut self, name: &str, now: Instant) -> Answers {
        let Some(breaker) = self.origins.get(name).and_then(|origin| origin.breaker.as_ref()) else {
            return Answers::new();
        };
        let told = breaker.told(now);
        if let Some(open) = news(&told) {
            self.news.insert(name.to_owned(), News { origin: name.to_owned(), open });
        }
        let knows = self.numbers.iter().filter(|(_, of)| *of == name);
        let message = |origin| ToAgent::Breaker { origin, breaker: told.clone() };
        knows.map(|((holder, origin), _)| (*holder, message(*origin))).collect()
    }

    /// A request of this route makes so many parallel calls.
    pub fn fan_out(&mut self, holder: Holder, origin: u32, route: &str, calls: u32) {
        let name = self.numbers.get(&(holder, origin));
        if let Some(one) = name.and_then(|name| self.origins.get_mut(name)) {
            one.callers.hear(route, calls);
        }
    }

    /// A call of a request of this route was refused by a breaker.
    pub fn broken(&mut self, holder: Holder, origin: u32, route: &str) {
        if let Some(breaker) = self.breaker_mut(holder, origin) {
            breaker.refused(route);
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

    /// The process is gone. Answers who is to be told what.
    pub fn lose(&mut self, holder: Holder, now: Instant) -> Answers {
        self.numbers.retain(|(of, _), _| *of != holder);
        let mut untried = Vec::new();
        for (name, origin) in &mut self.origins {
            origin.tally.lose(holder);
            origin.books().for_each(|(_, book)| book.lose(holder, now));
            if origin.breaker.as_mut().is_some_and(|breaker| breaker.lose(holder)) {
                untried.push(name.clone());
            }
        }
        untried.iter().flat_map(|name| self.announce(name, now)).collect()
    }

    /// When [`Self::balance`] should be called although nobody says anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let books = self.origins.values().flat_map(|origin| origin.concurrency.iter().chain(&origin.rate));
        let breakers = self.origins.values().filter_map(|origin| origin.breaker.as_ref());
        books.filter_map(Book::deadline).chain(breakers.filter_map(Breaker::deadline)).min()
    }

    /// Lends what has come back by itself, and decides what was in doubt.
    pub fn balance(&mut self, now: Instant) -> Answers {
        let mut answers = Answers::new();
        let mut changed = Vec::new();
        let due = |book: &Book<Holder>| book.deadline().is_some_and(|deadline| deadline <= now);
        for (name, origin) in &mut self.origins {
            for (budget, book) in origin.books().filter(|(_, book)| due(book)) {
                let grants = book.balance(now);
                answers.extend(tell(&self.numbers, name, budget, grants));
            }
            if let Some(breaker) = &mut origin.breaker
                && breaker.deadline().is_some_and(|deadline| deadline <= now)
                && breaker.look(now)
            {
                changed.push(name.clone());
            }
        }
        answers.extend(changed.iter().flat_map(|name| self.announce(name, now)));
        answers
    }

    /// What is known of all origins, by name.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.origins.iter().map(|(name, origin)| {
            let figures = origin.tally.sum();
            let callers = origin.callers.all();
            let breaker = origin.breaker.as_ref().map(Breaker::shown);
            let limit = origin.limit_now();
            let about = finding::About { name, limit: &limit, figures: &figures, breaker: breaker.as_ref() };
            Seen {
                name: name.clone(),
                limit,
                lent: origin.concurrency.as_ref().map_or(0, Book::owed),
                finding: about.describe(callers.first()),
                hint: about.hint(),
                breaker,
                callers,
                figures,
            }
        });
        seen.collect()
    }

    /// A process calls an origin for the first time.
    fn meet(&mut self, holder: Holder, number: u32, name: String, now: Instant) -> Answers {
        let is_known = self.origins.contains_key(&name);
        let name = if is_known || self.origins.len() < ORIGINS_MAX { name } else { OTHERS.to_owned() };
        let rules = &self.rules;
        let origin = self.origins.entry(name.clone()).or_insert_with(|| Origin::new(rules, &name, now));
        let mut answers = Answers::new();
        let told = origin.breaker.as_ref().map(|breaker| breaker.told(now));
        if let Some(breaker) = told.filter(|told| *told != calls::Breaker::Closed) {
            // First: calls that wait for their limit must not go out.
            answers.push((holder, ToAgent::Breaker { origin: number, breaker }));
        }
        answers.push((holder, ToAgent::Limit { origin: number, limit: origin.limit }));
        self.numbers.insert((holder, number), name);
        answers
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

/// What is worth a line: that it opens, and that it closes.
fn news(told: &calls::Breaker) -> Option<Option<(Duration, String)>> {
    match told {
        calls::Breaker::Closed => Some(None),
        // Another call may be tried: nothing new.
        calls::Breaker::Open { for_ms: 0, .. } | calls::Breaker::Probe => None,
        calls::Breaker::Open { for_ms, why } => {
            Some(Some((Duration::from_millis(u64::from(*for_ms)), why.clone())))
        }
    }
}

impl Origin {
    fn new(rules: &Rules, name: &str, now: Instant) -> Self {
        let limit = rules.limit_of(name);
        let breaker = match limit.breaker {
            Watched::Off => None,
            watched => Some(Breaker::new(rules.breaker_of(name), watched == Watched::Enforce, now)),
        };
        let book = |total: u32| (total > 0).then(|| Book::new(total, TERMS));
        let adaptive = limit.adaptive.then(|| Adaptive::new(limit.concurrency, now));
        Self {
            limit,
            concurrency: book(adaptive.as_ref().map_or(limit.concurrency, Adaptive::limit)),
            adaptive,
            rate: book(if limit.enforce { limit.rate } else { 0 }),
            breaker,
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
