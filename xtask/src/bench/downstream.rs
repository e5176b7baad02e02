//! `bench downstream`: what it costs a worker that its calls are seen and limited, whether a limit is kept whatever makes
//! the calls, how much of it is used, and how soon a killed worker's part is back.

mod cost;
mod limit;
mod loss;
mod place;

use std::time::Instant;

use serde_json::json;

use self::cost::Costs;
use self::limit::{Kept, Use};
use super::field::plimsoll;
use super::only::Only;
use super::report::{Keep, Report, Target, targets};
use super::stats::{max, median};
use super::workshop::Workshop;
use super::{Common, machine};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    only: Only<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Limit,
    Use,
    Loss,
    Cost,
}

const LIMIT: u32 = 10;

pub(super) fn run(options: &Options, command: String) -> anyhow::Result<()> {
    let begun = Instant::now();
    let workshop = Workshop::open(&options.common.node)?;
    let program = plimsoll(&options.common)?;
    place::install_example()?;
    let rounds = options.common.rounds(4);

    let mut kept = Kept::default();
    if options.only.wants(Part::Limit) {
        kept.measure(&workshop, &program)?;
    }
    let mut used = Use::default();
    if options.only.wants(Part::Use) {
        used.measure(&workshop, &program, options.common.quick)?;
    }
    let losses = if options.only.wants(Part::Loss) { rounds } else { 0 };
    let back: Vec<loss::Back> =
        (0..losses).map(|_| loss::measure(&workshop, &program)).collect::<anyhow::Result<_>>()?;
    let mut costs = Costs::default();
    for round in 0..if options.only.wants(Part::Cost) { rounds } else { 0 } {
        costs.one_round(&workshop, &program, options.common.quick)?;
        eprintln!("round {}: {}", round + 1, costs.line());
    }

    let back_ms: Vec<f64> = back.iter().map(|one| one.ms).collect();
    let peaks: Vec<f64> = back.iter().map(|one| one.peak).collect();
    let mut reached = kept.targets();
    reached.extend(used.targets());
    reached.push(Target::new(
        "from kill -9 of a worker that holds all until another has all (median)",
        200.0,
        median(&back_ms),
        " ms",
    ));
    reached.push(Target::new("most calls at once meanwhile", f64::from(LIMIT), max(&peaks), ""));
    reached.extend(costs.targets());
    let mut method = kept.method();
    method.extend(used.method());
    method.push(loss::METHOD.to_owned());
    method.extend(costs.method(&workshop, rounds));
    Report {
        verb: "downstream",
        title: "Calls of the app to other services",
        command,
        machine: machine::facts(&[
            ("node", workshop.version_of_node()),
            ("plimsoll", machine::version(&program, "version")),
        ]),
        method,
        tables: vec![
            ("Figures to reach".to_owned(), targets(&reached)),
            ("A limit of 10, by library and Node.js: most calls at once".to_owned(), kept.table()),
            ("How much of the limit is used".to_owned(), used.table()),
            ("CPU of a worker per call".to_owned(), costs.table()),
        ],
        notes: vec![format!("The whole took {} s.", begun.elapsed().as_secs())],
        raw: json!({
            "us_per_call": costs.raw(), "use": used.raw(), "kept": kept.raw(),
            "share_back_ms": back_ms, "peak_after_kill": peaks,
        }),
        keep: Keep::unless(options.common.quick || !options.only.is_all()),
    }
    .publish()
}
