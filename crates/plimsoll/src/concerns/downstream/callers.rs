//! Which routes of the app make parallel calls to an origin, and how many.

use std::collections::{BTreeMap, VecDeque};

/// Routes of one origin that are told apart.
const ROUTES_MAX: usize = 32;
/// Of which the 99th percentile is told.
const RECENT: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Callers(BTreeMap<String, Calls>);

#[derive(Debug, Default)]
struct Calls {
    count: u64,
    most: u32,
    recent: VecDeque<u32>,
}

/// A route, and the parallel calls of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub route: String,
    /// Requests that were told; in a burst that is a part of them.
    pub seen: u64,
    pub most: u32,
    /// What 99 of 100 of the latest stayed within.
    pub p99: u32,
}

impl Callers {
    pub(super) fn hear(&mut self, route: &str, calls: u32) {
        if !self.0.contains_key(route) {
            if self.0.len() >= ROUTES_MAX && !self.make_room(calls) {
                return;
            }
            self.0.insert(route.to_owned(), Calls::default());
        }
        if let Some(known) = self.0.get_mut(route) {
            known.count += 1;
            known.most = known.most.max(calls);
            if known.recent.len() >= RECENT {
                known.recent.pop_front();
            }
            known.recent.push_back(calls);
        }
    }

    /// The widest first.
    pub(super) fn all(&self) -> Vec<Caller> {
        let mut all: Vec<Caller> = self
            .0
            .iter()
            .map(|(route, calls)| Caller {
                route: route.clone(),
                seen: calls.count,
                most: calls.most,
                p99: calls.p99(),
            })
            .collect();
        all.sort_by_key(|caller| std::cmp::Reverse((caller.most, caller.seen)));
        all
    }

    /// The narrowest gives way to a wider one.
    fn make_room(&mut self, calls: u32) -> bool {
        let narrowest = self.0.iter().min_by_key(|(_, known)| known.most);
        let Some((route, _)) = narrowest.filter(|(_, known)| known.most < calls) else { return false };
        let route = route.clone();
        self.0.remove(&route).is_some()
    }
}

impl Calls {
    fn p99(&self) -> u32 {
        let mut sorted: Vec<u32> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_told_by_its_widest_and_what_is_usual() {
        let mut callers = Callers::default();
        (0..200).for_each(|_| callers.hear("GET /orders", 38));
        callers.hear("GET /orders", 50);
        callers.hear("GET /cart", 3);
        let told = |route: &str, seen, most, p99| Caller { route: route.into(), seen, most, p99 };
        assert_eq!(callers.all(), [told("GET /orders", 201, 50, 38), told("GET /cart", 1, 3, 3)]);
    }

    #[test]
    fn of_too_many_routes_the_widest_stay() {
        let mut callers = Callers::default();
        (0..100).for_each(|number| callers.hear(&format!("GET /{number}"), 2 + number));
        callers.hear("GET /narrow", 2);
        let all = callers.all();
        assert_eq!((all.len(), all[0].most, all[ROUTES_MAX - 1].most), (ROUTES_MAX, 101, 70));
    }
}
