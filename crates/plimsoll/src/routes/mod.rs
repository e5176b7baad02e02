//! The app's routes: `GET /users/:id` from `/users/42`, a small number for each, the same for all who count by route.
//!
//! ```text
//!   gateway thread ── Reader ── find: a walk through the thread's own copy of the tree; no lock, nothing allocated
//!                       │ unknown: a trial, and when the app has answered as if it knew the path: learn
//!                       ▼
//!                     Routes ── the newest tree, behind a lock that is taken when something is learned
//!                       ▲
//!   agent ── a framework's own name for a route, once each: tell
//! ```
//!
//! A segment of a path is a value by its looks ([`segment`]), because so many words were seen at its place that they
//! cannot all be words ([`tree`]), or because the framework said so ([`template`]). What a framework said is never
//! learned otherwise.
//!
//! Clients choose paths, so a path makes a row only when the app has answered it with more than "not found", "not
//! allowed" or "go elsewhere"; until then it stands on trial under a number that is soon another's. There are at most
//! 1,000 rows; the rest is [`RouteId::OTHER`].

mod method;
mod segment;
mod template;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::method::Method;
use self::tree::{Hits, Tree};
use crate::ids::RouteId;

/// One more than the largest number of a row.
pub const IDS_MAX: usize = tree::IDS_MAX;
/// Paths on trial whose names are remembered.
const TRIALS: usize = 64;
/// Bytes of a path that a name on trial may have.
const TRIAL_BYTES_MAX: usize = 256;
/// How `other` is called, as a label too.
pub const OTHER: &str = "other";

/// The table, shared by all who use it.
#[derive(Debug, Default)]
pub struct Routes {
    /// Raised with each new tree.
    generation: AtomicU32,
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    tree: Arc<Tree>,
    trials: Vec<Name>,
    next_trial: usize,
    refused: u64,
}

/// A route as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub method: Method,
    pub template: Arc<str>,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.template)
    }
}

impl Routes {
    /// The table as it is now.
    #[must_use]
    pub fn table(&self) -> Table {
        Table(Arc::clone(&self.newest().tree))
    }

    /// How a route is called, or what is on trial; `None` for `other`.
    #[must_use]
    pub fn name(&self, id: RouteId) -> Option<Name> {
        let newest = self.newest();
        match usize::from(id.0).checked_sub(IDS_MAX) {
            Some(trial) => newest.trials.get(trial).cloned(),
            None => Table(Arc::clone(&newest.tree)).name(id),
        }
    }

    /// The route of a path that has a row; for those who ask seldom: the gateway has [`Reader`].
    #[must_use]
    pub fn find(&self, method: Method, path: &[u8]) -> Option<Name> {
        let tree = Arc::clone(&self.newest().tree);
        let id = tree.find(method, segment::path(path))?;
        Table(tree).name(id)
    }

    /// A framework calls the route of `path` so. Returns its number, where that makes sense and there is room.
    pub fn tell(&self, method: Method, path: &[u8], template: &str) -> Option<RouteId> {
        let parts = template::read(template, segment::path(path))?;
        self.change(|tree| tree.tell(method, &parts))
    }

