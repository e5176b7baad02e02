//! What client spans cost a worker: in one process, slice by slice in turns, requests whose calls are told and make the trace go
//! on, and the same requests without.

use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::client::{self, Address};
use super::super::contender::{App, Contender};
use super::super::load::Load;
use super::super::pairs::Pairs;
use super::super::report::{Table, figure};
use super::super::variant::{Judged, Turns};
use super::super::wait;

/// Fresh processes.
pub(super) const ROUNDS: usize = 6;
/// In each, so often so many pairs of slices, each of so many milliseconds.
pub(super) const ASKED: usize = 4;
pub(super) const PAIRS: usize = 16;
pub(super) const SLICE_MS: usize = 200;
/// Node compiles its hot functions, and clients connect.
const WARM_UP_SECONDS: u32 = 2;

/// CPU per request in microseconds, without and with client spans, process by process.
pub(super) struct Calls(Vec<Pairs>);

impl Calls {
    pub(super) fn measure(
        with: &Turns<'_>,
        contender: &Contender,
        app: &App,
        quick: bool,
    ) -> anyhow::Result<Self> {
        let mut rounds = Vec::new();
        for round in 1..=with.rounds {
            let pairs = one_round(with, contender, app, if quick { 1 } else { ASKED })?;
            let (added, without) = (figure(pairs.added(), "", 2), figure(pairs.without(), "", 2));
            eprintln!("round {round}  client spans  {added} µs of {without}");
            rounds.push(pairs);
        }
        Ok(Self(rounds))
    }

    fn of_rounds(&self, read: impl Fn(&Pairs) -> Option<f64>) -> Option<Judged> {
        Judged::of(&self.0.iter().filter_map(read).collect::<Vec<_>>())
    }

    /// In percent of what a request costs without.
    pub(super) fn share(&self) -> Option<Judged> {
        self.of_rounds(|pairs| Some(pairs.added()? / pairs.without()? * 100.0))
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "without, µs", "more with them", "sure to", "processes"]);
        let added = self.of_rounds(Pairs::added);
        let cells = [
            self.of_rounds(Pairs::without).map(|judged| judged.value),
            added.map(|judged| judged.value),
            added.map(|judged| judged.either_way),
        ];
        let cells = cells.map(|value| figure(value, "", 2));
        table.row([vec!["worker".to_owned()], cells.to_vec(), vec![self.0.len().to_string()]].concat());
        table
    }

    pub(super) fn raw(&self) -> Value {
        json!(self.0)
    }
}

fn one_round(with: &Turns<'_>, contender: &Contender, app: &App, asked: usize) -> anyhow::Result<Pairs> {
    let Turns { workshop, wrk, load, .. } = *with;
    let running = contender.start(workshop, app)?;
    let of = |seconds| Load { seconds, ..load }.run(workshop, wrk, running.port, || Ok(()));
    of(WARM_UP_SECONDS)?;
    let seconds = u32::try_from(asked * PAIRS * 2 * SLICE_MS / 1000)? + 2;
    thread::scope(|scope| {
        let loaded = scope.spawn(|| of(seconds));
        let mut pairs = Pairs::default();
        // Its connections are made one after the other.
        wait::pause(Duration::from_millis(500));
        for _ in 0..asked {
            let answer =
                client::get(&Address::port(running.port), &format!("/slices?pairs={PAIRS}&ms={SLICE_MS}"))?;
            let found: Pairs =
                serde_json::from_str(&answer).with_context(|| format!("the app said {answer}"))?;
            pairs.extend(&found);
        }
        loaded.join().map_err(|_| anyhow::anyhow!("the load has panicked"))??;
        Ok(pairs)
    })
}
