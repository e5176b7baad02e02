//! Routes that write a large body in one go: to write it in parts would free the loop and the memory.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ids::WorkerId;

/// Routes that are kept; what comes after is counted as none's.
const ROUTES_MAX: usize = 100;
/// Requests of which the other half of what is to be known may still come.
const PENDING_MAX: usize = 64;

/// What is known of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Large {
    pub route: Option<String>,
    /// Answers that were seen; in a burst only some are told.
    pub count: u64,
    pub bytes_max: u64,
    /// The longest time that such a request kept the loop busy; 0: never for long.
    pub busy_ms_max: u32,
}

/// One request of one worker.
pub type RequestKey = (WorkerId, u16, u32);

#[derive(Debug, Clone, Default)]
pub struct LargeBodies {
    routes: BTreeMap<Option<String>, Large>,
    /// Large bodies whose busy time has not been told, and busy times.
    written: VecDeque<(RequestKey, Option<String>)>,
    busy: VecDeque<(RequestKey, u32)>,
}

impl LargeBodies {
    pub fn written(&mut self, request: RequestKey, route: Option<String>, bytes: u64) {
        if self.routes.len() >= ROUTES_MAX && !self.routes.contains_key(&route) {
            return;
        }
        let large = self.routes.entry(route.clone()).or_default();
        large.route.clone_from(&route);
        large.count += 1;
        large.bytes_max = large.bytes_max.max(bytes);
        match self.busy.iter().find(|(of, _)| *of == request) {
            Some((_, ms)) => large.busy_ms_max = large.busy_ms_max.max(*ms),
            None => push(&mut self.written, (request, route)),
        }
    }

    /// A part of a request has kept the loop busy.
    pub fn busy(&mut self, request: RequestKey, ms: u32) {
        let written = self.written.iter().find(|(of, _)| *of == request);
        match written.and_then(|(_, route)| self.routes.get_mut(route)) {
            Some(large) => large.busy_ms_max = large.busy_ms_max.max(ms),
            None => push(&mut self.busy, (request, ms)),
        }
    }

    /// The largest first.
    #[must_use]
    pub fn all(&self) -> Vec<Large> {
        let mut all: Vec<Large> = self.routes.values().cloned().collect();
        all.sort_by(|one, other| {
            other.bytes_max.cmp(&one.bytes_max).then_with(|| one.route.cmp(&other.route))
        });
        all
    }
}

fn push<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() >= PENDING_MAX {
        queue.pop_front();
    }
    queue.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_busy_time_meet_in_either_order() {
        let worker = WorkerId { index: 0, incarnation: 1 };
        let route = Some("GET /export".to_owned());
        let mut bodies = LargeBodies::default();
        bodies.written((worker, 1, 6), route.clone(), 2_000_000);
        bodies.busy((worker, 1, 6), 40);
        bodies.busy((worker, 2, 10), 70);
        bodies.written((worker, 2, 10), route.clone(), 1_500_000);
        bodies.busy((worker, 3, 10), 900);
        bodies.written((worker, 4, 6), None, 9_000_000);
        let all = bodies.all();
        assert_eq!(all[0], Large { route: None, count: 1, bytes_max: 9_000_000, busy_ms_max: 0 });
        assert_eq!(all[1], Large { route, count: 2, bytes_max: 2_000_000, busy_ms_max: 70 });
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut bodies = LargeBodies::default();
        for n in 0..500 {
            let request = (WorkerId { index: 0, incarnation: n }, 0, 0);
            bodies.written(request, Some(format!("GET /{n}")), 2_000_000);
            bodies.busy((WorkerId { index: 1, incarnation: n }, 0, 0), 30);
        }
        assert_eq!(
            (bodies.all().len(), bodies.written.len(), bodies.busy.len()),
            (ROUTES_MAX, PENDING_MAX, PENDING_MAX)
        );
    }
}
