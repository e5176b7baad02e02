//! What client spans cost a worker: in one process, slice by slice in turns, requests whose calls are told and make the trace go
//! on, and the same requests without. Two processes of the same program differ by more.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::client::{self, Address};
use super::super::contender::{App, Contender};
use super::super::load::Load;
use super::super::report::{Table, figure};
use super::super::stats::{median, uncertainty};
use super::super::variant::Turns;
use super::super::wait;

/// Fresh processes.
pub(super) const ROUNDS: usize = 6;
/// In each, so often so many pairs of slices, each of so many milliseconds: several collections of young objects.
pub(super) const ASKED: usize = 4;
pub(super) const PAIRS: usize = 16;
pub(super) const SLICE_MS: usize = 200;
/// Node compiles its hot functions, and clients connect.
const WARM_UP_SECONDS: u32 = 2;

/// CPU per request in microseconds of two slices one after the other: without, with.
pub(super) struct Calls(Vec<(f64, f64)>);

impl Calls {
    pub(super) fn measure(
        with: &Turns<'_>,
        contender: &Contender,
        app: &App,
        rounds: usize,
        quick: bool,
    ) -> anyhow::Result<Self> {
        let mut pairs = Vec::new();
        for round in 1..=rounds {
            let found = one_round(with, contender, app, if quick { 1 } else { ASKED })?;
            let of_round = Self(found);
            eprintln!(
                "round {round}  client spans  {} µs of {}",
                figure(of_round.added(), "", 2),
                figure(of_round.plain(), "", 2)
            );
            pairs.extend(of_round.0);
        }
        Ok(Self(pairs))
    }

    fn plain(&self) -> Option<f64> {
        median(&self.0.iter().map(|(plain, _)| *plain).collect::<Vec<_>>())
    }

    fn differences(&self) -> Vec<f64> {
        self.0.iter().map(|(plain, seen)| seen - plain).collect()
    }

    fn added(&self) -> Option<f64> {
        median(&self.differences())
    }

    /// In percent of what a request costs without.
    pub(super) fn share(&self) -> Option<f64> {
        Some(self.added()? / self.plain()? * 100.0)
    }

    /// In percent: how sure `share` is.
    pub(super) fn sure_to(&self) -> Option<f64> {
        Some(uncertainty(&self.differences())? / self.plain()? * 100.0)
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "without, µs", "more with them", "sure to", "pairs of slices"]);
        let cells = [self.plain(), self.added(), uncertainty(&self.differences())];
        let cells = cells.map(|value| figure(value, "", 2));
        table.row([vec!["worker".to_owned()], cells.to_vec(), vec![self.0.len().to_string()]].concat());
        table
    }

    pub(super) fn raw(&self) -> Value {
        json!(self.0)
    }
}

fn one_round(
    with: &Turns<'_>,
    contender: &Contender,
    app: &App,
    asked: usize,
) -> anyhow::Result<Vec<(f64, f64)>> {
    let Turns { workshop, wrk, load, .. } = *with;
    let running = contender.start(workshop, app)?;
    let of = |seconds| Load { seconds, ..load }.run(workshop, wrk, running.port, || Ok(()));
    of(WARM_UP_SECONDS)?;
    let seconds = u32::try_from(asked * PAIRS * 2 * SLICE_MS / 1000)? + 2;
    thread::scope(|scope| {
        let loaded = scope.spawn(|| of(seconds));
        let mut pairs = Vec::new();
        // Its connections are made one after the other.
        wait::pause(Duration::from_millis(500));
        for _ in 0..asked {
            let answer =
                client::get(&Address::port(running.port), &format!("/slices?pairs={PAIRS}&ms={SLICE_MS}"))?;
            let found: Vec<(f64, f64)> =
                serde_json::from_str(&answer).with_context(|| format!("the app said {answer}"))?;
            pairs.extend(found);
        }
        loaded.join().map_err(|_| anyhow::anyhow!("the load has panicked"))??;
        Ok(pairs)
    })
}
