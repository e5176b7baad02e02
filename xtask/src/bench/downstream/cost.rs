//! What a call costs the worker: in one process, slice by slice in turns, calls that Plimsoll sees, and the same calls by
//! Node's own functions, past it. Their difference is Plimsoll.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::pairs::Pairs;
use super::super::report::{Table, Target, figure};
use super::super::workshop::{Workshop, app};
use super::place::service;
use crate::bench::running::Running;

/// What the settings of a worker say of its calls. Where they are not looked at, what is found is noise.
const MODES: [&str; 3] = ["off", "observe", "enforce"];
const WAYS: [Way; 2] = [
    Way { name: "http", limit_us: 3.0, slice: 1_600, slices: 40 },
    // A call takes five times as long, and its time varies more.
    Way { name: "fetch", limit_us: 5.0, slice: 800, slices: 100 },
];
const WARM_UP: usize = 6_400;

/// How a call is made.
struct Way {
    name: &'static str,
    limit_us: f64,
    /// So many calls: short against a disturbance, so that slices taken one after the other meet the same.
    slice: usize,
    /// Of each kind, in a round.
    slices: usize,
}

/// CPU per call in microseconds, plain and seen, by way and mode.
type Round = [[Pairs; MODES.len()]; WAYS.len()];

#[derive(Default)]
pub(super) struct Costs(Vec<Round>);

impl Costs {
    pub(super) fn one_round(
        &mut self,
        workshop: &Workshop,
        program: &Path,
        quick: bool,
    ) -> anyhow::Result<()> {
        let service = service(workshop, workshop.placement.load)?;
        let url = format!("http://127.0.0.1:{}", service.port);
        let mut round = Round::default();
        for (at, mode) in MODES.iter().enumerate() {
            let worker = caller(workshop, program, mode, &url)?;
            for (way, pairs) in WAYS.iter().zip(&mut round) {
                let Some(pairs) = pairs.get_mut(at) else { continue };
                let of = |calls, plain| self::calls(&worker, way.name, calls, plain);
                [false, true].iter().try_for_each(|plain| of(WARM_UP, *plain).map(drop))?;
                for _ in 0..if quick { 6 } else { way.slices } {
                    pairs.take(|plain| of(way.slice, plain))?;
                }
            }
        }
        self.0.push(round);
        Ok(())
    }

    fn pairs(&self, way: usize, mode: usize) -> Pairs {
        let mut all = Pairs::default();
        self.0.iter().filter_map(|round| round.get(way)?.get(mode)).for_each(|pairs| all.extend(pairs));
        all
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        let rows = WAYS.iter().enumerate().flat_map(|(way, Way { name, limit_us, .. })| {
            [(1, "observed"), (2, "limited")].map(|(mode, how)| {
                let (what, pairs) =
                    (format!("added to a call by {name} that is {how}"), self.pairs(way, mode));
                Target::new(what, *limit_us, pairs.added(), " µs").sure_to(pairs.sure_to())
            })
        });
        rows.collect()
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new(&["", "plain, µs", "seen, µs", "more", "±"]);
        for (way, Way { name, .. }) in WAYS.iter().enumerate() {
            for (mode, of) in MODES.iter().enumerate() {
                let pairs = self.pairs(way, mode);
                let cells = [pairs.without(), pairs.with(), pairs.added(), pairs.sure_to()];
                let cells = cells.map(|value| figure(value, "", 2));
                table.row([vec![format!("{name}, {of}")], cells.to_vec()].concat());
            }
        }
        table
    }

    pub(super) fn line(&self) -> String {
        let added = |way, mode| {
            let pairs = self.pairs(way, mode);
            format!("{} ± {}", figure(pairs.added(), " µs", 2), figure(pairs.sure_to(), "", 2))
        };
        let of = |way| {
            format!("{} (off), {} (observe), {} (enforce)", added(way, 0), added(way, 1), added(way, 2))
        };
        format!("http {}; fetch {}", of(0), of(1))
    }

    pub(super) fn method(&self, workshop: &Workshop, rounds: usize) -> Vec<String> {
        let slices = WAYS.iter().map(|way| format!("{} pairs of {} by {}", way.slices, way.slice, way.name));
        let slices: Vec<String> = slices.collect();
        vec![format!(
            "Cost: {rounds} rounds; in each, a worker for each `downstream.default.mode` is started afresh on a CPU of its own ({}), \
             and makes slices of calls, sixteen at once over kept-alive connections, to one hello-world service: in turn as \
             Plimsoll sees them, and past it, by Node's own functions that the app had kept. CPU of the loop's thread, user and \
             system, per call, each slice begun with a collection of the young objects; the median of the differences of two slices \
             made one after the other, in a round {}; `±`: where the true median is in 19 of 20 cases. `off`: nothing is replaced, so that it shows the noise.",
            workshop.placement.describe(),
            slices.join(" and ")
        )]
    }

    pub(super) fn raw(&self) -> Value {
        let of = |way: usize| -> Value {
            let modes = MODES.iter().enumerate();
            modes.map(|(mode, name)| ((*name).to_owned(), json!(self.pairs(way, mode)))).collect()
        };
        WAYS.iter().enumerate().map(|(way, Way { name, .. })| ((*name).to_owned(), of(way))).collect()
    }
}

fn caller(workshop: &Workshop, program: &Path, mode: &str, url: &str) -> anyhow::Result<Running> {
    Running::start(workshop, program, workshop.placement.proxy, "caller", |command, admin| {
        command.args(["run", "--name", "bench", "--admin", admin, "--"]).arg(&workshop.node);
        command.arg("--expose-gc").arg(app("caller.js")).env("SERVICE_URL", url);
        command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_MODE", mode);
        command.env("PLIMSOLL_DOWNSTREAM_DEFAULT_CONCURRENCY", "1000");
    })?
    .when_it_answers()
}

/// CPU per call, in microseconds.
fn calls(worker: &Running, way: &str, calls: usize, plain: bool) -> anyhow::Result<f64> {
    let plain = if plain { "&plain" } else { "" };
    let answer = worker.ask(&format!("/run?calls={calls}&by={way}{plain}"))?;
    answer.parse().with_context(|| format!("the caller said {answer}"))
}
