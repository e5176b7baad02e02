//! The book of incidents: the last ones, their groups, and what is worth a line of the log now.
//!
//! The first incident of a group is told at once. What follows within a minute is told at its end, in one line, so that
//! a route that blocks ten times a second makes two lines in the first minute and one in each that follows.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Incident, Kind, words};

/// Incidents that are kept whole.
const RECENT_MAX: usize = 100;
/// Groups that are kept; of those beyond, the one that has cost least gives way.
const GROUPS_MAX: usize = 200;
/// Routes that are remembered for a group whose own is not known.
const GUESSES_MAX: usize = 16;
/// Of a hundred incidents of one place so many must point at the same route. Another request may be answered first by
/// chance, and for a timer or a job always is.
const GUESS_PERCENT: u64 = 80;
/// Within this time after a line, others of the group are counted only.
const QUIET: Duration = Duration::from_secs(60);

/// An incident and when it was over.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: Instant,
    pub incident: Incident,
}

/// Incidents of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub route: Option<String>,
    /// It was never seen, but inferred from who was alone in flight or answered next.
    #[serde(default)]
    pub route_is_guess: bool,
    /// The call, the function and the file.
    pub place: Option<String>,
    pub kind: Kind,
    pub count: u64,
    pub total_ms: u64,
    pub worst_ms: u32,
    pub waited: u64,
    pub rescued: u64,
    /// For how long clients waited for it, at the least: the request itself, and each that stood behind it to the end; they
    /// come at any time of it, so half of it in the mean.
    #[serde(default)]
    pub cost_ms: u64,
    /// The call that blocked, where one did.
    #[serde(default)]
    pub call: Option<String>,
    /// Where the worst one was: `src/report.js:88`.
    #[serde(default)]
    pub at: Option<String>,
    /// The worst one.
    pub example: String,
    pub hint: Option<String>,
}

#[derive(Debug, Clone)]
struct Kept {
    group: Group,
    /// Whose it may have been, by the number of incidents.
    guesses: BTreeMap<String, u64>,
    /// Since the last line about it.
    quiet_from: Instant,
    untold: u64,
    untold_ms: u64,
}

type Key = (Option<String>, Option<String>, Kind);

#[derive(Debug, Clone, Default)]
pub struct Book {
    recent: VecDeque<Entry>,
    groups: BTreeMap<Key, Kept>,
    kinds: BTreeMap<Kind, (u64, u64)>,
    /// By worker: how many, and for how many milliseconds. A number of 16 bits: there cannot be more.
    workers: BTreeMap<u16, (u64, u64)>,
    /// Groups that gave way.
    forgotten: u64,
}

