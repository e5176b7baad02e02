//! The tree of what is known of the app's paths. Pure: a change makes another tree of it.

use std::sync::Arc;

use super::Method;
use super::segment::{is_value, segments};
use super::template::Part;
use crate::ids::RouteId;

/// Routes at the same time; what comes after has no row of its own.
pub(super) const ROUTES_MAX: usize = 1000;
/// Numbers that are ever given. One that was merged into another is not given again.
pub(super) const IDS_MAX: usize = 4096;
/// Deeper than this, one row is for all.
const DEPTH_MAX: usize = 10;
/// Distinct words at one place before it is asked whether they are values.
const WORDS_MAX: usize = 32;
/// A word that was asked for less often by then may be a value.
const RARE: u64 = 4;

/// How a value is written as long as no framework has told its name.
pub(super) const VALUE: &str = ":id";
const REST: &str = "*";

/// How often a route was asked for, as far as whoever asks knows.
pub(super) type Hits<'a> = &'a dyn Fn(RouteId) -> u64;

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) template: Arc<str>,
    /// The row that has taken over.
    pub(super) merged: Option<RouteId>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    root: Node,
    /// By number; the first one, `other`, is not in it.
    rows: Vec<Row>,
    live: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// In order.
    words: Vec<(Box<[u8]>, Node)>,
    value: Option<Box<(Box<str>, Node)>>,
    /// All below, and whatever has no other place.
    rest: Vec<(Method, RouteId)>,
    routes: Vec<(Method, RouteId)>,
    /// A framework has told it: it is a word for certain.
    is_told: bool,
    /// What is not a known word is a value.
    takes_any: bool,
    /// Doubles when the words have turned out to be words.
    words_max: usize,
}

impl Tree {
    /// The route of a path, if it is known.
    pub(super) fn find(&self, method: Method, path: &[u8]) -> Option<RouteId> {
        self.root.find(method, path)
    }

    /// Adds the route of a path; `None` where there is no room.
    pub(super) fn learn(&mut self, method: Method, path: &[u8], hits: Hits<'_>) -> Option<RouteId> {
        let id = self.next_id()?;
        let mut node = &mut self.root;
        let mut is_deep = false;
        for (depth, segment) in segments(path).enumerate() {
            if depth == DEPTH_MAX {
                is_deep = true;
                break;
            }
            node = if node.words.binary_search_by(|(word, _)| (**word).cmp(segment)).is_err()
                && (node.takes_any || is_value(segment))
            {
                node.value(VALUE)
            } else {
                node.word(segment)
            };
        }
        let routes = if is_deep { &mut node.rest } else { &mut node.routes };
        if let Some((_, known)) = routes.iter().find(|(of, _)| *of == method) {
            return Some(*known);
        }
        routes.push((method, id));
        self.add_row(method);
        self.collapse(path, hits);
        self.name_all();
        self.find(method, path)
    }

    /// A framework has told what it calls the route of a path; `None` where there is no room.
    pub(super) fn tell(&mut self, method: Method, parts: &[Part]) -> Option<RouteId> {
        let next = self.next_id();
        let mut merged = Vec::new();
        let mut node = &mut self.root;
        let mut is_rest = parts.len() > DEPTH_MAX;
        for part in parts.iter().take(DEPTH_MAX) {
            node = match part {
                Part::Word(word) => node.word(word),
                Part::Value(name) => node.becomes_value(name, &mut merged),
                Part::Rest => {
                    is_rest = true;
                    break;
                }
            };
            node.is_told = true;
        }
        let routes = if is_rest { &mut node.rest } else { &mut node.routes };
        let id = match routes.iter().find(|(of, _)| *of == method) {
            Some((_, known)) => *known,
            None => {
                let id = next?;
                routes.push((method, id));
                self.add_row(method);
                id
            }
        };
        self.merge_rows(&merged);
        self.name_all();
        Some(id)
    }

