//! What a call costs the worker: a difference of CPU time between workers that take turns, slice by slice, with the same
//! calls to the same service. Their calls are not looked at, looked at, or limited (by a limit that is never reached).

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::report::{Table, Target, figure};
use super::super::stats::{median, min};
use super::super::workshop::{Workshop, app};
use super::place::Running;

/// What the settings of a worker say of its calls. The first two do the same: what differs between them is noise.
const MODES: [(&str, &str); 4] =
    [("off", "off"), ("off, again", "off"), ("observe", "observe"), ("enforce", "enforce")];
const WAYS: [(&str, f64); 2] = [("http", 3.0), ("fetch", 5.0)];
const WARM_UP: usize = 6_400;
/// Short against a disturbance, so that slices taken one after the other meet the same.
const SLICE: usize = 800;
const SLICES: usize = 24;

/// CPU per call in microseconds, by way and mode, of each round slice by slice.
#[derive(Default)]
pub(super) struct Costs(Vec<[[Vec<f64>; MODES.len()]; WAYS.len()]>);

impl Costs {
    pub(super) fn one_round(
        &mut self,
        workshop: &Workshop,
        program: &Path,
        quick: bool,
    ) -> anyhow::Result<()> {
        let service = Running::service(workshop, workshop.placement.load)?;
        let url = format!("http://127.0.0.1:{}", service.port);
        let workers: Vec<Running> = MODES
            .iter()
            .map(|(name, mode)| caller(workshop, program, name, mode, &url))
            .collect::<anyhow::Result<_>>()?;
        for (way, _) in WAYS {
            workers.iter().try_for_each(|worker| calls(worker, way, WARM_UP).map(drop))?;
        }
        let mut round: [[Vec<f64>; MODES.len()]; WAYS.len()] = Default::default();
        for slice in 0..if quick { 4 } else { SLICES } {
            for (way, costs) in WAYS.iter().zip(&mut round) {
                let mut turns: Vec<_> = workers.iter().zip(costs.iter_mut()).collect();
                turns.rotate_left(slice % MODES.len());
                for (worker, costs) in turns {
                    costs.push(calls(worker, way.0, SLICE)?);
                }
            }
        }
        self.0.push(round);
        Ok(())
    }

    /// The median over the rounds of what the best slice of a mode took more than that of both that are off. A process
    /// keeps the luck of its start (where its code and heap lie) for its life, so that rounds with fresh processes count, and
    /// not their slices.
    fn added(&self, way: usize, mode: usize) -> Option<f64> {
        let differences: Option<Vec<f64>> = self
            .0
            .iter()
            .map(|round| {
                let least = |mode: usize| min(round.get(way)?.get(mode)?);
                Some(least(mode)? - f64::midpoint(least(0)?, least(1)?))
            })
            .collect();
        median(&differences?)
    }

    fn all(&self, way: usize, mode: usize) -> Vec<f64> {
        let slices = self.0.iter().filter_map(|round| round.get(way)?.get(mode));
        slices.flatten().copied().collect()
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let rows = WAYS.iter().enumerate().flat_map(|(way, (name, limit))| {
            [(2, "observed"), (3, "limited")].map(|(mode, how)| Target {
                what: format!("added to a call by {name} that is {how}"),
                limit: *limit,
                found: self.added(way, mode),
                unit: " µs",
            })
        });
        rows.collect()
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "µs min", "median", "more than off (median of rounds)"]);
        for (way, (name, _)) in WAYS.iter().enumerate() {
            for (mode, (of, _)) in MODES.iter().enumerate() {
                let values = self.all(way, mode);
                let cells = [min(&values), median(&values), self.added(way, mode)];
                let cells = cells.map(|value| figure(value, "", 2));
                table.row([vec![format!("{name}, {of}")], cells.to_vec()].concat());
            }
        }
        table
    }

    pub(super) fn line(&self) -> String {
        let added = |way, mode| figure(self.added(way, mode), " µs", 2);
        format!(
            "noise {} {}; http +{} +{}, fetch +{} +{}",
            added(0, 1),
            added(1, 1),
            added(0, 2),
            added(0, 3),
            added(1, 2),
            added(1, 3)
        )
    }

    pub(super) fn method(&self, workshop: &Workshop, rounds: usize) -> Vec<String> {
        vec![format!(
            "Cost: {rounds} rounds; in each, four workers are started afresh that differ in `downstream.default.mode` alone, and \
             take turns, {SLICES} slices of {SLICE} calls each, sixteen at a time over kept-alive connections, to one \
             hello-world service on another CPU ({}). CPU of the worker's process, user and system, per call; of a round \
             the least of the slices, less the mean of that of the two workers whose calls are not looked at; of the rounds \
             the median.",
            workshop.placement.describe()
        )]
    }

    pub(super) fn raw(&self) -> Value {
        let of = |way: usize| -> Value {
            let modes = MODES.iter().enumerate();
            modes.map(|(mode, (name, _))| ((*name).to_owned(), json!(self.all(way, mode)))).collect()
        };
        WAYS.iter().enumerate().map(|(way, (name, _))| ((*name).to_owned(), of(way))).collect()
    }
}

fn caller(workshop: &Workshop, program: &Path, name: &str, mode: &str, url: &str) -> anyhow::Result<Running> {
    Running::start(workshop, program, workshop.placement.proxy, "caller", |command, port, admin| {
        let instance = format!("bench-{}", name.replace(", ", "-"));
        command.args(["run", "--name", &instance, "--admin", admin, "--"]).arg(&workshop.node);
        command.arg(app("caller.js")).env("PORT", port.to_string()).env("SERVICE_URL", url);
        command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_MODE", mode);
        command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_CONCURRENCY", "1000");
    })
}

/// CPU per call, in microseconds.
fn calls(worker: &Running, way: &str, calls: usize) -> anyhow::Result<f64> {
    let answer = worker.ask(&format!("/run?calls={calls}&by={way}"))?;
    answer.parse().with_context(|| format!("the caller said {answer}"))
}
