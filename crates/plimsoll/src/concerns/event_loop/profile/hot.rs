//! The hot functions, and the two to fix first.
//!
//! Time is charged in two ways. The table says what each function took itself and with all that it called. The
//! culprits say whose code is to be changed: time in V8, in Node and in our agent belongs to the function of the app
//! that called there, and time in a package to the package, with the function of the app that calls it most.

use std::collections::HashMap;

use serde::Serialize;

use super::place::{Place, State};
use super::read::{Function, Node, Profile};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub duration_us: u64,
    pub samples: usize,
    pub idle_us: u64,
    pub busy_us: u64,
    pub gc_us: u64,
    pub program_us: u64,
    /// In loggers, with all that they call: making lines of the log, and writing them.
    pub logging_us: u64,
    /// Most to fix first.
    pub culprits: Vec<Culprit>,
    /// By own time, most first; without V8's states.
    pub functions: Vec<Hot>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hot {
    pub name: String,
    #[serde(flatten)]
    pub place: Place,
    pub line: u32,
    pub self_us: u64,
    pub total_us: u64,
}

/// Code that somebody can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Culprit {
    pub name: String,
    #[serde(flatten)]
    pub place: Place,
    pub line: u32,
    pub time_us: u64,
    /// The line in which most of the function's own samples were, where it has most of the time itself.
    pub hottest_line: Option<u32>,
    /// The function that it calls in which most of the time passes, where that is more than half.
    pub mostly: Option<String>,
    /// For a package: the function of the app that most of it is for.
    pub called_by: Option<String>,
}

/// Rows of the table and of the list; the files have the rest.
const FUNCTIONS_MAX: usize = 200;
const CULPRITS_MAX: usize = 10;

impl Report {
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        let state = |wanted: State| {
            let nodes = profile.nodes.iter();
            let of_state = nodes.filter(|node| {
                profile.function(node).is_some_and(|function| function.place == Place::State(wanted))
            });
            of_state.map(|node| node.self_us).sum::<u64>()
        };
        let idle_us = state(State::Idle);
        Self {
            duration_us: profile.duration_us,
            samples: profile.timeline.len(),
            idle_us,
            busy_us: profile.duration_us.saturating_sub(idle_us),
            gc_us: state(State::GarbageCollector),
            program_us: state(State::Program),
            logging_us: logging(profile),
            culprits: culprits(profile),
            functions: functions(profile),
        }
    }
}

/// Packages whose work is the log.
const LOGGERS: [&str; 12] = [
    "pino",
    "sonic-boom",
    "atomic-sleep",
    "thread-stream",
    "winston",
    "winston-transport",
    "logform",
    "bunyan",
    "log4js",
    "loglevel",
    "signale",
    "consola",
];

fn logging(profile: &Profile) -> u64 {
    let logs = |node: &Node| {
        profile.function(node).is_some_and(|function| match &function.place {
            Place::Package { package, .. } => LOGGERS.contains(&package.as_str()),
            Place::Node { module } => module.contains("internal/console"),
            _ => false,
        })
    };
    let busy = profile.nodes.iter().filter(|node| node.self_us > 0);
    busy.filter(|node| profile.stack(node).any(logs)).map(|node| node.self_us).sum()
}

fn functions(profile: &Profile) -> Vec<Hot> {
    let mut times = vec![(0_u64, 0_u64); profile.functions.len()];
    // A function that calls itself has its time once: at its outermost node.
    for (node, total_us) in profile.nodes.iter().zip(totals(profile)) {
        let is_inner = profile.stack(node).skip(1).any(|caller| caller.function == node.function);
        if let Some((own, total)) = times.get_mut(node.function) {
            *own += node.self_us;
            *total += if is_inner { 0 } else { total_us };
        }
    }
    let mut hot: Vec<Hot> = profile
        .functions
        .iter()
        .zip(times)
        .filter(|(function, (_, total))| *total > 0 && !matches!(function.place, Place::State(_)))
        .map(|(function, (self_us, total_us))| Hot {
            name: name(function),
            place: function.place.clone(),
            line: function.line,
            self_us,
            total_us,
        })
        .collect();
    hot.sort_by(|a, b| (b.self_us, b.total_us, &a.name).cmp(&(a.self_us, a.total_us, &b.name)));
    hot.truncate(FUNCTIONS_MAX);
    hot
}

