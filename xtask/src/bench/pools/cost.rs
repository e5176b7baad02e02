//! What the agent adds to taking a connection.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::report::{Table, Target, figure};
use super::super::stats::{median, min};
use super::super::workshop::{Workshop, app};
use super::place::{App, start as start_app};
use crate::bench::running::Running;

const MODES: [(&str, &str); 4] =
    [("off", "off"), ("off, again", "off"), ("observe", "observe"), ("enforce", "enforce")];
const NAMES: [&str; 4] = ["off", "again", "observe", "enforce"];
/// As `bench/apps/pooler.js` names it, and as it is called.
const WAYS: [(&str, &str); 6] = [
    ("query", "pool.query() of pg"),
    ("connect", "pool.connect() of pg"),
    ("tarn", "an acquire of tarn (knex, mssql)"),
    ("mongodb", "a check-out of mongodb"),
    ("ioredis", "a command of ioredis"),
    ("redis", "a command of redis"),
];
const WARM_UP: usize = 50_000;
const SLICE: usize = 50_000;
const SLICES: usize = 8;

/// CPU per acquire in microseconds, by way and mode, slice by slice.
#[derive(Default)]
pub(super) struct Costs([[Vec<f64>; MODES.len()]; WAYS.len()]);

impl Costs {
    pub(super) fn round(&mut self, workshop: &Workshop, program: &Path, quick: bool) -> anyhow::Result<()> {
        let start = |(name, (_, mode)): (&'static str, (&str, &str))| {
            let settings = format!("[pools]\nmode = '{mode}'\nmax_connections = 50\n");
            let app = App {
                name,
                script: app("pooler.js"),
                workers: 1,
                pool: 8,
                settings: &settings,
                database: None,
                env: Vec::new(),
            };
            start_app(workshop, program, &app)
        };
        let workers: Vec<Running> = NAMES.into_iter().zip(MODES).map(start).collect::<anyhow::Result<_>>()?;
        for (way, _) in WAYS {
            workers.iter().try_for_each(|worker| acquires(worker, way, WARM_UP).map(drop))?;
        }
        for slice in 0..if quick { 2 } else { SLICES } {
            for ((way, _), costs) in WAYS.iter().zip(&mut self.0) {
                let mut turns: Vec<_> = workers.iter().zip(costs.iter_mut()).collect();
                turns.rotate_left(slice % MODES.len());
                for (worker, costs) in turns {
                    costs.push(acquires(worker, way, SLICE)?);
                }
            }
        }
        Ok(())
    }

    fn added(&self, way: usize, mode: usize) -> Option<f64> {
        let of = |mode: usize| min(self.0.get(way)?.get(mode)?);
        Some(of(mode)? - of(0)?)
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let target = |(way, (_, name)): (usize, &(&str, &str))| {
            Target::new(format!("added to {name} that is observed"), 1.0, self.added(way, 2), " µs")
        };
        WAYS.iter().enumerate().map(target).collect()
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "µs min", "median", "more than off (min)"]);
        for (way, ((_, name), costs)) in WAYS.iter().zip(&self.0).enumerate() {
            for (mode, ((of, _), values)) in MODES.iter().zip(costs).enumerate() {
                let cells = [min(values), median(values), self.added(way, mode)];
                let cells = cells.map(|value| figure(value, "", 2));
                table.row([vec![format!("{name}, {of}")], cells.to_vec()].concat());
            }
        }
        table
    }

    pub(super) fn raw(&self) -> Value {
        let of = |costs: &[Vec<f64>; MODES.len()]| -> Value {
            MODES.iter().zip(costs).map(|((name, _), values)| ((*name).to_owned(), json!(values))).collect()
        };
        WAYS.iter().zip(&self.0).map(|((way, _), costs)| ((*way).to_owned(), of(costs))).collect()
    }
}

fn acquires(worker: &Running, way: &str, acquires: usize) -> anyhow::Result<f64> {
    let answer = worker.ask(&format!("/run?acquires={acquires}&by={way}"))?;
    answer.parse().with_context(|| format!("the app said {answer}"))
}