    /// Routes that have a row now, and how often there was no room for one more.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        let newest = self.newest();
        (newest.tree.len(), newest.refused)
    }

    fn learn(&self, method: Method, path: &[u8], hits: Hits<'_>) -> RouteId {
        // Another thread may have been first.
        if let Some(id) = self.newest().tree.find(method, path) {
            return id;
        }
        self.change(|tree| tree.learn(method, path, hits)).unwrap_or(RouteId::OTHER)
    }

    fn change(&self, change: impl FnOnce(&mut Tree) -> Option<RouteId>) -> Option<RouteId> {
        let mut newest = self.newest();
        let mut tree = Tree::clone(&newest.tree);
        let id = change(&mut tree);
        if id.is_none() {
            newest.refused += 1;
            return None;
        }
        newest.tree = Arc::new(tree);
        drop(newest);
        self.generation.fetch_add(1, Ordering::Release);
        id
    }

    fn try_out(&self, method: Method, path: &[u8]) -> RouteId {
        let template = trial_name(path);
        let mut newest = self.newest();
        let at = newest.next_trial;
        newest.next_trial = (at + 1) % TRIALS;
        let name = Name { method, template };
        match newest.trials.get_mut(at) {
            Some(place) => *place = name,
            None => newest.trials.push(name),
        }
        u16::try_from(IDS_MAX + at).map_or(RouteId::OTHER, RouteId)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        // Each change is one assignment of something whole.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all rows were at one moment.
#[derive(Debug, Clone)]
pub struct Table(Arc<Tree>);

impl Table {
    /// The number under which a route is counted now: rows are merged when they turn out to be one.
    #[must_use]
    pub fn current(&self, id: RouteId) -> RouteId {
        self.0.row(id).map_or(RouteId::OTHER, |(id, _)| id)
    }

    /// How a route is called; `None` for `other`.
    #[must_use]
    pub fn name(&self, id: RouteId) -> Option<Name> {
        let (_, row) = self.0.row(id)?;
        Some(Name { method: row.method, template: Arc::clone(&row.template) })
    }
}

/// What a path looks like, as long as nothing else is known of it.
fn trial_name(path: &[u8]) -> Arc<str> {
    let mut name = String::new();
    for part in segment::segments(path) {
        let part = if segment::is_value(part) { tree::VALUE.into() } else { String::from_utf8_lossy(part) };
        if name.len() + part.len() >= TRIAL_BYTES_MAX {
            name.push_str("/*");
            break;
        }
        name.push('/');
        name.push_str(&part);
    }
    if name.is_empty() { "/".into() } else { name.into() }
}

/// One trial more is allowed with so many requests.
const REQUESTS_PER_TRIAL: u32 = 16;
const ALLOWED_MAX: u32 = 128 * REQUESTS_PER_TRIAL;

/// A longer path is never tried.
const TRIED_BYTES_MAX: usize = 1024;

/// The route of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Under which it is known while it lasts.
    pub id: RouteId,
    /// The path, where it is on trial.
    trial: Option<Box<[u8]>>,
}

/// A gateway thread's view of the table.
#[derive(Debug)]
pub struct Reader {
    routes: Arc<Routes>,
    tree: Arc<Tree>,
    generation: u32,
    /// Trials that are allowed, in requests: who asks for many unknown paths must not make all wait for a lock.
    allowed: u32,
}

impl Reader {
    #[must_use]
    pub fn new(routes: Arc<Routes>) -> Self {
        Self { routes, tree: Arc::default(), generation: 0, allowed: ALLOWED_MAX }
    }

    /// The route of a request that begins.
    pub fn find(&mut self, method: Method, target: &[u8]) -> Asked {
        self.refresh();
        self.allowed = (self.allowed + 1).min(ALLOWED_MAX);
        let path = segment::path(target);
        if let Some(id) = self.tree.find(method, path) {
            return Asked { id, trial: None };
        }
        match self.allowed.checked_sub(REQUESTS_PER_TRIAL) {
            Some(left) if path.len() <= TRIED_BYTES_MAX => {
                self.allowed = left;
                Asked { id: self.routes.try_out(method, path), trial: Some(path.into()) }
            }
            _ => Asked { id: RouteId::OTHER, trial: None },
        }
    }

    /// The route under which a request that was answered is counted; `hits`: how often this thread has counted each.
    pub fn settle(&mut self, asked: &Asked, method: Method, status: u16, hits: Hits<'_>) -> RouteId {
        match &asked.trial {
            None => asked.id,
            Some(path) if is_proof(status) => self.routes.learn(method, path, hits),
            Some(_) => RouteId::OTHER,
        }
    }

    /// How the path of a route is called; `None` for `other`, and for what is on trial.
    pub fn template(&mut self, id: RouteId) -> Option<&str> {
        self.refresh();
        self.tree.row(id).map(|(_, row)| &*row.template)
    }

    fn refresh(&mut self) {
        let generation = self.routes.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.generation = generation;
            self.tree = Arc::clone(&self.routes.newest().tree);
        }
    }
}

/// Whether an answer shows that the app knows the path. Many apps answer whatever they do not know, or whomever they do
/// not know, in one of the other ways.
fn is_proof(status: u16) -> bool {
    match status {
        301 | 307 | 308 | 401 | 403 | 404 | 405 | 429 | 431 | 499 | 501 => false,
        _ => status >= 200,
    }
}