    /// The row of a number, and the one that has taken over from it.
    pub(super) fn row(&self, id: RouteId) -> Option<(RouteId, &Row)> {
        let mut id = id;
        // A row is merged only into one that was not: a chain of any length came of as many merges.
        for _ in 0..IDS_MAX {
            let row = self.rows.get(usize::from(id.0).checked_sub(1)?)?;
            match row.merged {
                Some(into) => id = into,
                None => return Some((id, row)),
            }
        }
        None
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    fn next_id(&self) -> Option<RouteId> {
        let next = self.rows.len() + 1;
        let has_room = self.live < ROUTES_MAX && next < IDS_MAX;
        u16::try_from(next).ok().filter(|_| has_room).map(RouteId)
    }

    fn add_row(&mut self, method: Method) {
        self.rows.push(Row { method, template: Arc::from(""), merged: None });
        self.live += 1;
    }

    /// Where a path has led, words that were seen once or twice among many others are values.
    fn collapse(&mut self, path: &[u8], hits: Hits<'_>) {
        let mut merged = Vec::new();
        let mut node = &mut self.root;
        for segment in segments(path).take(DEPTH_MAX) {
            node.collapse(hits, &mut merged);
            node = match node.words.binary_search_by(|(word, _)| (**word).cmp(segment)) {
                Ok(at) => match node.words.get_mut(at) {
                    Some((_, node)) => node,
                    None => break,
                },
                Err(_) => match &mut node.value {
                    Some(value) => &mut value.1,
                    None => break,
                },
            };
        }
        self.merge_rows(&merged);
    }

    fn merge_rows(&mut self, merged: &[(RouteId, RouteId)]) {
        for (from, into) in merged {
            let row = usize::from(from.0).checked_sub(1).and_then(|at| self.rows.get_mut(at));
            if let Some(row) = row.filter(|row| row.merged.is_none()) {
                row.merged = Some(*into);
                self.live = self.live.saturating_sub(1);
            }
        }
    }

    fn name_all(&mut self) {
        let Self { root, rows, .. } = self;
        root.name(&mut String::new(), &mut |id, name| {
            let row = usize::from(id.0).checked_sub(1).and_then(|at| rows.get_mut(at));
            if let Some(row) = row.filter(|row| &*row.template != name) {
                row.template = name.into();
            }
        });
    }
}

impl Node {
    /// Words go before values; where a word leads nowhere, a value may.
    fn find(&self, method: Method, path: &[u8]) -> Option<RouteId> {
        self.find_from(method, &mut segments(path).enumerate(), 1 << DEPTH_MAX).0
    }

