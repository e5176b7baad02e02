//! Variants of the same contender or app that take turns while all are warm: what differs by little is seen only in the same
//! seconds.

use std::path::Path;

use serde::Serialize;

use super::contender::{App, Contender, Kind};
use super::load::{Head, Load};
use super::sample::{Course, Sample, Warm};
use super::stats::{median, min, uncertainty};
use super::workshop::Workshop;

#[derive(Serialize)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    #[serde(skip)]
    contender: Contender,
    #[serde(skip)]
    app: App,
    #[serde(skip)]
    head: Head,
    samples: Vec<Sample>,
    /// How many samples each of its processes has.
    turns: usize,
}

/// A value that several fresh processes have in the middle, and how sure it is: processes of the same program differ by some
/// percent for as long as they live, so that more turns of the same one would not make it surer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub(super) value: f64,
    /// As [`uncertainty`] has it.
    pub(super) either_way: f64,
}

impl Judged {
    pub(super) fn of(rounds: &[f64]) -> Option<Self> {
        Some(Self { value: median(rounds)?, either_way: uncertainty(rounds)? })
    }

    /// Of a cost nobody can tell whether it is less than the noise.
    pub(super) fn at_least_the_noise(self) -> f64 {
        self.value.max(self.either_way)
    }
}

pub(super) struct Turns<'a> {
    pub(super) workshop: &'a Workshop,
    pub(super) wrk: &'a Path,
    pub(super) load: Load,
    pub(super) rounds: usize,
    pub(super) turns: usize,
}

impl Variant {
    /// The app behind this build of Plimsoll.
    pub(super) fn behind(name: &'static str, program: &Path, app: App) -> Self {
        Self::of(Contender { name, kind: Kind::Plimsoll(program.to_owned()) }, app)
    }

    pub(super) fn of(contender: Contender, app: App) -> Self {
        Self { name: contender.name, contender, app, head: Head::Small, samples: Vec::new(), turns: 1 }
    }

    /// What clients send with each request.
    pub(super) fn asked_with(self, head: Head) -> Self {
        Self { head, ..self }
    }

    fn values(&self, read: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        self.samples.iter().filter_map(read).collect()
    }

    pub(super) fn least(&self, read: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        min(&self.values(read))
    }

    pub(super) fn median(&self, read: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(&self.values(read))
    }

    /// What this one has against `other`: the ratio within each turn.
    pub(super) fn ratio_to(&self, other: &Self, read: impl Fn(&Sample) -> f64) -> Option<Judged> {
        self.against(other, |own, others| Some(read(own) / read(others)))
    }

    /// What this one has more than `other`: the difference within each turn.
    pub(super) fn more_than(&self, other: &Self, read: impl Fn(&Sample) -> Option<f64>) -> Option<Judged> {
        self.against(other, |own, others| Some(read(own)? - read(others)?))
    }

    fn against(&self, other: &Self, of: impl Fn(&Sample, &Sample) -> Option<f64>) -> Option<Judged> {
        let turns: Vec<_> =
            self.samples.iter().zip(&other.samples).map(|(own, others)| of(own, others)).collect();
        Judged::of(&of_rounds(&turns, self.turns))
    }
}

/// The median of each round's turns.
pub(super) fn of_rounds(turns: &[Option<f64>], turns_in_round: usize) -> Vec<f64> {
    let of_round = |turns: &[Option<f64>]| median(&turns.iter().copied().flatten().collect::<Vec<_>>());
    turns.chunks(turns_in_round.max(1)).filter_map(of_round).collect()
}

/// Who comes first changes from turn to turn, and so does whom one comes after.
pub(super) fn in_order<T>(all: impl IntoIterator<Item = T>, turn: usize) -> Vec<T> {
    let mut order: Vec<T> = all.into_iter().collect();
    let by = turn % order.len().max(1);
    order.rotate_left(by);
    if turn % 2 == 1 {
        order.reverse();
    }
    order
}

/// All are started afresh in each round, and loaded in turns while the others idle; the order turns.
pub(super) fn take_turns(with: &Turns<'_>, variants: &mut [Variant]) -> anyhow::Result<()> {
    let Turns { workshop, wrk, load, .. } = *with;
    for variant in &mut *variants {
        variant.turns = with.turns;
    }
    for round in 0..with.rounds {
        let mut warm: Vec<Warm> = Vec::new();
        for variant in &*variants {
            let load = Load { head: variant.head, ..load };
            warm.push(Course { workshop, wrk, app: &variant.app, load }.warm_up(&variant.contender)?);
        }
        for turn in 0..with.turns {
            let pairs = in_order(variants.iter_mut().zip(&mut warm), turn);
            for (variant, warm) in pairs {
                let load = Load { head: variant.head, ..load };
                let course = Course { workshop, wrk, app: &variant.app, load };
                let found = course.measure(&variant.contender, warm)?;
                eprintln!(
                    "round {}  turn {}  {:<28} gateway {:>6.2} µs  worker {:>6.2} µs  {:>7.0}/s  p99 {:>6.0} µs",
                    round + 1,
                    turn + 1,
                    variant.name,
                    found.proxy_us.unwrap_or(0.0),
                    found.worker_us,
                    found.requests_per_second,
                    found.p99_us
                );
                variant.samples.push(found);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_process_counts_once_however_many_turns_it_had() {
        let turns = [Some(1.0), Some(9.0), Some(2.0), Some(5.0), None, Some(5.0), Some(4.0)];
        assert_eq!(of_rounds(&turns, 3), [2.0, 5.0, 4.0]);
        assert_eq!(of_rounds(&turns, 0).len(), 6);
        assert_eq!(of_rounds(&[None], 1), Vec::<f64>::new());
        assert_eq!(Judged::of(&[]), None);
        assert_eq!(Judged::of(&[2.0, 5.0, 4.0]).map(|judged| judged.value), Some(4.0));
    }

    #[test]
    fn no_cost_is_less_than_the_noise() {
        let cost = |value, either_way| Judged { value, either_way }.at_least_the_noise();
        assert_eq!([cost(-4.5, 19.0), cost(22.0, 1.5)], [19.0, 22.0]);
    }

    #[test]
    fn everybody_takes_each_place_and_comes_after_each_other() {
        let turns: BTreeSet<Vec<char>> = (0..6).map(|turn| in_order(['a', 'b', 'c'], turn)).collect();
        assert_eq!(turns.len(), 6, "all orders there are: {turns:?}");
        assert!(in_order::<()>([], 3).is_empty());
    }
}
