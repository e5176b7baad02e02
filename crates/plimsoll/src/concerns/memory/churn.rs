//! Churn: what requests of each route allocate, and what larger semi-spaces would save of collecting it.
//!
//! One request now and then is weighed by the agent, from its claim to the end of its answer, and only where nothing else
//! ran meanwhile; so each weight is exact, and the mean of them is what a route allocates.

use std::collections::BTreeMap;

/// Routes that are told apart.
const ROUTES_MAX: usize = 64;
/// The mean is that of about so many of the latest weights.
const WEIGHTS: u32 = 200;

/// What requests of a route allocate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    pub route: String,
    /// In the mean.
    pub bytes: u64,
    /// Requests that were weighed.
    pub weighed: u32,
}

#[derive(Debug, Default)]
pub struct Churn {
    routes: BTreeMap<String, (f64, u32)>,
}

impl Churn {
    pub fn note(&mut self, route: String, bytes: u32) {
        if !self.routes.contains_key(&route) && self.routes.len() >= ROUTES_MAX {
            self.make_room();
        }
        let (mean, weighed) = self.routes.entry(route).or_default();
        *weighed = weighed.saturating_add(1);
        *mean += (f64::from(bytes) - *mean) / f64::from((*weighed).min(WEIGHTS));
    }

    /// The route that was weighed least often gives way: it is asked for least, or shares the loop with others.
    fn make_room(&mut self) {
        let least = self.routes.iter().min_by_key(|(_, (_, weighed))| *weighed);
        if let Some(route) = least.map(|(route, _)| route.clone()) {
            self.routes.remove(&route);
        }
    }

    /// Those that allocate most first.
    #[must_use]
    pub fn all(&self) -> Vec<Weight> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of u32 is one")]
        let weight = |(route, (mean, weighed)): (&String, &(f64, u32))| Weight {
            route: route.clone(),
            bytes: mean.round() as u64,
            weighed: *weighed,
        };
        let mut all: Vec<Weight> = self.routes.iter().map(weight).collect();
        all.sort_by_key(|weight| std::cmp::Reverse(weight.bytes));
        all
    }
}

/// A larger semi-space, and what it would save of the loop's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    pub semi_mb: u64,
    pub per_mille: u32,
}

/// Above this pauses grow more than anything is saved.
const SEMI_MOST_MB: u64 = 64;
/// Three semi-spaces are at most such a part of a worker's share.
const YOUNG_PART: u64 = 4;
const SEMI_SPACES: u64 = 3;
/// Less is not worth a line.
const LEAST_PER_MILLE: u32 = 10;

/// What is saved of scavenges that take `scavenged_per_mille` of the loop's time: `between` bytes are allocated between two
/// of them, where a semi-space may have `most`.
///
/// A scavenge takes as long as what it copies is large: the objects of the requests that are under way. That does not
/// depend on the size of the semi-space, but how often it is done does, in inverse proportion. So of the time that is
/// measured `1 - size now / new size` would be saved; of that [`part`] is told, because what lives longer than a scavenge is
/// copied once or twice in any case.
#[must_use]
pub fn saving(
    scavenged_per_mille: u32,
    (between, most): (u64, u64),
    share_bytes: u64,
    node: Option<u32>,
) -> Option<Saving> {
    let room = (share_bytes / YOUNG_PART / SEMI_SPACES) >> 20;
    let mut wanted = SEMI_MOST_MB;
    while wanted > room {
        wanted /= 2;
    }
    // One that has not grown to what it may have does not become larger by being allowed more.
    if wanted <= most >> 20 || between < most / 2 {
        return None;
    }
    let (now, wanted_bytes) = (u128::from(between), u128::from(wanted) << 20);
    let saved = u128::from(scavenged_per_mille) * wanted_bytes.saturating_sub(now) * part(node)
        / (wanted_bytes * 100);
    let per_mille = u32::try_from(saved).unwrap_or(u32::MAX);
    (per_mille >= LEAST_PER_MILLE).then_some(Saving { semi_mb: wanted, per_mille })
}

/// What was really saved of that, in hundredths, where a third as many scavenges were made: the median of five rounds on two
/// quiet CPUs was 62, 87 and 74 on Node 22, 24 and 26, and 12 on Node 20, whose scavenges take longer with more to copy.
fn part(node: Option<u32>) -> u128 {
    if node.is_some_and(|major| major >= 22) { 75 } else { 12 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_weighs_what_its_requests_weigh_in_the_mean() {
        let mut churn = Churn::default();
        for bytes in [1000, 3000] {
            churn.note("GET /small".to_owned(), bytes);
        }
        churn.note("GET /large".to_owned(), 2_000_000);
        let weight = |route: &str, bytes, weighed| Weight { route: route.to_owned(), bytes, weighed };
        assert_eq!(churn.all(), [weight("GET /large", 2_000_000, 1), weight("GET /small", 2000, 2)]);
    }

    #[test]
    fn the_mean_follows_what_has_changed() {
        let mut churn = Churn::default();
        for _ in 0..10_000 {
            churn.note("GET /".to_owned(), 1000);
        }
        for _ in 0..1000 {
            churn.note("GET /".to_owned(), 9000);
        }
        let bytes = churn.all()[0].bytes;
        assert!((8900..=9000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_asked_for_most() {
        let mut churn = Churn::default();
        for round in 0..1000u32 {
            churn.note("GET /often".to_owned(), u32::MAX);
            churn.note(format!("GET /{round}"), 0);
        }
        let all = churn.all();
        assert_eq!(
            (all.len(), all[0].route.as_str(), all[0].bytes),
            (ROUTES_MAX, "GET /often", u64::from(u32::MAX))
        );
    }

    #[test]
    fn a_larger_semi_space_saves_in_proportion_and_only_where_there_is_room() {
        const MB: u64 = 1 << 20;
        let table = [
            ((110, 16 * MB, 16, 2000 * MB), Some((64, 61))),
            ((110, 16 * MB, 16, 400 * MB), Some((32, 41))),
            ((110, 16 * MB, 16, 200 * MB), None),
            ((110, 60 * MB, 64, 2000 * MB), None),
            // It has not grown.
            ((110, MB, 16, 2000 * MB), None),
            ((110, 0, 16, 2000 * MB), None),
            ((12, 16 * MB, 16, 2000 * MB), None),
            ((u32::MAX, u64::MAX, 1, u64::MAX), None),
        ];
        for ((scavenged, between, most, share), expected) in table {
            let found = saving(scavenged, (between, most * MB), share, Some(24))
                .map(|saving| (saving.semi_mb, saving.per_mille));
            assert_eq!(found, expected, "{scavenged} {between} {most} {share}");
        }
        let old = |scavenged| {
            saving(scavenged, (16 * MB, 16 * MB), 2000 * MB, Some(20)).map(|saving| saving.per_mille)
        };
        assert_eq!((old(110), old(200)), (None, Some(18)));
    }
}
