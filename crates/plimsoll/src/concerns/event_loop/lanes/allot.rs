//! Which workers are whose.
//!
//! The workers with the highest places make the lanes: when one of them leaves, the next below takes over at once,
//! and gives back when its replacement is there. The first worker always belongs to everybody.

/// One group of workers: 0 is the main lane's.
pub const MAIN: usize = 0;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allotment {
    /// The group of each worker, in the order of their places.
    pub groups: Vec<usize>,
    /// The group that serves each lane; [`MAIN`]: there are not enough workers to keep it apart.
    pub homes: Vec<usize>,
}

/// `wanted`: how many workers each lane is to have; 0 for one that has nothing to serve.
#[must_use]
pub fn allot(workers: usize, wanted: &[usize]) -> Allotment {
    let mut groups = vec![MAIN; workers];
    let mut spare = groups.iter_mut().skip(1).rev();
    let mut homes = Vec::with_capacity(wanted.len());
    let mut last = MAIN;
    for (lane, &wanted) in wanted.iter().enumerate() {
        let group = lane + 1;
        let taken = spare.by_ref().take(wanted).map(|worker| *worker = group).count();
        // Where there is none left, two lanes share.
        last = if taken > 0 { group } else { last };
        homes.push(if wanted > 0 { last } else { MAIN });
    }
    Allotment { groups, homes }
}

/// How many workers the learned lane has.
#[must_use]
pub fn learned(workers: usize, setting: Option<usize>) -> usize {
    setting.unwrap_or(workers / 4).max(1)
}
