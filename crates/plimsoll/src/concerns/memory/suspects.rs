//! Which routes a leak grows with: those whose requests rise and fall with it.
//!
//! Where traffic is even, all routes rise and fall alike, and nobody can tell; then none is named.

use std::collections::BTreeMap;

/// A route that a leak grows with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    pub route: String,
    pub bytes_per_request: u64,
}

/// From one window to the next.
#[derive(Debug)]
pub(super) struct Step {
    pub grown: u64,
    /// Of the worker.
    pub requests: u64,
    /// Of all workers.
    pub routes: BTreeMap<String, u64>,
}

const SUSPECTS_MAX: usize = 3;
/// Two rows of eight numbers that have nothing to do with each other correlate as much in one of a hundred cases.
const CORRELATION: f64 = 0.83;
/// Requests of a route must vary by so much, in parts of their mean.
const VARIATION: f64 = 0.1;

/// Requests of each route between two counts.
pub(super) fn served(before: &[(String, u64)], after: &[(String, u64)]) -> BTreeMap<String, u64> {
    let before: BTreeMap<&str, u64> = before.iter().map(|(route, count)| (route.as_str(), *count)).collect();
    let since = |route: &str, count: u64| count.saturating_sub(before.get(route).copied().unwrap_or(0));
    after.iter().map(|(route, count)| (route.clone(), since(route, *count))).collect()
}

/// The most probable first.
pub(super) fn find(steps: &[Step]) -> Vec<Suspect> {
    let grown: Vec<f64> = steps.iter().map(|step| step.grown as f64).collect();
    let Some(last) = steps.last() else { return Vec::new() };
    let mut found: Vec<(f64, Suspect)> = last
        .routes
        .keys()
        .filter_map(|route| {
            let requests: Vec<f64> = steps.iter().map(|step| step.served(route)).collect();
            let correlation = correlation(&requests, &grown).filter(|found| *found >= CORRELATION)?;
            let bytes_per_request = slope(&requests, &grown);
            Some((correlation, Suspect { route: route.clone(), bytes_per_request }))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    // What fits much less well is not named beside what fits.
    let best = found.first().map_or(0.0, |(best, _)| *best);
    let fits = |found: f64| 1.0 - found <= (1.0 - best) * 3.0 + 0.02;
    found
        .into_iter()
        .filter(|(found, _)| fits(*found))
        .map(|(_, suspect)| suspect)
        .take(SUSPECTS_MAX)
        .collect()
}

impl Step {
    /// The worker's part of the requests of a route.
    fn served(&self, route: &str) -> f64 {
        let all: u64 = self.routes.values().sum();
        let of_route = self.routes.get(route).copied().unwrap_or(0) as f64;
        if all == 0 { 0.0 } else { of_route * (self.requests.min(all) as f64) / all as f64 }
    }
}

/// `None`: one of them hardly varies.
fn correlation(requests: &[f64], grown: &[f64]) -> Option<f64> {
    let count = requests.len() as f64;
    let mean = |all: &[f64]| all.iter().sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(requests), mean(grown));
    let pairs = || requests.iter().zip(grown).map(|(x, y)| (x - mean_x, y - mean_y));
    let (xx, yy): (f64, f64) = (pairs().map(|(x, _)| x * x).sum(), pairs().map(|(_, y)| y * y).sum());
    let varies = (xx / count).sqrt() >= mean_x * VARIATION && xx > 0.0 && yy > 0.0;
    varies.then(|| pairs().map(|(x, y)| x * y).sum::<f64>() / (xx * yy).sqrt())
}

/// Of a line through nothing: without requests nothing grows.
fn slope(requests: &[f64], grown: &[f64]) -> u64 {
    let squares: f64 = requests.iter().map(|x| x * x).sum();
    let products: f64 = requests.iter().zip(grown).map(|(x, y)| x * y).sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, which saturate")]
    let bytes = (products / squares.max(1.0)).round() as u64;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight windows: requests of each route; `/leak` keeps 5,000 bytes, with some noise.
    fn steps(routes: &[(&str, [u64; 8])], leaker: &str) -> Vec<Step> {
        (0..8)
            .map(|window| {
                let routes: BTreeMap<String, u64> =
                    routes.iter().map(|(route, counts)| ((*route).to_owned(), counts[window])).collect();
                let noise = [3, 9, 1, 7, 4, 8, 2, 6][window] * 2000;
                let all = routes.values().sum::<u64>();
                // A half of all goes to this worker.
                Step { grown: routes[leaker] * 5000 / 2 + noise, requests: all / 2, routes }
            })
            .collect()
    }

    const TIDES: [u64; 8] = [100, 900, 300, 700, 200, 1000, 400, 600];
    const OTHER_TIDES: [u64; 8] = [500, 450, 900, 100, 700, 300, 800, 350];

    #[test]
    fn the_route_that_rises_and_falls_with_the_growth_is_named() {
        let found = find(&steps(&[("GET /leak", TIDES), ("GET /fine", OTHER_TIDES)], "GET /leak"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].route, "GET /leak");
        assert!((4800..5200).contains(&found[0].bytes_per_request), "{found:?}");
    }

    #[test]
    fn of_routes_that_go_together_none_is_preferred() {
        let found = find(&steps(&[("GET /leak", TIDES), ("GET /friend", TIDES)], "GET /leak"));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn even_traffic_tells_nothing() {
        assert_eq!(find(&steps(&[("GET /leak", [500; 8]), ("GET /fine", [700; 8])], "GET /leak")), []);
        assert_eq!(find(&[]), []);
        let routes = BTreeMap::new();
        assert_eq!(find(&[Step { grown: u64::MAX, requests: u64::MAX, routes }]), []);
    }

    #[test]
    fn counts_of_a_route_that_came_later_begin_at_nothing() {
        let count = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
            all.iter().map(|(route, count)| ((*route).to_owned(), *count)).collect()
        };
        let found = served(&count(&[("a", 5), ("gone", 9)]), &count(&[("a", 7), ("b", 3)]));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), count(&[("a", 2), ("b", 3)]));
    }
}
