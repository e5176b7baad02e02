//! Hears what the agents say of the app's pools, tells what holds for them, and shares out what their servers allow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use plimsoll_wire::lease::Grant as Told;
use plimsoll_wire::pools::{About, Figures, FromAgent, Rule, ToAgent};

use super::advice::{self, Facts};
use super::queueing::{Queue, Queues};
use super::rules::{Rules, rule};
use super::server::{LEASE_MS, Member, Server};
use super::window::{Summary, Window};
use crate::concerns::downstream::Holder;
use crate::config::PoolsMode;
use crate::lease::Grant;

/// Pools of all workers together that are told apart by name.
const POOLS_MAX: usize = 128;
const LEAKS_KEPT: usize = 16;
/// Of one pool the log tells no more.
const LEAKS_NOTED: u32 = 100;

/// One pool, as it is shown: all workers together.
#[derive(Debug, Clone)]
pub struct Seen {
    pub name: String,
    pub about: About,
    /// Processes that have it.
    pub workers: u32,
    /// Counted since the start, but for what is "now".
    pub figures: Figures,
    pub summary: Summary,
    /// Connections that all workers together need; 0: not known.
    pub needed: u32,
    /// What the server allows to this instance.
    pub allowed: Option<u32>,
    /// Of that: what is lent to all pools of the server.
    pub lent: u32,
    pub enforced: bool,
    pub findings: Vec<String>,
    /// The latest last.
    pub leaks: Vec<Leak>,
}

/// A connection that was held for long.
#[derive(Debug, Clone)]
pub struct Leak {
    pub worker: u16,
    pub at: Instant,
    pub held_ms: u64,
    /// Where it was taken; empty: not known.
    pub taker: String,
}

/// What the log is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    Bad(String),
    Good(String),
}

/// Who is to be told what.
#[derive(Debug, Default)]
pub struct Answers {
    pub messages: Vec<(Holder, ToAgent)>,
    pub notes: Vec<Note>,
}

#[derive(Debug)]
pub struct Desk {
    rules: Rules,
    servers: BTreeMap<String, Server>,
    pools: BTreeMap<String, Pool>,
    members: BTreeMap<Member, One>,
    queues: Queues,
}

/// Pools of one name.
#[derive(Debug)]
struct Pool {
    about: About,
    /// Of all members, also those that are gone; nothing of it is "now".
    counted: Figures,
    window: Window,
    leaks: VecDeque<Leak>,
    leaks_noted: u32,
}

/// The pool of one process.
#[derive(Debug)]
struct One {
    name: String,
    about: About,
    last: Figures,
}