    /// With how many steps are left: a tree in which every place has both, and a path that fits none, must not cost more.
    fn find_from<'p, I>(&self, method: Method, rest: &mut I, steps: u32) -> (Option<RouteId>, u32)
    where
        I: Iterator<Item = (usize, &'p [u8])> + Clone,
    {
        let of =
            |routes: &[(Method, RouteId)]| routes.iter().find(|(of, _)| *of == method).map(|(_, id)| *id);
        let Some(steps) = steps.checked_sub(1) else { return (None, 0) };
        let Some((depth, segment)) = rest.next() else {
            return (of(&self.routes).or_else(|| of(&self.rest)), steps);
        };
        if depth == DEPTH_MAX {
            return (of(&self.rest), steps);
        }
        let word = self.words.binary_search_by(|(word, _)| (**word).cmp(segment));
        let mut left = steps;
        if let Some((_, node)) = word.ok().and_then(|at| self.words.get(at)) {
            let (found, steps) = node.find_from(method, &mut rest.clone(), left);
            if found.is_some() {
                return (found, steps);
            }
            left = steps;
        }
        if let Some(value) = &self.value
            && (self.takes_any || is_value(segment))
        {
            let (found, steps) = value.1.find_from(method, &mut rest.clone(), left);
            if found.is_some() {
                return (found, steps);
            }
            left = steps;
        }
        (of(&self.rest), left)
    }

    fn word(&mut self, segment: &[u8]) -> &mut Self {
        let at = match self.words.binary_search_by(|(word, _)| (**word).cmp(segment)) {
            Ok(at) => at,
            Err(at) => {
                self.words.insert(at, (segment.into(), Self::default()));
                at
            }
        };
        #[expect(clippy::indexing_slicing, reason = "it was found or put there just now")]
        &mut self.words[at].1
    }

    fn value(&mut self, name: &str) -> &mut Self {
        &mut self.value.get_or_insert_with(|| Box::new((name.into(), Self::default()))).1
    }

    /// A framework says that there is a value here: what was learned as words were values of it.
    fn becomes_value(&mut self, name: &str, merged: &mut Vec<(RouteId, RouteId)>) -> &mut Self {
        self.takes_any = true;
        self.merge_words(|node| !node.is_told, merged);
        let value = self.value.get_or_insert_with(|| Box::new((name.into(), Self::default())));
        if !value.1.is_told {
            value.0 = name.into();
        }
        &mut value.1
    }

    fn collapse(&mut self, hits: Hits<'_>, merged: &mut Vec<(RouteId, RouteId)>) {
        self.words_max = self.words_max.max(WORDS_MAX);
        if self.words.len() <= self.words_max {
            return;
        }
        let is_rare = |node: &Self| !node.is_told && node.hits(hits) < RARE;
        let rare = self.words.iter().filter(|(_, node)| is_rare(node)).count();
        if rare * 2 < self.words.len() {
            self.words_max *= 2;
            return;
        }
        self.takes_any = true;
        self.merge_words(is_rare, merged);
    }

    fn merge_words(&mut self, is_value: impl Fn(&Self) -> bool, merged: &mut Vec<(RouteId, RouteId)>) {
        let (values, words): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.words).into_iter().partition(|(_, node)| is_value(node));
        self.words = words;
        for (_, node) in values {
            self.value(VALUE).absorb(node, merged);
        }
    }

    fn absorb(&mut self, other: Self, merged: &mut Vec<(RouteId, RouteId)>) {
        absorb_routes(&mut self.routes, other.routes, merged);
        absorb_routes(&mut self.rest, other.rest, merged);
        self.takes_any |= other.takes_any;
        self.is_told |= other.is_told;
        for (word, node) in other.words {
            self.word(&word).absorb(node, merged);
        }
        if let Some(value) = other.value {
            let (name, node) = *value;
            self.value(&name).absorb(node, merged);
        }
    }

    fn hits(&self, hits: Hits<'_>) -> u64 {
        let own = self.routes.iter().chain(&self.rest).map(|(_, id)| hits(*id));
        let below = self.words.iter().map(|(_, node)| node).chain(self.value.iter().map(|value| &value.1));
        own.chain(below.map(|node| node.hits(hits))).fold(0, u64::saturating_add)
    }

    fn name(&self, path: &mut String, give: &mut dyn FnMut(RouteId, &str)) {
        let here = if path.is_empty() { "/" } else { path.as_str() };
        self.routes.iter().for_each(|(_, id)| give(*id, here));
        let rest = format!("{path}/{REST}");
        self.rest.iter().for_each(|(_, id)| give(*id, &rest));
        let words = self.words.iter().map(|(word, node)| (String::from_utf8_lossy(word), node));
        let value = self.value.iter().map(|value| (value.0.as_ref().into(), &value.1));
        for (segment, node) in words.chain(value) {
            let length = path.len();
            path.push('/');
            path.push_str(&segment);
            node.name(path, give);
            path.truncate(length);
        }
    }
}

fn absorb_routes(
    into: &mut Vec<(Method, RouteId)>,
    from: Vec<(Method, RouteId)>,
    merged: &mut Vec<(RouteId, RouteId)>,
) {
    for (method, id) in from {
        match into.iter().find(|(of, _)| *of == method) {
            Some((_, stays)) => merged.push((id, *stays)),
            None => into.push((method, id)),
        }
    }
}