impl Book {
    /// Writes an incident down that is over. Returns the line that is worth telling now.
    pub fn note(&mut self, incident: Incident, now: Instant) -> Option<String> {
        for (count, total_ms) in
            [self.kinds.entry(incident.kind).or_default(), self.workers.entry(incident.worker).or_default()]
        {
            *count += 1;
            *total_ms += u64::from(incident.duration_ms);
        }
        let line = self.group(&incident, now);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Entry { at: now, incident });
        line
    }

    fn group(&mut self, incident: &Incident, now: Instant) -> Option<String> {
        let key = self.key(incident);
        let is_new = !self.groups.contains_key(&key);
        if is_new && self.groups.len() >= GROUPS_MAX {
            self.forget_least();
        }
        let kept = self.groups.entry(key.clone()).or_insert_with(|| Kept {
            group: Group {
                route: key.0,
                route_is_guess: false,
                place: key.1,
                kind: key.2,
                count: 0,
                total_ms: 0,
                worst_ms: 0,
                waited: 0,
                rescued: 0,
                cost_ms: 0,
                call: incident.call.clone(),
                at: None,
                example: String::new(),
                hint: None,
            },
            guesses: BTreeMap::new(),
            quiet_from: now,
            untold: 0,
            untold_ms: 0,
        });
        kept.add(incident);
        if is_new || (kept.untold == 0 && now.saturating_duration_since(kept.quiet_from) >= QUIET) {
            kept.quiet_from = now;
            return Some(incident.text.clone());
        }
        kept.untold += 1;
        kept.untold_ms += u64::from(incident.duration_ms);
        None
    }

    /// A guess is no group of its own where the same place was seen to be of that route.
    fn key(&self, incident: &Incident) -> Key {
        let (place, kind) = (words::group_place(incident), incident.kind);
        let route = incident.route.clone().filter(|_| kind.has_culprit());
        let key = (route, place, kind);
        match incident.route_is_guess && !self.groups.contains_key(&key) {
            true => (None, key.1, kind),
            false => key,
        }
    }

    fn forget_least(&mut self) {
        let least =
            self.groups.iter().min_by_key(|(_, kept)| kept.group.total_ms).map(|(key, _)| key.clone());
        if let Some(key) = least {
            self.groups.remove(&key);
            self.forgotten += 1;
        }
    }

    /// Lines about what was counted only, as far as it is time.
    pub fn tell(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for kept in self.groups.values_mut().filter(|kept| kept.untold > 0) {
            if now.saturating_duration_since(kept.quiet_from) >= QUIET {
                let (count, total_ms) = (kept.untold, kept.untold_ms);
                lines.push(words::repeated(&kept.told(), count, total_ms, QUIET.as_secs()));
                kept.untold = 0;
                kept.untold_ms = 0;
                kept.quiet_from = now;
            }
        }
        lines
    }

    /// When there is something to tell.
    #[must_use]
    pub fn next_line(&self) -> Option<Instant> {
        self.groups.values().filter(|kept| kept.untold > 0).map(|kept| kept.quiet_from + QUIET).min()
    }

    /// Newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Entry> {
        self.recent.iter().rev()
    }

    /// What cost most first.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        // Those whose route is known come first: a guess that is one of them adds to it.
        let (known, guessed): (Vec<_>, Vec<_>) =
            self.groups.values().map(Kept::told).partition(|group| !group.route_is_guess);
        for group in known.into_iter().chain(guessed) {
            let is_same = |other: &&mut Group| {
                other.route == group.route && other.place == group.place && other.kind == group.kind
            };
            match groups.iter_mut().find(is_same) {
                Some(same) => same.add(&group),
                None => groups.push(group),
            }
        }
        groups.sort_by(|one, other| {
            other.total_ms.cmp(&one.total_ms).then_with(|| one.place.cmp(&other.place))
        });
        groups
    }

    /// How many of each kind there were, and for how long together.
    #[must_use]
    pub fn kinds(&self) -> Vec<(Kind, u64, u64)> {
        Kind::ALL
            .into_iter()
            .map(|kind| {
                let (count, total_ms) = self.kinds.get(&kind).copied().unwrap_or_default();
                (kind, count, total_ms)
            })
            .collect()
    }

    /// How many each worker had, and for how long together.
    #[must_use]
    pub fn workers(&self) -> &BTreeMap<u16, (u64, u64)> {
        &self.workers
    }

    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Group {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ms += other.total_ms;
        self.waited += other.waited;
        self.rescued += other.rescued;
        self.cost_ms += other.cost_ms;
        self.worst_ms = self.worst_ms.max(other.worst_ms);
    }
}

impl Kept {
    /// The group, with the route that most of it points at where none is known.
    fn told(&self) -> Group {
        let mut group = self.group.clone();
        let best = self.guesses.iter().max_by_key(|(_, count)| **count);
        if let Some((route, _)) = best.filter(|(_, count)| **count * 100 >= group.count * GUESS_PERCENT) {
            group.route = Some(route.clone());
            group.route_is_guess = true;
        }
        group
    }

    fn add(&mut self, incident: &Incident) {
        if let Some(route) = incident.route.as_ref().filter(|_| self.group.route.is_none())
            && incident.kind.has_culprit()
            && (self.guesses.len() < GUESSES_MAX || self.guesses.contains_key(route))
        {
            *self.guesses.entry(route.clone()).or_default() += 1;
        }
        let group = &mut self.group;
        group.count += 1;
        group.total_ms += u64::from(incident.duration_ms);
        group.waited += u64::from(incident.waited);
        group.rescued += u64::from(incident.rescued);
        group.cost_ms += cost_ms(incident);
        if incident.duration_ms >= group.worst_ms {
            group.worst_ms = incident.duration_ms;
            group.example.clone_from(&incident.text);
            let place = incident.file.as_ref().filter(|_| incident.line > 0);
            group.at = place.map(|file| format!("{file}:{}", incident.line));
            group.hint.clone_from(&incident.hint);
        }
    }
}

fn cost_ms(incident: &Incident) -> u64 {
    let duration = u64::from(incident.duration_ms);
    // A timer's or a job's has no client.
    let own = if incident.route.is_some() { duration } else { 0 };
    own + u64::from(incident.waited.saturating_sub(incident.rescued)) * duration / 2
}