impl Desk {
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let (servers, pools, members) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rules, servers, pools, members, queues: Queues::default() }
    }

    /// What a fresh agent is told; `None`: pools are no concern of its.
    #[must_use]
    pub fn greet(&self) -> Option<ToAgent> {
        self.rules.watches().then(|| ToAgent::Watch { hold: self.rules.enforces() })
    }

    /// An agent says something.
    pub fn hear(&mut self, holder: Holder, said: FromAgent, now: Instant) -> Answers {
        match said {
            FromAgent::Pool { pool, about } => self.meet((holder, pool), about, now),
            FromAgent::Figures { pool, figures } => self.count((holder, pool), *figures, now),
            FromAgent::Leak { pool, held_ms, taker } => self.note_leak((holder, pool), held_ms, taker, now),
            FromAgent::Gone { pool } => {
                Answers { messages: self.lose_members(vec![(holder, pool)], now), ..Answers::default() }
            }
            FromAgent::Ask { pool, ask } => {
                let grants =
                    self.server_of((holder, pool)).map(|server| server.ask((holder, pool), ask, now));
                Answers { messages: tell(grants.unwrap_or_default()), ..Answers::default() }
            }
            FromAgent::Server { pool, limit, open } => self.inspect((holder, pool), limit, open, now),
        }
    }

    /// The process is gone.
    pub fn lose(&mut self, holder: Holder, now: Instant) -> Answers {
        let gone = self.members.range((holder, 0)..=(holder, u32::MAX)).map(|(id, _)| *id).collect();
        Answers { messages: self.lose_members(gone, now), ..Answers::default() }
    }

    /// When [`Self::look`] should be called although nobody says anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.servers.values().filter_map(Server::deadline).chain(self.queues.deadline()).min()
    }

    /// Lends what has come back by itself, and looks which queues are over.
    pub fn look(&mut self, now: Instant) -> Answers {
        let mut answers = Answers::default();
        for server in self.servers.values_mut() {
            answers.messages.extend(tell(server.balance(now)));
        }
        if self.queues.deadline().is_some_and(|deadline| deadline <= now) {
            self.queues.looked(now);
            for name in self.queues.names() {
                answers.notes.extend(self.look_at_queue(&name, now));
            }
        }
        answers
    }

    /// What is known of all pools, by name.
    #[must_use]
    pub fn seen(&self, now: Instant) -> Vec<Seen> {
        self.pools.iter().map(|(name, pool)| self.see(name, pool, now)).collect()
    }

    /// Queues that last and the latest that are over.
    #[must_use]
    pub fn queues(&self) -> Vec<Queue> {
        self.queues.all()
    }

    /// A process uses a pool for the first time.
    fn meet(&mut self, member: Member, about: About, now: Instant) -> Answers {
        self.lose_member(member, now);
        let name = name_of(&about);
        let limits = self.rules.limits_of(&about.server);
        let is_one_too_many = !self.pools.contains_key(&name) && self.pools.len() >= POOLS_MAX;
        if is_one_too_many || limits.mode == PoolsMode::Off {
            let messages = vec![rule_for(member, rule(&limits, false))];
            return Answers { messages, ..Answers::default() };
        }
        self.servers.entry(about.server.clone()).or_insert_with(|| Server::new(limits, &about.library));
        self.pools.entry(name.clone()).or_insert_with(|| Pool::new(about.clone()));
        let server_name = about.server.clone();
        let is_sizeable = about.is_sizeable;
        self.members.insert(member, One { name, about, last: Figures::default() });
        let mut messages = self.open_book(&server_name, now);
        let enforces = is_sizeable && self.servers.get(&server_name).is_some_and(Server::enforces);
        messages.insert(0, rule_for(member, rule(&limits, enforces)));
        Answers { messages, ..Answers::default() }
    }

    fn count(&mut self, member: Member, figures: Figures, now: Instant) -> Answers {
        let Some(one) = self.members.get_mut(&member) else { return Answers::default() };
        let Some(pool) = self.pools.get_mut(&one.name) else { return Answers::default() };
        pool.window.add(&figures, &one.last, now);
        pool.counted.add(&figures.since(&one.last).past());
        one.last = figures;
        let name = one.name.clone();
        Answers { notes: self.look_at_queue(&name, now), ..Answers::default() }
    }

    fn note_leak(&mut self, member: Member, held_ms: u64, taker: String, now: Instant) -> Answers {
        let Some(one) = self.members.get(&member) else { return Answers::default() };
        let Some(pool) = self.pools.get_mut(&one.name) else { return Answers::default() };
        let worker = member.0.worker.index;
        if pool.leaks.len() >= LEAKS_KEPT {
            pool.leaks.pop_front();
        }
        let at = first_line(&taker).map_or_else(String::new, |line| format!(", taken {line}"));
        let text = format!(
            "pool {}: worker {worker} has held a connection for {} s{at}: is it ever given back?",
            one.name,
            held_ms / 1000
        );
        pool.leaks.push_back(Leak { worker, at: now, held_ms, taker });
        pool.leaks_noted = pool.leaks_noted.saturating_add(1);
        let notes = if pool.leaks_noted <= LEAKS_NOTED { vec![Note::Bad(text)] } else { Vec::new() };
        Answers { notes, ..Answers::default() }
    }

    /// What a server says of itself, and of all connections that it has.
    fn inspect(&mut self, member: Member, limit: u32, open: u32, now: Instant) -> Answers {
        let Some(one) = self.members.get(&member) else { return Answers::default() };
        let name = one.about.server.clone();
        let ours = self.members.values().filter(|one| one.about.server == name);
        let ours = ours.map(|one| one.last.open).fold(0, u64::saturating_add);
        let Some(server) = self.servers.get_mut(&name) else { return Answers::default() };
        let others = open.saturating_sub(u32::try_from(ours).unwrap_or(u32::MAX));
        let before = server.enforces();
        server.hear(limit, others);
        let mut messages = self.open_book(&name, now);
        if !before {
            messages.extend(self.rules_again(&name));
        }
        Answers { messages, ..Answers::default() }
    }

    fn open_book(&mut self, server: &str, now: Instant) -> Vec<(Holder, ToAgent)> {
        let fixed = self.members.values().filter(|one| one.about.server == server && !one.about.is_sizeable);
        let fixed = fixed.map(|one| one.about.max).fold(0, u32::saturating_add);
        let server = self.servers.get_mut(server);
        tell(server.map_or_else(Vec::new, |server| server.open_book(fixed, now)))
    }

    /// There is something to share out since it is known how much the server has.
    fn rules_again(&self, name: &str) -> Vec<(Holder, ToAgent)> {
        let Some(server) = self.servers.get(name).filter(|server| server.enforces()) else {
            return Vec::new();
        };
        let members =
            self.members.iter().filter(|(_, one)| one.about.server == name && one.about.is_sizeable);
        members.map(|(member, _)| rule_for(*member, rule(&server.limits, true))).collect()
    }

    fn server_of(&mut self, member: Member) -> Option<&mut Server> {
        let one = self.members.get(&member).filter(|one| one.about.is_sizeable)?;
        self.servers.get_mut(&one.about.server)
    }

    /// Where they had a fixed size, there is more to share out from now on.
    fn lose_members(&mut self, gone: Vec<Member>, now: Instant) -> Vec<(Holder, ToAgent)> {
        let left: BTreeSet<String> =
            gone.into_iter().filter_map(|member| self.lose_member(member, now)).collect();
        left.iter().flat_map(|server| self.open_book(server, now)).collect()
    }

    /// Gives its server.
    fn lose_member(&mut self, member: Member, now: Instant) -> Option<String> {
        let About { server, max, is_sizeable, .. } = self.members.remove(&member)?.about;
        if let Some(server) = self.servers.get_mut(&server) {
            server.lose(member, if is_sizeable { 0 } else { max }, now);
        }
        Some(server)
    }

    /// Whether a queue of the pool begins, lasts or ends.
    fn look_at_queue(&mut self, name: &str, now: Instant) -> Vec<Note> {
        let Some(pool) = self.pools.get(name) else { return Vec::new() };
        let is_open = self.queues.is_open(name);
        if is_open && pool.window.is_calm(now) {
            return self.queues.close(name, now).map(|queue| Note::Good(over(queue))).into_iter().collect();
        }
        if !pool.window.queues(now) {
            return Vec::new();
        }
        let seen = self.see(name, pool, now);
        let text = self.facts(&seen, advice::queue);
        if !is_open {
            self.queues.open(name, now);
        }
        let (size, needed) = (whole(seen.figures.max), seen.needed);
        self.queues.see(name, &seen.summary, size, needed, text.clone());
        if is_open { Vec::new() } else { vec![Note::Bad(text)] }
    }

    fn see(&self, name: &str, pool: &Pool, now: Instant) -> Seen {
        let summary = pool.window.summary(now);
        let server = self.servers.get(&pool.about.server);
        let mut figures = pool.counted.clone();
        let mut workers = 0;
        for one in self.members.values().filter(|one| one.name == name) {
            figures.add(&one.last.clone().now());
            workers += 1;
        }
        let mut seen = Seen {
            name: name.to_owned(),
            about: pool.about.clone(),
            workers,
            needed: 0,
            figures,
            summary,
            allowed: server.and_then(Server::allowed),
            lent: server.map_or(0, Server::lent),
            enforced: pool.about.is_sizeable && server.is_some_and(Server::enforces),
            findings: Vec::new(),
            leaks: pool.leaks.iter().cloned().collect(),
        };
        seen.needed = self.facts(&seen, |facts| facts.needed());
        let queues = self.queues.is_open(name);
        seen.findings = self.facts(&seen, |facts| advice::findings(facts, queues));
        seen
    }

    fn facts<T>(&self, seen: &Seen, say: impl FnOnce(&Facts<'_>) -> T) -> T {
        let limits = self.rules.limits_of(&seen.about.server);
        let server = if seen.about.server.is_empty() { "its server" } else { &seen.about.server };
        say(&Facts {
            name: &seen.name,
            server,
            summary: &seen.summary,
            workers: seen.workers,
            max_each: seen.about.max,
            size: whole(seen.figures.max),
            waiting: seen.figures.waiting,
            leaked: seen.figures.leaked,
            leak_after_ms: u32::try_from(limits.leak_after.as_millis()).unwrap_or(u32::MAX),
            allowed: seen.allowed,
            replicas: u32::try_from(limits.replicas).unwrap_or(u32::MAX),
            surge: self.rules.surge(),
            mode: limits.mode,
            is_sizeable: seen.about.is_sizeable,
            is_shared: seen.about.is_shared,
        })
    }
}

