//! What routes do that keep the loop for long and not for so long that it is a stall: the latest looks at each, put together.

use std::collections::{BTreeMap, VecDeque};

use super::{Look, Observed, conclude, words};

/// Routes that are kept; what comes after is not.
const ROUTES_MAX: usize = 100;
/// Looks at one route: enough to tell what is usual, and soon something else where it has changed.
const LOOKS_MAX: usize = 9;

/// Where most looks at a route found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usual {
    /// `console.log, tellEverything (faults.js)`
    pub place: String,
    /// The call that blocked, where it was one.
    pub call: Option<String>,
    /// `faults.js:48`
    pub at: Option<String>,
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Glimpses(BTreeMap<String, VecDeque<Look>>);

impl Glimpses {
    pub fn note(&mut self, route: String, look: Look) {
        if self.0.len() >= ROUTES_MAX && !self.0.contains_key(&route) {
            return;
        }
        let looks = self.0.entry(route).or_default();
        if looks.len() >= LOOKS_MAX {
            looks.pop_front();
        }
        looks.push_back(look);
    }

    /// `None`: it was not looked at, or nothing was seen.
    #[must_use]
    pub fn usual(&self, route: &str) -> Option<Usual> {
        let looks = self.0.get(route)?.iter().cloned().collect();
        let seen = conclude(&Observed { looks, ..Observed::default() });
        let at = seen.file.as_ref().filter(|_| seen.line > 0).map(|file| format!("{file}:{}", seen.line));
        Some(Usual { place: words::group_place(&seen)?, call: seen.call, at, hint: seen.hint })
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls::{self, Call};
    use super::super::stack::Culprit;
    use super::*;

    fn look(function: &str, call: Option<Call>) -> Look {
        let culprit = Culprit { function: function.into(), file: "src/a.js".into(), line: 7, package: None };
        Look { culprit: Some(culprit), call }
    }

    #[test]
    fn what_most_looks_found_is_what_a_route_does() {
        let mut glimpses = Glimpses::default();
        assert_eq!(glimpses.usual("GET /"), None);
        for function in ["format", "render", "render"] {
            glimpses.note("GET /".into(), look(function, None));
        }
        let usual = glimpses.usual("GET /").unwrap();
        assert_eq!((usual.place.as_str(), usual.at.as_deref()), ("render (src/a.js)", Some("src/a.js:7")));
        // What it does now counts.
        for _ in 0..LOOKS_MAX {
            glimpses.note("GET /".into(), look("save", Some(calls::unknown())));
        }
        assert!(glimpses.usual("GET /").unwrap().place.ends_with("save (src/a.js)"));
        glimpses.note("GET /blind".into(), Look { culprit: None, call: None });
        assert_eq!(glimpses.usual("GET /blind"), None);
    }

    #[test]
    fn they_do_not_grow() {
        let mut glimpses = Glimpses::default();
        for number in 0..1000 {
            glimpses.note(format!("GET /{number}"), look("work", None));
            glimpses.note("GET /0".into(), look("work", None));
        }
        assert_eq!((glimpses.0.len(), glimpses.0["GET /0"].len()), (ROUTES_MAX, LOOKS_MAX));
    }
}