/// The time of each node with all below it.
fn totals(profile: &Profile) -> Vec<u64> {
    let mut totals: Vec<u64> = profile.nodes.iter().map(|node| node.self_us).collect();
    // Children stand behind their parents.
    for (at, node) in profile.nodes.iter().enumerate().rev() {
        let total = totals.get(at).copied().unwrap_or(0);
        if let Some(parent) = node.parent.and_then(|parent| totals.get_mut(parent)) {
            *parent += total;
        }
    }
    totals
}

/// Who is to blame for the time of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Owner {
    Function(usize),
    Package(String),
}

#[derive(Debug, Default)]
struct Share {
    time_us: u64,
    /// By function: where the time passes, and who called.
    inside: HashMap<usize, u64>,
    callers: HashMap<usize, u64>,
    lines: HashMap<u32, u64>,
}

fn culprits(profile: &Profile) -> Vec<Culprit> {
    let mut shares: HashMap<Owner, Share> = HashMap::new();
    for node in profile.nodes.iter().filter(|node| node.self_us > 0) {
        let Some((owner, caller)) = owner(profile, node) else { continue };
        let is_own = owner == Owner::Function(node.function);
        let share = shares.entry(owner).or_default();
        share.time_us += node.self_us;
        *share.inside.entry(node.function).or_default() += node.self_us;
        if let Some(caller) = caller {
            *share.callers.entry(caller).or_default() += node.self_us;
        }
        for &(line, ticks) in node.lines.iter().filter(|_| is_own) {
            let all = share.lines.entry(line).or_default();
            *all = all.saturating_add(ticks);
        }
    }
    let mut culprits: Vec<Culprit> =
        shares.iter().filter_map(|(owner, share)| culprit(profile, owner, share)).collect();
    culprits.sort_by(|a, b| (b.time_us, &a.name, a.line).cmp(&(a.time_us, &b.name, b.line)));
    culprits.truncate(CULPRITS_MAX);
    culprits
}

/// The innermost caller that somebody wrote, and for a package the innermost function of the app around it.
fn owner(profile: &Profile, node: &Node) -> Option<(Owner, Option<usize>)> {
    let place = |node: &Node| profile.function(node).map(|function| &function.place);
    let mut stack = profile.stack(node);
    let first = stack.find(|node| matches!(place(node), Some(Place::App { .. } | Place::Package { .. })))?;
    match place(first)? {
        Place::Package { package, .. } => {
            let caller = stack.find(|node| matches!(place(node), Some(Place::App { .. })));
            Some((Owner::Package(package.clone()), caller.map(|node| node.function)))
        }
        _ => Some((Owner::Function(first.function), None)),
    }
}

fn culprit(profile: &Profile, owner: &Owner, share: &Share) -> Option<Culprit> {
    let most = |times: &HashMap<usize, u64>| {
        times.iter().max_by_key(|&(&at, &time)| (time, std::cmp::Reverse(at))).map(|(&at, &time)| (at, time))
    };
    let (inside, inside_us) = most(&share.inside)?;
    let mostly_inside = profile.functions.get(inside).filter(|_| inside_us * 2 > share.time_us);
    let hottest = share.lines.iter().max_by_key(|&(&line, &ticks)| (ticks, std::cmp::Reverse(line)));
    let own = match owner {
        Owner::Function(at) => profile.functions.get(*at)?,
        Owner::Package(_) => profile.functions.get(inside)?,
    };
    let is_own = *owner == Owner::Function(inside);
    Some(Culprit {
        name: match owner {
            Owner::Function(_) => name(own),
            Owner::Package(package) => package.clone(),
        },
        place: own.place.clone(),
        line: own.line,
        time_us: share.time_us,
        hottest_line: hottest.map(|(&line, _)| line).filter(|&line| is_own && line != own.line),
        mostly: mostly_inside.filter(|_| !is_own).map(name),
        called_by: most(&share.callers)
            .and_then(|(at, _)| profile.functions.get(at))
            .map(|caller| format!("{} ({})", name(caller), caller.place.describe(caller.line))),
    })
}

fn name(function: &Function) -> String {
    if function.name.is_empty() { "(anonymous)".to_owned() } else { function.name.clone() }
}