impl Pool {
    fn new(about: About) -> Self {
        let (counted, window, leaks) = (Figures::default(), Window::default(), VecDeque::new());
        Self { about, counted, window, leaks, leaks_noted: 0 }
    }
}

/// `pg@db:5432/shop`
fn name_of(About { library, server, database, .. }: &About) -> String {
    match (server.as_str(), database.as_str()) {
        ("", "") => library.clone(),
        (server, "") => format!("{library}@{server}"),
        (server, database) => format!("{library}@{server}/{database}"),
    }
}

fn rule_for((holder, pool): Member, rule: Rule) -> (Holder, ToAgent) {
    (holder, ToAgent::Rule { pool, rule })
}

fn tell(grants: Vec<(Member, Grant)>) -> Vec<(Holder, ToAgent)> {
    let message = |((holder, pool), Grant { serial, amount, stamp }): (Member, Grant)| {
        (holder, ToAgent::Grant { pool, grant: Told { serial, amount, stamp, length_ms: LEASE_MS } })
    };
    grants.into_iter().map(message).collect()
}

fn over(queue: &Queue) -> String {
    let lasted = queue.ended.map_or(0, |ended| ended.duration_since(queue.began).as_secs());
    let sizes = match queue.needed {
        0 => String::new(),
        needed => format!(", with {} connections where {needed} were needed", queue.size),
    };
    format!(
        "pool {}: no request waits for a connection any more; for {lasted} s they did, for up to {} ms{sizes}",
        queue.pool, queue.worst_ms
    )
}

/// The first frame of a stack, without what could move a cursor.
fn first_line(stack: &str) -> Option<String> {
    let line = stack.lines().next().map(str::trim).filter(|line| !line.is_empty())?;
    Some(line.chars().filter(|character| !character.is_control()).take(200).collect())
}

fn whole(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
